import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { PortTakenError, PostgresStartError } from './errors.ts';
import { spawnGuarded, type Exit, type GuardedProcess } from './guarded-process.ts';
import { openLog, type ServiceLog } from './log-file.ts';
import { freePort, isPortFree } from './ports.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import {
  CLUSTER_USER,
  STOP_STEPS,
  dataDirectoryArgument,
  openCluster,
  postgresEnvironment,
  type Cluster,
} from './postgres-cluster.ts';
import { endLeftoverPostgres } from './postgres-leftover.ts';
import { ensureDatabase, untilConnectable } from './postgres-ready.ts';
import { findServiceUser, type ServiceUser } from './service-user.ts';

export interface PostgresOptions {
  /** The folder of the cluster, its password and its log. Made (mode 0700) where it does not exist. */
  dataDir: string;
  /** On 127.0.0.1, the only address. Default: a free one. */
  port?: number;
  /** Made where it does not exist. Default `outhaul`. */
  database?: string;
  /** One line for each thing that is done or takes time. */
  log: (line: string) => void;
  /** Aborts the start, in any phase, leaving no process and no half-made cluster. */
  signal?: AbortSignal;
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
  cluster_name: 'outhaul',
};

const PORT_ATTEMPTS = 5;

/**
 * Starts a real PostgreSQL from npm on the loopback interface, with a password of its own and UTF-8 text.
 * Throws `PostgresStartError` or `PortTakenError`, both with what to do, or the signal's reason.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, signal, database = 'outhaul' } = options;
  signal?.throwIfAborted();
  const user = await findServiceUser(join(dataDir, 'data'));
  const cacheDir = options.cacheDir ?? cacheFolder(process.env);
  const binaries = await findPostgresBinaries({ cacheDir, user, log });
  await makeFolder(dataDir);
  await endLeftoverPostgres(join(dataDir, 'data'), { log, signal });
  const settings = { ...SETTINGS, ...options.settings };
  const durable = settings['fsync'] !== 'off';
  const cluster = await openCluster({ folder: dataDir, binaries, user, durable, log, signal });

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    if (options.port !== undefined && !(await isPortFree(port))) throw new PortTakenError('PostgreSQL', port);
    const serverLog = await openLog(join(dataDir, 'postgres.log'));
    const server = await spawnServer({ cluster, binaries, user, port, settings, serverLog });
    try {
      const url = (name: string): string =>
        `postgres://${CLUSTER_USER}:${cluster.password}@127.0.0.1:${port}/${encodeURIComponent(name)}`;
      await untilConnectable({ server, serverLog, url: url('postgres'), log, signal });
      await ensureDatabase(url('postgres'), database);
      signal?.throwIfAborted();
      return {
        url: url(database),
        port,
        pid: server.pid,
        exited: server.exited,
        kill: (name) => server.kill(name),
        stop: async () => void (await server.stop(STOP_STEPS)),
      };
    } catch (error) {
      await server.stop(STOP_STEPS);
      signal?.throwIfAborted();
      const portWasTaken = /could not bind|Address already in use/.test((error as Error).message);
      if (!portWasTaken) throw error;
      if (options.port !== undefined || attempt === PORT_ATTEMPTS) throw new PortTakenError('PostgreSQL', port);
    }
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new PostgresStartError(`The data folder ${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}

async function spawnServer(parts: {
  cluster: Cluster;
  binaries: PostgresBinaries;
  user: ServiceUser | undefined;
  port: number;
  settings: Record<string, string>;
  serverLog: ServiceLog;
}): Promise<GuardedProcess> {
  const { cluster, binaries, user, port, settings, serverLog } = parts;
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
