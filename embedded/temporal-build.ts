import { join } from 'node:path';
import { packageRoot } from './package-root.ts';
import { runCommand, withProgress } from './run-command.ts';
import { checkVersion } from './temporal-version.ts';
import { RUNS_HERE, type FailedWay, type SourceOptions } from './temporal-source.ts';

/** From 1.21 on, Go fetches by itself the newer toolchain that `go.mod` asks for. */
const MINIMUM_GO_MINOR = 21;

/** Go removes its temporary files on the first signal. */
const STOP_STEPS = [
  ['SIGINT', 5_000],
  ['SIGKILL', 5_000],
] as const;

/**
 * Builds the CLI from the modules that `embedded/temporal/go.mod` and `go.sum` pin; the path of the file, or why there is
 * none. Nothing is written beside them.
 */
export async function buildTemporal(
  options: SourceOptions & { go: string | undefined },
): Promise<{ path: string } | FailedWay> {
  const { folder, version, go, env, log, signal } = options;
  const failed = (why: string, remedy: string): FailedWay => ({ way: 'Build with the Go toolchain', why, remedy });
  const install = `Install Go 1.${MINIMUM_GO_MINOR} or newer: https://go.dev/dl/`;
  if (go === undefined) return failed('there is no `go` on PATH', install);

  const goVersion = await runCommand({ command: go, args: ['version'], env: { ...env, GOTOOLCHAIN: 'local' }, signal });
  const [, found, major, minor] = /go((\d+)\.(\d+)\S*)/.exec(goVersion.output) ?? [];
  if (found === undefined) return failed(`\`${go} version\` does not tell a version`, install);
  if (Number(major) < 2 && Number(minor) < MINIMUM_GO_MINOR) return failed(`${go} is Go ${found}, too old`, install);

  log(`Building the Temporal CLI ${version} with Go ${found}: takes some minutes, only this once`);
  const path = join(folder, 'temporal');
  const build = runCommand({
    command: go,
    args: [
      ...['build', '-mod=readonly', '-buildvcs=false', '-trimpath', '-o', path],
      ...['-ldflags', `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${version}`],
      'github.com/temporalio/cli/cmd/temporal',
    ],
    cwd: join(packageRoot(), 'embedded', 'temporal'),
    env: { ...env, CGO_ENABLED: '0', GOWORK: 'off', GOOS: undefined, GOARCH: undefined, GOTMPDIR: folder },
    stopSignal: 'SIGINT',
    stopSteps: STOP_STEPS,
    signal,
  });
  const { ok, output } = await withProgress(log, 'Still building the Temporal CLI', build);
  if (ok) {
    const { why } = await checkVersion(path, signal);
    return why === undefined ? { path } : failed(why, RUNS_HERE);
  }
  const end = output.split('\n').slice(-5).join('\n    ');
  log('The Temporal CLI cannot be built');
  return failed(
    `go build failed:\n    ${end}`,
    'Its modules come from where Go is set to fetch modules (GOPROXY): is that within reach?',
  );
}
