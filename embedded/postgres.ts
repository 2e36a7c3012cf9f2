import { join } from 'node:path';
import { cacheDir } from '../config/config.ts';
import { PostgresStartError } from './errors.ts';
import { spawnGuarded, type Exit, type GuardedProcess } from './guarded-process.ts';
import { prepareFolder } from './make-folder.ts';
import { openLog, type ServiceLog } from './log-file.ts';
import { pause } from './pause.ts';
import { withPort, type PortChoice } from './ports.ts';
import { findPostgresBinaries, packagedPostgres, type PostgresBinaries } from './postgres-binaries.ts';
import {
  CLUSTER_USER,
  STOP_STEPS,
  dataDirectoryArgument,
  openCluster,
  postgresEnvironment,
  type Cluster,
} from './postgres-cluster.ts';
import { endLeftoverPostgres } from './postgres-leftover.ts';
import { askPostgres, ensureDatabase } from './postgres-connection.ts';
import { untilReady } from './service-ready.ts';
import { findServiceUser, type ServiceUser } from './service-user.ts';

export interface PostgresOptions extends PortChoice {
  /** The folder of the cluster, its password and its log. Made (mode 0700) where it does not exist. */
  dataDir: string;
  /** Made where it does not exist. Default `outhaul`. */
  database?: string;
  /** One line for each thing that is done or takes time. */
  log: (line: string) => void;
  /** Aborts the start, in any phase, leaving no process and no half-made cluster. */
  signal?: AbortSignal | undefined;
  /** Server settings beside and over our own, as in `{ fsync: 'off' }`. */
  settings?: Record<string, string>;
  /** Where programs are kept that cannot be used in place. Default: this user's cache. */
  cacheDir?: string;
}

export interface EmbeddedPostgres {
  /** `postgres://user:password@127.0.0.1:port/database`, of a superuser. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server is gone, whoever ended it. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it in order (sessions are cut, data is flushed), by force where that takes longer than 30 s. */
  stop: () => Promise<void>;
  /** Sends the server a signal, for tests of faults. */
  kill: (signal: NodeJS.Signals) => void;
}

/** For one machine that also runs everything else; durable. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  effective_cache_size: '1GB',
  maintenance_work_mem: '128MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  checkpoint_completion_target: '0.9',
  wal_compression: 'pglz',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // Details and statements of errors hold rows: subjects, addresses, bodies.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  cluster_name: 'outhaul',
};

/** Crash recovery counts into this. */
const START_TIMEOUT_MS = 180_000;
const SESSIONS_END_WITHIN_MS = 30_000;

/**
 * Starts a real PostgreSQL from npm on the loopback interface, with a password of its own and UTF-8 text.
 * Throws `PostgresStartError` or `PortTakenError`, both with what to do, or the signal's reason.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, signal } = options;
  signal?.throwIfAborted();
  const user = await findServiceUser(join(dataDir, 'data'));
  const cache = options.cacheDir ?? cacheDir(process.env);
  const binaries = await findPostgresBinaries(await packagedPostgres(), { cacheDir: cache, user, log });
  await prepareFolder(dataDir, PostgresStartError);
  await endLeftoverPostgres(join(dataDir, 'data'), { log, signal });
  const settings = { ...SETTINGS, ...options.settings };
  const durable = settings['fsync'] !== 'off';
  const cluster = await openCluster({ folder: dataDir, binaries, user, durable, log, signal });
  return withPort('PostgreSQL', options, (port) =>
    patiently(signal, () => startOnce({ ...options, cluster, binaries, user, port, settings })),
  );
}

/** After the server was killed, its last sessions may take a moment to notice; until then a new one refuses to start. */
async function patiently<T>(signal: AbortSignal | undefined, start: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + SESSIONS_END_WITHIN_MS;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!(error as Error).message.includes('pre-existing shared memory block') || Date.now() > deadline) throw error;
      await pause(250, signal);
    }
  }
}

interface StartOptions extends PostgresOptions {
  cluster: Cluster;
  binaries: PostgresBinaries;
  user: ServiceUser | undefined;
  port: number;
  settings: Record<string, string>;
}

async function startOnce(options: StartOptions): Promise<EmbeddedPostgres> {
  const { cluster, port, log, signal, database = 'outhaul' } = options;
  const url = (name: string): string =>
    `postgres://${CLUSTER_USER}:${cluster.password}@127.0.0.1:${port}/${encodeURIComponent(name)}`;
  const serverLog = await openLog(join(cluster.folder, 'postgres.log'));
  const server = await spawnServer(options, serverLog);
  const stop = async (): Promise<void> => void (await server.stop(STOP_STEPS));
  try {
    await untilReady({
      name: 'PostgreSQL',
      server,
      serverLog,
      ask: () => askPostgres(url('postgres')),
      timeoutMs: START_TIMEOUT_MS,
      failure: PostgresStartError,
      log,
      signal,
    });
    await ensureDatabase(url('postgres'), database);
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: url(database), port, pid: server.pid, exited: server.exited, kill: server.kill, stop };
}

async function spawnServer(options: StartOptions, serverLog: ServiceLog): Promise<GuardedProcess> {
  const { cluster, binaries, user, port, settings } = options;
  try {
    return await spawnGuarded({
      command: join(binaries.binDir, 'postgres'),
      args: [
        ...['-D', dataDirectoryArgument(cluster.data, user), '-p', String(port)],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      cwd: cluster.data,
      env: postgresEnvironment(),
      output: serverLog.handle.fd,
      stopSignal: 'SIGINT',
      user,
    });
  } finally {
    await serverLog.handle.close();
  }
}
