import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../config/config.ts';
import { PortTakenError, TemporalStartError } from './errors.ts';
import type { Exit, GuardedProcess } from './guarded-process.ts';
import { endLeftover, type StopSteps } from './leftover.ts';
import { prepareFolder } from './make-folder.ts';
import { openLog } from './log-file.ts';
import { freePort, isPortFree, withPort, type PortChoice } from './ports.ts';
import { identify, parseIdentity } from './process-identity.ts';
import { untilReady } from './service-ready.ts';
import { findTemporalBinary } from './temporal-binary.ts';
import { spawnTemporal } from './temporal-command.ts';
import { askTemporal, ensureSearchAttributes, type SearchAttributeType } from './temporal-namespace.ts';

/** The port is that of the gRPC frontend. */
export interface TemporalOptions extends PortChoice {
  /** The folder of the server's SQLite file and log. Made (mode 0700) where it does not exist. */
  dataDir: string;
  /** The Temporal CLI. Default: as `findTemporalBinary` finds it. */
  binary?: string;
  /** Of the Web UI on 127.0.0.1; false for none. Default: a free one. */
  uiPort?: number | false;
  /** Made where it does not exist. Default `default`. */
  namespace?: string;
  /** Made where the namespace lacks them. */
  searchAttributes: Readonly<Record<string, SearchAttributeType>>;
  /** Where the Web UI's pages find a codec server to show payloads with. Default: none. */
  uiCodecEndpoint?: string;
  /** One line for each thing that is done or takes time. */
  log: (line: string) => void;
  /** Aborts the start, in any phase, leaving no process. */
  signal?: AbortSignal | undefined;
}

export interface EmbeddedTemporal {
  /** As in `127.0.0.1:7233`. */
  readonly address: string;
  readonly uiUrl?: string;
  readonly pid: number;
  /** Resolves when the server is gone, whoever ended it. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it in order, by force where that takes longer than 15 s. */
  stop: () => Promise<void>;
  /** Sends the server a signal, for tests of faults. */
  kill: (signal: NodeJS.Signals) => void;
}

const START_TIMEOUT_MS = 90_000;

const STOP_STEPS: StopSteps = [
  ['SIGTERM', 15_000],
  ['SIGKILL', 5_000],
];

/**
 * Starts the Temporal development server on the loopback interface, persisted to a file. It serves the namespace with its
 * search attributes when this resolves.
 * Throws `TemporalStartError`, `TemporalBinaryNotFound` or `PortTakenError`, all with what to do, or the signal's reason.
 */
export async function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal> {
  const { dataDir, log, signal, uiPort } = options;
  signal?.throwIfAborted();
  const binary = options.binary ?? (await findBinary(options));
  await prepareFolder(dataDir, TemporalStartError);
  await endLeftoverTemporal(dataDir, { log, signal });
  if (typeof uiPort === 'number' && !(await isPortFree(uiPort))) throw new PortTakenError("Temporal's Web UI", uiPort);
  return withPort('the Temporal server', options, async (port) => {
    return startOnce({
      ...options,
      binary,
      port,
      uiPort: uiPort === false ? undefined : (uiPort ?? (await freePort())),
    });
  });
}

async function startOnce(
  options: Omit<TemporalOptions, 'uiPort'> & { binary: string; port: number; uiPort: number | undefined },
): Promise<EmbeddedTemporal> {
  const { dataDir, port, uiPort, uiCodecEndpoint, searchAttributes, log, signal, namespace = 'default' } = options;
  const serverLog = await openLog(join(dataDir, 'temporal.log'));
  const server = await spawnTemporal({ ...options, namespace, uiCodecEndpoint, serverLog });
  try {
    await writeFile(pidFile(dataDir), JSON.stringify(identify(server.pid) ?? null), { mode: 0o600 });
    const connection = await untilReady({
      name: 'The Temporal server',
      server,
      serverLog,
      ask: () => askTemporal(port, namespace),
      timeoutMs: START_TIMEOUT_MS,
      failure: TemporalStartError,
      log,
      signal,
    });
    await ensureSearchAttributes(connection, namespace, searchAttributes).finally(() => connection.close());
    signal?.throwIfAborted();
  } catch (error) {
    await stopServer(server, dataDir);
    throw error;
  }
  return {
    address: `127.0.0.1:${port}`,
    ...(uiPort !== undefined && { uiUrl: `http://127.0.0.1:${uiPort}` }),
    pid: server.pid,
    exited: server.exited,
    kill: server.kill,
    stop: () => stopServer(server, dataDir),
  };
}

async function findBinary({ log, signal }: TemporalOptions): Promise<string> {
  return (await findTemporalBinary({ cacheDir: cacheDir(process.env), env: process.env, log, signal })).path;
}

const pidFile = (dataDir: string): string => join(dataDir, 'temporal.pid');

/** Two servers on one SQLite file would harm it. */
async function endLeftoverTemporal(
  dataDir: string,
  { log, signal }: { log: (line: string) => void; signal: AbortSignal | undefined },
): Promise<void> {
  const leftover = parseIdentity(await readFile(pidFile(dataDir), 'utf8').catch(() => ''));
  if (!leftover) return;
  const server = `Temporal server (pid ${leftover.pid})`;
  const gone = await endLeftover(leftover, STOP_STEPS, {
    word: () => log(`A ${server} left by an earlier run still uses ${dataDir}: stopping it`),
    signal,
  });
  if (!gone) throw new TemporalStartError(`The ${server} uses ${dataDir} and cannot be stopped. Stop it first.`);
  await rm(pidFile(dataDir), { force: true });
}

async function stopServer(server: GuardedProcess, dataDir: string): Promise<void> {
  await server.stop(STOP_STEPS);
  await rm(pidFile(dataDir), { force: true });
}
