import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from '@temporalio/client';
import { ConfigError, type Config } from '../config/config.ts';
import { NO_KEYS, openConfiguredKeyRing } from '../config/live-key-ring.ts';
import type { Logger } from '../config/logging.ts';
import { taskQueues } from '../model/task-queues.ts';
import { firstAdminKey } from '../store/api-keys.ts';
import { folderBlobStores } from '../store/blobs/folder-blobs.ts';
import { closeDatabase, openDatabase, type Database } from '../store/database.ts';
import { whenDatabaseAnswers } from '../store/health.ts';
import { migrate } from '../store/migrate.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import { createApp } from './app.ts';
import { createConnectionWorkflows } from './connection-workflows.ts';
import { createContactWorkflows } from './contact-workflows.ts';
import { createDeliveryWorkflows } from './delivery-workflows.ts';
import { createEnvironmentDestinations } from './environment-destinations.ts';
import { StartError } from './errors.ts';
import { createNotificationWorkflows } from './notifications/asking.ts';
import { createNotificationReceiver } from './notifications/receiver.ts';
import { createKeyChecker } from './principal.ts';
import { createQuarantineWorkflows } from './quarantine-workflows.ts';
import { createReachabilityCheck } from './reachability.ts';
import { createRedisQueues } from './redis-queues.ts';
import { createScanSchedules } from './scan-schedules.ts';
import { createScanWorkflows } from './scan-workflows.ts';
import { createSessionWorkflows } from './session-workflows.ts';
import { whenTemporalIsReady } from './temporal-ready.ts';
import { outhaulVersion } from './version.ts';
import { within } from './within.ts';
import { createWorkflowCounter } from './workflow-counts.ts';

export interface ApiOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Which installation's queues scans start on. Default: `outhaul`. */
  readonly taskQueuePrefix?: string;
  /** How long to wait for PostgreSQL and Temporal at start, ms. Default: 60,000. */
  readonly patienceMs?: number;
  /** How long the start of a scan waits for its credential to be checked, ms. Default: 60,000. */
  readonly admissionMs?: number;
  /** How long a check of a connection is waited for, ms. Default: 110,000. */
  readonly checkMs?: number;
  /** Ends the start early. */
  readonly signal?: AbortSignal;
}

export interface RunningApi {
  /** Where it listens, with the port that it really has. */
  readonly url: string;
  /** An administrator's key, only where this start has made the first one: show it, it cannot be seen again. */
  readonly adminKey?: string;
  /**
   * Stops accepting, lets requests in flight end for at most 10 seconds, closes what was opened. A start of a scan that
   * still waits for its admission is answered `pending`.
   */
  close(): Promise<void>;
}

const GRACE_MS = 10_000;
/** How long the end waits for a connection that does not close. */
const HANG_MS = 3_000;

/**
 * Composition root of the API process. Waits for PostgreSQL and Temporal, brings the database up to date, makes the
 * first administrator's key, listens.
 * @throws {ConfigError} no key ring, no database
 * @throws {KeyRingError}
 * @throws {StoreUnavailable, IncompatibleDatabase, TemporalUnavailable}
 * @throws {StartError} the port is taken, or Temporal lacks the namespace or the search attributes
 */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { config, log } = options;
  const settings = required(config, log);
  const { keyRing } = settings;
  const closers: (() => Promise<void>)[] = [];
  const closing = new AbortController();
  const leave = (err: unknown): void => log.warn({ err }, 'A connection could not be closed and is left behind');
  const closeAll = async (): Promise<void> => {
    closing.abort();
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const db = openDatabase({ ...settings.database, applicationName: 'outhaul-api', sealer: keyRing, log });
    closers.push(() => within(HANG_MS, closeDatabase(db), () => new Error('the database hangs')).catch(leave));
    const client = await createTemporalClient(settings.temporal, keyRing);
    closers.push(() => client.connection.close());
    const orchestrationQueue = taskQueues(options.taskQueuePrefix ?? 'outhaul').orchestration;
    const workflows = createScanWorkflows(client, {
      orchestrationQueue,
      admissionMs: options.admissionMs ?? 60_000,
    });
    const adminKey = await prepare({ db, client, address: settings.temporal.address }, options);
    const environmentDestinations = createEnvironmentDestinations({ db, config, log });
    await environmentDestinations.settle();
    const redisQueues = createRedisQueues(db);
    closers.push(async () => redisQueues.close());
    const readers = createNotificationWorkflows(client, { orchestrationQueue });
    const receiver = config.notifications.enabled
      ? createNotificationReceiver({
          database: { ...settings.database, sealer: keyRing, log },
          workflows: readers,
          log,
        })
      : undefined;
    closers.push(async () => receiver?.close());
    const app = createApp(
      {
        config,
        db,
        blobs: folderBlobStores(config.blobs.directory),
        environmentDestinations,
        redisQueues,
        wakeReader: (...about) => readers.wakeReader(...about),
        workflows,
        sessions: createSessionWorkflows(client, { orchestrationQueue, startMs: options.admissionMs ?? 60_000 }),
        schedules: createScanSchedules(client, { orchestrationQueue }),
        connections: createConnectionWorkflows(client, { orchestrationQueue, checkMs: options.checkMs ?? 110_000 }),
        quarantine: createQuarantineWorkflows(client, { orchestrationQueue }),
        deliveries: createDeliveryWorkflows(client, { orchestrationQueue }),
        contacts: createContactWorkflows(client, { orchestrationQueue }),
        keys: createKeyChecker(db),
        receiver,
        keyRing,
        countBegunBy: createWorkflowCounter(client, orchestrationQueue),
        reachability: createReachabilityCheck(db, workflows),
        version: await outhaulVersion(),
        closing: closing.signal,
      },
      log,
    );
    const server = createServer(app);
    const url = await listen(server, config.http);
    closers.push(() => stop(server));
    log.info({ url }, 'The API listens');
    let closed: Promise<void> | undefined;
    return { url, ...(adminKey !== undefined && { adminKey }), close: () => (closed ??= closeAll()) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What the API cannot start without. */
function required(config: Config, log: Logger) {
  const { keys, keysFile, database, temporal } = config;
  const { url } = database;
  const problems: string[] = [];
  if (keys === undefined && keysFile === undefined) problems.push(NO_KEYS);
  if (url === undefined) problems.push('DATABASE_URL (or DB_HOST) is not set: the API needs PostgreSQL');
  if (url === undefined || problems.length > 0) throw new ConfigError(problems);
  return {
    database: { ...database, url },
    keyRing: openConfiguredKeyRing(config, log),
    temporal: { ...temporal, address: temporal.address ?? 'localhost:7233' },
  };
}

/** Waits for what the API needs and makes it ready; returns the first administrator's key where it was made now. */
async function prepare(
  { db, client, address }: { db: Database; client: Client; address: string },
  { config, log, patienceMs = 60_000, signal }: ApiOptions,
): Promise<string | undefined> {
  const waiting = { patienceMs, log: (line: string) => log.info(line), signal };
  await whenDatabaseAnswers(db, waiting, () => migrate(db));
  await whenTemporalIsReady(client, { address, patienceMs, log, signal });
  if (config.http.auth === 'none') return undefined;
  const first = await whenDatabaseAnswers(db, waiting, () => firstAdminKey(db));
  if (first) log.info({ keyId: first.id }, 'Made the first key of an administrator');
  return first?.key;
}

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<string> {
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new StartError(whyNotListening(error, host, port), { cause: error });
  }
  const { address, port: actual, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}

function whyNotListening(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'EADDRINUSE') {
    return `Port ${port} on ${host} is taken by another program: stop that, or set PORT to a free one (0 picks one)`;
  }
  if (code === 'EACCES') return `Port ${port} is not open to this user: set PORT to one above 1023`;
  return `Cannot listen on ${host}:${port} (${code}): check HOST and PORT`;
}

/** Ends when the last connection has: those that wait for a next request are closed as soon as they do so. */
async function stop(server: Server): Promise<void> {
  const ended = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await ended;
  clearInterval(idle);
  clearTimeout(late);
}
