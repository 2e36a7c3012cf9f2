import { existsSync } from 'node:fs';
import { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { NativeConnection, Worker, type WorkerDeploymentOptions, type WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import { ByteBudget } from '../activities/byte-budget.ts';
import { createConnectionActivities } from '../activities/connection-activities.ts';
import { createDeliverActivities } from '../activities/deliver-activities.ts';
import { createContactActivities } from '../activities/contact-activities.ts';
import { createFeedingActivities } from '../activities/feeding-activities.ts';
import { GraphConnections } from '../activities/graph-connections.ts';
import { createMailboxActivities } from '../activities/mailbox-activities.ts';
import { Outboxes } from '../activities/outbox.ts';
import { createQuarantineActivities } from '../activities/quarantine-activities.ts';
import { createScanActivities } from '../activities/scan-activities.ts';
import { createScheduleActivities } from '../activities/schedule-activities.ts';
import { Senders, lazyOpener } from '../activities/senders.ts';
import { createSessionActivities } from '../activities/session-activities.ts';
import { createSubscriptionActivities } from '../activities/subscription-activities.ts';
import { createSweepActivities } from '../activities/sweep-activities.ts';
import { createUpkeepActivities } from '../activities/upkeep-activities.ts';
import { measuredWaking } from '../activities/waking.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { openConfiguredKeyRing } from '../config/live-key-ring.ts';
import { examine } from '../graph/doctor.ts';
import { openGraph } from '../graph/graph.ts';
import { taskQueues, type TaskQueues } from '../model/task-queues.ts';
import { loadActive } from '../store/connections.ts';
import { folderBlobStores } from '../store/blobs/folder-blobs.ts';
import { closeDatabase, openDatabase, type Database } from '../store/database.ts';
import { whenDatabaseAnswers } from '../store/health.ts';
import { listDestinations } from '../store/destinations.ts';
import { migrate } from '../store/migrate.ts';
import { connectionOptions, whenTemporalAnswers } from '../temporal/connection.ts';
import { createDataConverter } from '../temporal/data-converter.ts';
import { BUNDLE_PATH, bundleWorkflows } from './bundle.ts';
import { contactsWaker, noticingContacts } from './contacts-waker.ts';
import { deliverySchedule } from './delivery-schedule.ts';
import { destinationWaker } from './destination-waker.ts';
import { closeAll, runTogether } from './endings.ts';
import { feedStarter } from './feed-starter.ts';
import { failureInterceptor } from './interceptors.ts';
import { ownSchedule } from './own-schedule.ts';
import { readerWaker } from './reader-waker.ts';
import { scanTeller } from './scan-teller.ts';
import { sweepSchedule } from './sweep-schedule.ts';
import { WORKFLOW_PATIENCE } from './workflow-patience.ts';

/** Bytes of page bodies that a worker holds at a time, fetched and not yet stored. */
const PAGE_BUDGET = 6 << 20;
/** How long a slice reads before it hands over to the next. */
const SLICE_MS = 5 * 60_000;
/** How long slices have to store the pages that they have asked for, once the process is told to end. */
const GRACE = '10 seconds';
/** After which what still runs is left behind; Temporal gives it to another worker. */
const FORCE_MS = 13_000;

export interface WorkerSettings {
  readonly config: Config;
  readonly log: Logger;
  /** Which installation's queues to poll. Default: `outhaul`. */
  readonly taskQueuePrefix?: string;
  /** How long to wait for PostgreSQL and Temporal at start, ms. Default: 60,000. */
  readonly patienceMs?: number;
  readonly sliceMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunningWorker {
  /** Resolves when the worker has shut down; rejects when it failed. Everything it opened is closed then. */
  run(): Promise<void>;
  /** Stops taking work and hands back what runs. */
  shutdown(): void;
}

/**
 * Composition root of the worker process: all task queues in one process. Waits for PostgreSQL and Temporal.
 * @throws {ConfigError, StoreUnavailable, TemporalUnavailable}
 */
export async function startWorker(settings: WorkerSettings): Promise<RunningWorker> {
  const { config, log, patienceMs = 60_000, signal } = settings;
  const sealer = openConfiguredKeyRing(config, log);
  const { url, poolSize, poolTimeoutMs } = config.database;
  if (!url) throw new ConfigError(['DATABASE_URL (or DB_HOST) is not set: the worker needs PostgreSQL']);
  const db = openDatabase({ url, poolSize, poolTimeoutMs, applicationName: 'outhaul-worker', sealer, log });
  const address = config.temporal.address ?? 'localhost:7233';
  const waiting = { patienceMs, log: (line: string) => log.info(line), ...(signal && { signal }) };
  try {
    await whenDatabaseAnswers(db, waiting, () => migrate(db));
    const options = await connectionOptions({ ...config.temporal, address });
    const connection = await whenTemporalAnswers(address, () => NativeConnection.connect(options), waiting);
    const connections = connectionsOf(config, db, log);
    const senders = new Senders();
    const stopping = new AbortController();
    const { taskQueuePrefix: prefix = 'outhaul' } = settings;
    const dataConverter = createDataConverter(sealer);
    const client = new Client({ connection, namespace: config.temporal.namespace, dataConverter });
    await whenTemporalAnswers(address, () => deliverySchedule(client, prefix).keep(), waiting);
    const workers = await createWorkers({
      ...settings,
      ...{ db, connections, senders, connection, client, dataConverter },
      ...{ queues: taskQueues(prefix), stopping: stopping.signal },
    });
    const shutdown = (): void => {
      stopping.abort();
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    };
    return {
      async run() {
        try {
          await runTogether(workers, { stopping: stopping.signal, shutdown, forceMs: FORCE_MS, log });
        } finally {
          const closers = [connections, senders, connection].map((each) => () => each.close());
          await closeAll([...closers, () => closeDatabase(db)], log);
        }
      },
      shutdown,
    };
  } catch (error) {
    await closeDatabase(db);
    throw error;
  }
}

function connectionsOf({ graph }: Config, db: Database, log: Logger): GraphConnections {
  const { graphUrl, authorityUrl, requestTimeoutMs, requestsPerSecond } = graph;
  return new GraphConnections(
    (organizationId) => loadActive(db, organizationId),
    (connection, latest) =>
      openGraph(connection, {
        log,
        latest,
        requestTimeoutMs,
        ...(graphUrl && { graphUrl }),
        ...(authorityUrl && { authorityUrl }),
        ...(requestsPerSecond && { requestsPerSecond }),
      }),
  );
}

/**
 * A worker of a deployment takes work only once its version is the current one, or a part of it is ramped to it. What runs
 * moves to it with its next task: readers and scans last for hours or days, and no version is kept that long.
 */
const versioned = (version: WorkerDeploymentVersion): WorkerDeploymentOptions => ({
  version,
  useWorkerVersioning: true,
  defaultVersioningBehavior: 'AUTO_UPGRADE',
});

interface Composed extends WorkerSettings {
  readonly db: Database;
  readonly connections: GraphConnections;
  readonly senders: Senders;
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly dataConverter: ReturnType<typeof createDataConverter>;
  readonly queues: TaskQueues;
  readonly stopping: AbortSignal;
}

async function createWorkers(composed: Composed): Promise<Worker[]> {
  const { config, log, connection, dataConverter, queues } = composed;
  const { namespace, deployment } = config.temporal;
  const { orchestration, graph, delivery } = queues;
  const common = {
    connection,
    namespace,
    dataConverter,
    activities: activitiesOf(composed),
    interceptors: { activity: [failureInterceptor(log, config.graph.attempts)] },
    ...(deployment && { workerDeploymentOptions: versioned(deployment) }),
    shutdownGraceTime: GRACE,
    maxHeartbeatThrottleInterval: '3 seconds',
  } satisfies Partial<WorkerOptions>;
  const workflowBundle = existsSync(BUNDLE_PATH) ? { codePath: BUNDLE_PATH } : await bundleWorkflows();
  return Promise.all([
    Worker.create({
      ...common,
      taskQueue: orchestration,
      workflowBundle,
      maxCachedWorkflows: 300,
      ...WORKFLOW_PATIENCE,
    }),
    Worker.create({ ...common, taskQueue: graph }),
    Worker.create({ ...common, taskQueue: delivery }),
  ]);
}

/** All activities. */
function activitiesOf(composed: Composed): object {
  const { config, log, db, connections, senders, client, queues, sliceMs = SLICE_MS, stopping } = composed;
  const taskQueue = queues.orchestration;
  const { pageSize, attempts } = config.graph;
  const { joinMs, subscriptionMinutes } = config.notifications;
  const wakeReader = readerWaker(client, { taskQueue });
  const wakeMailboxes = measuredWaking(wakeReader);
  const wake = destinationWaker({ db, client }, { taskQueue });
  const sweeps = sweepSchedule(client, { taskQueue });
  const contacts = contactsWaker({ db, client, log }, { taskQueue });
  const blobs = folderBlobStores(config.blobs.directory);
  return {
    ...createConnectionActivities({
      db,
      examine: (connection, request, signal) => examine(connection, config.graph, request, signal),
      log,
    }),
    ...createScanActivities({ db, connections, maxConcurrentScans: config.maxConcurrentScans, log }),
    ...noticingContacts(
      contacts.changed,
      createMailboxActivities({
        db,
        connections,
        budget: new ByteBudget(PAGE_BUDGET),
        outboxes: new Outboxes({
          list: (organizationId) => listDestinations(db, organizationId),
          wake,
          log,
        }),
        blobs,
        log,
        pageSize,
        attempts,
        sliceMs,
        live: { joinMs },
        stopping,
        scans: scanTeller(client),
      }),
    ),
    ...createContactActivities({
      db,
      defaults: { airtable: config.airtable, mailboxes: config.mailboxAddresses },
      airtable: { url: config.airtableUrl },
      ask: contacts.ask,
      log,
    }),
    ...createSessionActivities({ db, connections, sweeps, log }),
    ...createScheduleActivities({
      db,
      schedules: ownSchedule(client),
      mailboxesAtOnce: config.mailboxesAtOnce,
      log,
    }),
    ...createQuarantineActivities({ db, wakeReader }),
    ...createSubscriptionActivities({ db, connections, wakeReader, subscriptionMinutes }),
    ...createSweepActivities({
      db,
      connections,
      wakeReader,
      removeSchedule: (organizationId) => sweeps.remove(organizationId),
    }),
    ...createFeedingActivities({ db, wake, wakeMailboxes, log }),
    ...createDeliverActivities({ db, blobs, senders, stopping, wakeReader, log }),
    ...createUpkeepActivities({
      db,
      blobs,
      wake,
      feed: feedStarter(client, { taskQueue }),
      wakeMailboxes,
      openSender: async (destination, secret) => (await lazyOpener())(destination, secret),
      log,
    }),
  };
}
