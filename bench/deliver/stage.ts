import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import {
  KIND_TRAITS,
  withDefaults,
  type DestinationKind,
  type DestinationSecret,
  type GivenSettings,
  type KindSettings,
} from '../../model/destination.ts';
import { taskQueues } from '../../model/task-queues.ts';
import type { BlobStore } from '../../store/blobs/blob-store.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { closeDatabase, openDatabase, type Database } from '../../store/database.ts';
import { createDestination, type Destination } from '../../store/destinations.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { destinationWaker } from '../../workers/destination-waker.ts';
import { openRig, until, type Rig, type RunningWorker, type SimulatedTenant } from '../rig.ts';
import { storeMailbox } from './rows.ts';

const ORGANIZATION = 'deliver';
/** Nobody calls Graph where messages are stored already. */
const NO_TENANT = { url: 'http://127.0.0.1:9' } as SimulatedTenant;

/** The stack with an organization that owes mail to destinations, and a worker. */
export interface DeliverStage {
  readonly rig: Rig;
  readonly db: Database;
  readonly organization: Organization;
  readonly blobs: BlobStore;
  readonly worker: RunningWorker;
  addDestination<Kind extends DestinationKind>(
    kind: Kind,
    settings: GivenSettings<Kind>,
    secret?: DestinationSecret,
  ): Promise<Destination>;
  /** Has stored messages owed from a number on, as a page that is stored owes them. @returns when, ms since 1970 */
  owe(destination: Destination, messages: { readonly first: number; readonly count: number }): Promise<number>;
  /** Lets PostgreSQL do what it would do at some time after so many new rows, so that it does not while it counts. */
  settle(): Promise<void>;
  /** Has senders come, as who stores mail does after its commit. */
  wake(...destinations: readonly Destination[]): Promise<void>;
  /** CPU time of the worker until all of some work was done, µs for each of so many. */
  workerCpuEach(count: number, work: () => Promise<unknown>): Promise<number>;
  /** How deliveries of a destination stand. */
  outcome(destination: Destination): Promise<DeliveryOutcome>;
  /** Waits until a destination is owed nothing any more. */
  drained(destination: Destination): Promise<DeliveryOutcome>;
  close(): Promise<void>;
}

export interface DeliveryOutcome {
  /** Made, and for good not made. */
  readonly delivered: number;
  readonly dead: number;
  /** To be made. */
  readonly owed: number;
  /** The most that one of them was tried, the one that was accepted included. */
  readonly attempts: number;
}

export interface StageOptions {
  /** Where mail comes from. Default: messages are stored already. */
  readonly tenant?: SimulatedTenant;
  /** More of the environment of API and worker. */
  readonly settings?: Record<string, string>;
}

export async function openDeliverStage(
  note: (line: string) => void,
  { tenant = NO_TENANT, settings = {} }: StageOptions = {},
): Promise<DeliverStage> {
  const key = generateKey();
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-bench-blobs-'));
  const rig = await openRig(note, { OUTHAUL_KEYS: key, OUTHAUL_BLOBS_DIR: folder, ...settings });
  const db = openDatabase({ url: rig.databaseUrl, sealer: parseKeyRing(key), log: pino({ level: 'silent' }) });
  const organization = await ensureOrganization(db, ORGANIZATION);
  await storeMailbox(db, organization);
  const worker = await rig.startWorker(tenant, {});
  const wake = destinationWaker({ db, client: rig.temporal }, { taskQueue: taskQueues('outhaul').orchestration });
  let made = 0;
  const outcome = (destination: Destination): Promise<DeliveryOutcome> => outcomeOf(db, destination);
  return {
    rig,
    db,
    organization,
    blobs: folderBlobStores(folder).of(organization),
    worker,
    addDestination: (kind, settings, secret) =>
      createDestination(db, organization, {
        ...({ kind, settings: withDefaults(kind, settings) } as KindSettings),
        name: `destination-${++made}`,
        starts: 'now',
        secret,
      }),
    owe: (destination, messages) => owe(db, organization, destination, messages),
    async settle() {
      await db.pool.query('VACUUM ANALYZE');
      await db.pool.query('CHECKPOINT');
    },
    wake: (...destinations) => wake(destinations.map(({ destinationNo }) => destinationNo)),
    async workerCpuEach(count, work) {
      const before = await worker.usage();
      await work();
      return Math.round((((await worker.usage()).cpuSeconds - before.cpuSeconds) / count) * 1e6);
    },
    outcome,
    drained: (destination) =>
      until(async () => {
        const now = await outcome(destination);
        return now.owed === 0 ? now : undefined;
      }, 100),
    async close() {
      await worker.stop();
      await closeDatabase(db);
      await rig.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What is owed is an attachment of each message, or the message. Upkeep is to owe the destination nothing beside that. */
async function owe(
  { pool }: Database,
  { organizationId, schema }: Organization,
  { destinationNo, kind }: Destination,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<number> {
  const { owed, ordered } = KIND_TRAITS[kind];
  const attachment = owed === 'attachment' ? [`id || '-1'`, 1] : [`''`, 0];
  await pool.query('UPDATE outhaul.destinations SET fed_at = coalesce(fed_at, now()) WHERE destination_no = $1', [
    destinationNo,
  ]);
  const { rows } = await pool.query<{ ms: number }>(
    `WITH owed AS (
      INSERT INTO outhaul.deliveries
        (destination_no, organization_id, mailbox_no, email_no, attachment_id, part, ordered, status, priority)
      SELECT $1, $2, _mailbox_no, _no, ${attachment.join(', ')}, $3, 'owed', 1 FROM ${schema}.emails
      WHERE _no >= $4 AND _no < $4 + $5 ORDER BY _no)
    SELECT extract(epoch FROM now())::float8 * 1000 AS ms`,
    [destinationNo, organizationId, ordered, first, count],
  );
  return rows[0]!.ms;
}

async function outcomeOf({ pool }: Database, { destinationNo }: Destination): Promise<DeliveryOutcome> {
  const { rows } = await pool.query<DeliveryOutcome>(
    `SELECT count(*) FILTER (WHERE status = 'delivered')::int AS delivered, count(*) FILTER (WHERE status = 'dead')::int AS dead,
      count(*) FILTER (WHERE status NOT IN ('delivered', 'dead'))::int AS owed, coalesce(max(attempts), 0)::int AS attempts
    FROM outhaul.deliveries WHERE destination_no = $1`,
    [destinationNo],
  );
  return rows[0]!;
}
