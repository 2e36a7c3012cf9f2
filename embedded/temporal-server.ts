import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { PortTakenError, TemporalStartError } from './errors.ts';
import { spawnGuarded, type Exit, type GuardedProcess } from './guarded-process.ts';
import { openLog, type ServiceLog } from './log-file.ts';
import { freePort, isPortFree } from './ports.ts';
import { endLeftover } from './leftover.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { findTemporalBinary } from './temporal-binary.ts';
import { ensureSearchAttributes, untilServing, type SearchAttributeType } from './temporal-ready.ts';

export interface TemporalOptions {
  /** The folder of the server's SQLite file and log. Made (mode 0700) where it does not exist. */
  dataDir: string;
  /** The Temporal CLI. Default: as `findTemporalBinary` finds it. */
  binary?: string;
  /** Of the gRPC frontend on 127.0.0.1. Default: a free one. */
  port?: number;
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
  signal?: AbortSignal;
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

/**
 * Dynamic configuration (`temporalio/server` common/dynamicconfig/constants.go). The limits are meant for servers that
 * many share; here one product uses one server, and whoever is limited only asks again.
 */
const DYNAMIC_CONFIG: Readonly<Record<string, unknown>> = {
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'matching.rps': 20_000,
  'matching.persistenceMaxQPS': 50_000,
  'history.rps': 20_000,
  'history.persistenceMaxQPS': 50_000,
  'frontend.rps': 20_000,
  'frontend.namespaceRPS': 20_000,
  'frontend.namespaceRPS.visibility': 1_000,
  'frontend.persistenceMaxQPS': 50_000,
  'system.enableActivityEagerExecution': true,
};

const PORT_ATTEMPTS = 5;

/**
 * Starts the Temporal development server on the loopback interface, persisted to a file. It serves the namespace with its
 * search attributes when this resolves.
 * Throws `TemporalStartError`, `TemporalBinaryNotFound` or `PortTakenError`, all with what to do, or the signal's reason.
 */
export async function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal> {
  const { dataDir, log, signal, namespace = 'default' } = options;
  signal?.throwIfAborted();
  const binary = options.binary ?? (await findBinary(options));
  await makeFolder(dataDir);
  await endLeftoverTemporal(dataDir, { log, signal });

  for (let attempt = 1; ; attempt++) {
    const ports = await choosePorts(options);
    const serverLog = await openLog(join(dataDir, 'temporal.log'));
    const server = await spawnServer(binary, { ...options, namespace, ports, serverLog });
    try {
      await writeFile(pidFile(dataDir), JSON.stringify(identify(server.pid)), { mode: 0o600 });
      const connection = await untilServing({ server, serverLog, port: ports.frontend, namespace, log, signal });
      await ensureSearchAttributes(connection, namespace, options.searchAttributes).finally(() => connection.close());
      signal?.throwIfAborted();
    } catch (error) {
      await stopServer(server, dataDir);
      signal?.throwIfAborted();
      const portWasTaken = /address already in use/.test((error as Error).message);
      if (!portWasTaken || attempt === PORT_ATTEMPTS) throw error;
      continue;
    }
    return {
      pid: server.pid,
      exited: server.exited,
      kill: (signal) => server.kill(signal),
      stop: () => stopServer(server, dataDir),
      address: `127.0.0.1:${ports.frontend}`,
      ...(ports.ui !== undefined && { uiUrl: `http://127.0.0.1:${ports.ui}` }),
    };
  }
}

interface Ports {
  frontend: number;
  ui: number | undefined;
}

async function choosePorts({ port, uiPort }: TemporalOptions): Promise<Ports> {
  if (port !== undefined && !(await isPortFree(port))) throw new PortTakenError('the Temporal server', port);
  if (typeof uiPort === 'number' && !(await isPortFree(uiPort))) throw new PortTakenError("Temporal's Web UI", uiPort);
  return {
    frontend: port ?? (await freePort()),
    ui: uiPort === false ? undefined : (uiPort ?? (await freePort())),
  };
}

async function spawnServer(
  binary: string,
  options: TemporalOptions & { namespace: string; ports: Ports; serverLog: ServiceLog },
): Promise<GuardedProcess> {
  const { ports, serverLog } = options;
  const pairs = (flag: string, values: Readonly<Record<string, unknown>>): string[] =>
    Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${String(value)}`]);
  try {
    return await spawnGuarded({
      command: binary,
      args: [
        ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(ports.frontend)],
        ...(ports.ui === undefined ? ['--headless'] : ['--ui-port', String(ports.ui), '--ui-disable-news-fetch']),
        ...(options.uiCodecEndpoint === undefined ? [] : ['--ui-codec-endpoint', options.uiCodecEndpoint]),
        ...['--db-filename', join(options.dataDir, 'temporal.db')],
        ...pairs('--sqlite-pragma', { journal_mode: 'wal', synchronous: 'normal' }),
        ...['--namespace', options.namespace],
        ...pairs('--search-attribute', options.searchAttributes),
        ...pairs('--dynamic-config-value', DYNAMIC_CONFIG),
        ...['--log-level', 'warn', '--disable-config-file', '--disable-config-env'],
      ],
      env: serverEnvironment(),
      output: serverLog.handle.fd,
    });
  } catch (cause) {
    throw new TemporalStartError(`${binary} cannot be started: ${(cause as Error).message}`, { cause });
  } finally {
    await serverLog.handle.close();
  }
}

/** TEMPORAL_ADDRESS and friends are meant for clients, and the CLI obeys them in places. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

async function findBinary({ log, signal }: TemporalOptions): Promise<string> {
  const found = await findTemporalBinary({
    cacheDir: cacheFolder(process.env),
    env: process.env,
    log,
    ...(signal && { signal }),
  });
  return found.path;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new TemporalStartError(`The data folder ${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}

const pidFile = (dataDir: string): string => join(dataDir, 'temporal.pid');

/** Two servers on one SQLite file would harm it. */
async function endLeftoverTemporal(
  dataDir: string,
  options: { log: (line: string) => void; signal?: AbortSignal | undefined },
) {
  const record = await readFile(pidFile(dataDir), 'utf8').catch(() => undefined);
  if (record === undefined) return;
  const leftover = JSON.parse(record) as ProcessIdentity;
  const gone = await endLeftover(leftover, STOP_STEPS, {
    word: () =>
      options.log(`A Temporal server (pid ${leftover.pid}) left by an earlier run still uses ${dataDir}: stopping it`),
    signal: options.signal,
  });
  if (!gone)
    throw new TemporalStartError(
      `The Temporal server with pid ${leftover.pid} uses ${dataDir} and cannot be stopped. Stop it first.`,
    );
  await rm(pidFile(dataDir), { force: true });
}

const STOP_STEPS = [
  ['SIGTERM', 15_000],
  ['SIGKILL', 5_000],
] as const;

async function stopServer(server: GuardedProcess, dataDir: string): Promise<void> {
  await server.stop(STOP_STEPS);
  await rm(pidFile(dataDir), { force: true });
}
