import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics } from 'prom-client';
import { pino, type Logger } from 'pino';
import { createUtility, type UtilityParts } from './app.ts';
import { Metrics } from './metrics.ts';
import { processEmail } from './process.ts';
import { readSettings, SettingsError, type Settings } from './settings.ts';

export interface RunningUtility {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Takes nothing new, and waits for what is under way. */
  stop(): Promise<void>;
}

/** Starts it. Port 0 is any free one. */
export async function startUtility(
  settings: Settings,
  log: Logger,
  { process = processEmail, metrics = new Metrics() }: Partial<Pick<UtilityParts, 'process' | 'metrics'>> = {},
): Promise<RunningUtility> {
  let stopping = false;
  const server = createUtility({ settings, log, process, metrics, isStopping: () => stopping }).listen(settings.port);
  await once(server, 'listening');
  // Longer than callers keep a connection, so that no request meets one that is just being closed.
  server.keepAliveTimeout = 65_000;
  server.on('request', (_request, response) => {
    response.once('finish', () => {
      if (stopping) setImmediate(() => server.closeIdleConnections());
    });
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      stopping = true;
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const log = pino({ level: settings.logLevel });
  if (settings.signingKey === undefined) log.warn('Signatures are not checked: set SIGNING_KEY');
  const metrics = new Metrics();
  collectDefaultMetrics({ register: metrics.register });
  const utility = await startUtility(settings, log, { metrics });
  log.info({ url: utility.url }, 'Ready');
  const ended = new Promise((resolve) => ['SIGTERM', 'SIGINT'].map((signal) => process.once(signal, resolve)));
  await ended;
  log.info('Finishing what is under way');
  await utility.stop();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof SettingsError ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
