#!/usr/bin/env bash
# Outhaul against a full Temporal server on PostgreSQL, instead of the development server: a scan from end to end, then
# chaos. The server is built once by the Go toolchain (several minutes) and kept in this user's cache.
#
# Usage: npm run build && test/temporal-on-postgres/run.sh [options of chaos, such as --minutes 10 --seed 4 --workers 2]
set -euo pipefail
cd "$(dirname "$0")/../.."

version=1.31.2
programs="${XDG_CACHE_HOME:-$HOME/.cache}/outhaul/temporal-server-$version"

if [ ! -x "$programs/server" ] || [ ! -x "$programs/sql" ]; then
  command -v go >/dev/null || { echo 'The Go toolchain is needed to build the Temporal server: https://go.dev/dl/' >&2; exit 4; }
  echo "Building the Temporal server $version and its SQL tool: takes some minutes, only this once" >&2
  mkdir -p "$(dirname "$programs")"
  unfinished=$(mktemp -d "$programs.unfinished-XXXXXX")
  trap 'rm -rf "$unfinished"' EXIT
  GOBIN="$unfinished" CGO_ENABLED=0 GOWORK=off nice -n 19 go install -trimpath -ldflags='-s -w' \
    "go.temporal.io/server/cmd/server@v$version" "go.temporal.io/server/cmd/tools/sql@v$version"
  rm -rf "$programs"
  mv "$unfinished" "$programs"
  chmod 755 "$programs"
fi

chaos() {
  node --enable-source-maps dist/chaos/main.js --temporal-on-postgres "$programs" --json "$@"
}
echo 'A scan from end to end, without faults' >&2
chaos --minutes 0
echo 'Chaos' >&2
chaos "$@"
