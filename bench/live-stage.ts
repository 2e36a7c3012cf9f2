import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { sweepWorkflowId } from '../model/ids.ts';
import { taskQueues } from '../model/task-queues.ts';
import { controlClient, type ControlClient } from '../simulator/control-client.ts';
import type {
  EventPage,
  EventReport,
  FlowOptions,
  FlowReport,
  NotificationCounts,
  Stats,
  TruthSummary,
} from '../simulator/index.ts';
import type { sweepMailboxes } from '../workflows/sweep-mailboxes.ts';
import { openRig, simulate, until, type Rig } from './rig.ts';

/** The organization whose mail flows. */
export const ORGANIZATION = 'live';
/** What Graph takes for an answer, ms. */
const LATENCY_MS = 50;
const LOOK_MS = 250;
const SETTLE_MS = 120_000;

/** A message and how long it took from its arrival in the mailbox to its row, ms; null: there is no row. */
export interface Arrival {
  readonly messageId: string;
  readonly arrivedMs: number;
  readonly storedMs: number | null;
}

/** What flowed, and when the flow ended, ms since 1970. */
export interface Flowed {
  readonly arrivals: readonly Arrival[];
  readonly endedMs: number;
}

/** A share of messages of which no notification came: as the session has measured it, and as it was; 0 to 1. */
export interface Losses {
  readonly measured: number | null;
  readonly real: number | null;
}

/** How a session is started, as the API words it. */
export interface SessionSettings {
  readonly polling_mode: 'scheduled' | 'manual';
  readonly polling_interval?: number;
  /** Default: true. */
  readonly enable_webhook?: boolean;
}

/** What was asked of Graph, requests in a batch each for itself, and how many sweeps were started. */
export interface Effort {
  readonly sweeps: number;
  readonly requests: Readonly<Record<string, number>>;
}

/** The whole product beside a simulated tenant that notifies it. */
export interface LiveStage {
  readonly rig: Rig;
  /** Starts a session and waits until every mailbox is read and, unless none is wanted, has its subscription. */
  startSession(settings: SessionSettings): Promise<void>;
  stopSession(): Promise<void>;
  /** How notifications travel from now on, as the simulator has it; counts begin anew. */
  setNotifications(settings: object): Promise<void>;
  /** Lets mail arrive, and waits until it counts as taken in: by default, until all is `settled`. */
  flow(options: FlowOptions, isTakenIn?: () => Promise<void>): Promise<Flowed>;
  /** Every notification has come and been seen to, and no mailbox waits for its reader. */
  settled(): Promise<void>;
  /** Sweeps once, and waits until everything that was found is read. */
  sweep(): Promise<void>;
  losses(): Promise<Losses>;
  /** What the work takes. */
  effortOf(work: () => Promise<void>): Promise<Effort>;
  /** How many rows of messages there are, how many ids they have, and how many messages the tenant has. */
  rows(): Promise<{ readonly rows: number; readonly ids: number; readonly inTenant: number }>;
  close(): Promise<void>;
}

interface SessionStatus {
  readonly services: {
    readonly polling: { readonly last_sweep: object | null };
    readonly webhook: { readonly subscriptions: { readonly active: number } };
    readonly processing: { readonly status: string };
  };
  readonly loss: { readonly rate: number | null };
}

/** @param settings more of the environment of API and worker */
export async function openLiveStage(
  note: (line: string) => void,
  mailboxes: number,
  settings: Record<string, string> = {},
): Promise<LiveStage> {
  const rig = await openRig(note, settings);
  const tenant = await simulate({
    tenant: { mailboxes, messages: 20 * mailboxes, folders: 3, specialUsers: false, oddMessages: false, seed: 7 },
    latencyMs: LATENCY_MS,
  });
  const worker = await rig.startWorker(tenant, {});
  const control = controlClient(tenant.url);
  const status = async (): Promise<SessionStatus> =>
    (await rig.call('GET', '/session/status')) as unknown as SessionStatus;
  const isIdle = async (): Promise<boolean> => (await status()).services.processing.status === 'idle';
  const settled = (): Promise<void> =>
    inTime(async () => {
      const { pending } = await control<NotificationCounts>('GET', '/notifications');
      return pending === 0 && (await isIdle());
    });
  const sweep = async (): Promise<void> => {
    await rig.temporal.workflow.execute<typeof sweepMailboxes>('sweepMailboxes', {
      workflowId: sweepWorkflowId(ORGANIZATION),
      taskQueue: taskQueues('outhaul').orchestration,
      args: [{ organizationId: ORGANIZATION }],
    });
    await settled();
  };
  const { tenantId, clientId, clientSecret } = tenant;
  const auth = { tenantId, clientId, clientSecret };
  await rig.call('POST', '/api/v1/connections', { organizationId: ORGANIZATION, auth });
  await noteRows(rig);
  return {
    rig,
    async startSession(settings) {
      await rig.call('POST', '/session/start', { ...settings, filters: { folders: ['all'] } });
      const subscribed = settings.enable_webhook === false ? 0 : mailboxes;
      await inTime(async () => {
        const { polling, webhook } = (await status()).services;
        return webhook.subscriptions.active === subscribed && polling.last_sweep !== null;
      });
      // The delta round that is due since a mailbox has its subscription is left to the next sweep.
      await sweep();
    },
    async stopSession() {
      await rig.call('POST', '/session/stop', {});
      await inTime(async () => (await status()).services.processing.status === 'stopped');
    },
    async setNotifications(settings) {
      await control('PUT', '/notifications', settings);
      await control('DELETE', '/notifications');
    },
    async flow(options, isTakenIn = settled) {
      const { last } = await control<EventPage>('GET', '/events?limit=1');
      await control('POST', '/flow', options);
      await delay(options.seconds * 1000);
      const flow = await until(async () => {
        const report = await control<FlowReport>('GET', '/flow');
        return report.isRunning ? undefined : report;
      }, LOOK_MS);
      const endedMs = Date.parse(flow.endsAt);
      await isTakenIn();
      return { arrivals: await arrivalsOf(rig, await eventsAfter(control, last)), endedMs };
    },
    settled,
    sweep,
    async losses() {
      const { trueLoss } = await control<NotificationCounts>('GET', '/notifications');
      return { measured: (await status()).loss.rate, real: trueLoss };
    },
    async effortOf(work) {
      const sweeps = async (): Promise<number> =>
        (await rig.temporal.workflow.count(`WorkflowType = 'sweepMailboxes'`)).count;
      const before = await sweeps();
      await control('DELETE', '/stats');
      await work();
      const { byKind } = await control<Stats>('GET', '/stats');
      return { sweeps: (await sweeps()) - before, requests: byKind };
    },
    async rows() {
      const { messages: inTenant } = await control<TruthSummary>('GET', '/truth/summary');
      return { ...(await rowsOf(rig)), inTenant };
    },
    async close() {
      await worker.stop();
      await tenant.close();
      await rig.close();
    },
  };
}

async function inTime(ready: () => Promise<boolean>): Promise<void> {
  const givenUpAt = performance.now() + SETTLE_MS;
  await until(async () => {
    if (await ready()) return true;
    if (performance.now() > givenUpAt) throw new Error(`Not settled after ${SETTLE_MS / 1000} s`);
    return undefined;
  }, LOOK_MS);
}

async function eventsAfter(control: ControlClient, first: number): Promise<EventReport[]> {
  const all: EventReport[] = [];
  for (let after = first; ;) {
    const { events, last } = await control<EventPage>('GET', `/events?after=${after}&limit=10000`);
    all.push(...events);
    after = events.at(-1)?.no ?? last;
    if (after >= last) return all;
  }
}

/** The organization's rows, for a statement. */
async function emailsTable(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ schema: string }>(
    "SELECT nspname AS schema FROM pg_namespace WHERE nspname LIKE 'outlook\\_emails\\_%'",
  );
  const [schema] = rows;
  if (!schema) throw new Error('The organization has no schema');
  return `${client.escapeIdentifier(schema.schema)}.emails`;
}

/** Has the database note when each row was first written: a row's own time is that of its latest change. */
async function noteRows(rig: Rig): Promise<void> {
  await withClient(rig, async (client) => {
    const emails = await emailsTable(client);
    await client.query(`
      CREATE TABLE public.first_rows (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
      CREATE FUNCTION public.note_row() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO public.first_rows (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$;
      CREATE TRIGGER bench AFTER INSERT ON ${emails}
        FOR EACH ROW EXECUTE FUNCTION public.note_row();`);
  });
}

async function rowsOf(rig: Rig): Promise<{ rows: number; ids: number }> {
  return withClient(rig, async (client) => {
    const { rows } = await client.query<{ rows: number; ids: number }>(
      `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM ${await emailsTable(client)}`,
    );
    return rows[0] ?? { rows: 0, ids: 0 };
  });
}

async function arrivalsOf(rig: Rig, events: readonly EventReport[]): Promise<Arrival[]> {
  const arrived = events.filter(({ kind }) => kind === 'arrived');
  const { rows } = await withClient(rig, (client) =>
    client.query<{ id: string; at: number }>(
      `SELECT id, extract(epoch FROM at)::float8 * 1000 AS at FROM public.first_rows WHERE id = ANY($1)`,
      [arrived.map(({ messageId }) => messageId)],
    ),
  );
  const stored = new Map(rows.map(({ id, at }) => [id, at]));
  return arrived.map(({ atMs, messageId }) => ({
    messageId,
    arrivedMs: atMs,
    storedMs: stored.get(messageId) ?? null,
  }));
}

async function withClient<T>({ databaseUrl }: Rig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
