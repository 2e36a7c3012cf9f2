import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { sweepWorkflowId } from '../model/ids.ts';
import { taskQueues } from '../model/task-queues.ts';
import type { EventPage, EventReport, FlowOptions, FlowReport } from '../simulator/index.ts';
import type { sweepMailboxes } from '../workflows/sweep-mailboxes.ts';
import { openRig, simulate, until, type Rig, type SimulatedTenant } from './rig.ts';

const ORGANIZATION = 'live';
/** What Graph takes for an answer, ms. */
const LATENCY_MS = 50;
const LOOK_MS = 250;
const SETTLE_MS = 120_000;

/** A message and how long it took from its arrival in the mailbox to its row, ms; null: there is no row. */
export interface Arrival {
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

/** The whole product beside a simulated tenant that notifies it. */
export interface LiveStage {
  /** Starts a session and waits until every mailbox is read and has its subscription. */
  startSession(pollingMode: 'scheduled' | 'manual'): Promise<void>;
  stopSession(): Promise<void>;
  /** How notifications travel from now on, as the simulator has it; counts begin anew. */
  setNotifications(settings: object): Promise<void>;
  /** Lets mail arrive, waits until every notification has come and been seen to, and then for what `after` does. */
  flow(options: FlowOptions, after?: () => Promise<void>): Promise<Flowed>;
  /** Sweeps once, and waits until everything that was found is read. */
  sweep(): Promise<void>;
  losses(): Promise<Losses>;
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

export async function openLiveStage(note: (line: string) => void, mailboxes: number): Promise<LiveStage> {
  const rig = await openRig(note);
  const tenant = await simulate({
    tenant: { mailboxes, messages: 20 * mailboxes, folders: 3, specialUsers: false, oddMessages: false, seed: 7 },
    latencyMs: LATENCY_MS,
  });
  const worker = await rig.startWorker(tenant, {});
  const control = <T>(method: string, path: string, body?: object): Promise<T> => controlOf(tenant, method, path, body);
  const status = async (): Promise<SessionStatus> =>
    (await rig.call('GET', '/session/status')) as unknown as SessionStatus;
  const isIdle = async (): Promise<boolean> => (await status()).services.processing.status === 'idle';
  const settled = (): Promise<unknown> =>
    inTime(async () => {
      const { pending } = await control<{ pending: number }>('GET', '/notifications');
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
    async startSession(pollingMode) {
      await rig.call('POST', '/session/start', { polling_mode: pollingMode, filters: { folders: ['all'] } });
      await inTime(async () => {
        const { polling, webhook } = (await status()).services;
        return webhook.subscriptions.active === mailboxes && polling.last_sweep !== null;
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
    async flow(options, after) {
      const { last } = await control<EventPage>('GET', '/events?limit=1');
      await control('POST', '/flow', options);
      await delay(options.seconds * 1000);
      const flow = await until(async () => {
        const report = await control<FlowReport>('GET', '/flow');
        return report.isRunning ? undefined : report;
      }, LOOK_MS);
      const endedMs = Date.parse(flow.endsAt);
      await settled();
      await after?.();
      return { arrivals: await arrivalsOf(rig, await eventsAfter(control, last)), endedMs };
    },
    sweep,
    async losses() {
      const { trueLoss } = await control<{ trueLoss: number | null }>('GET', '/notifications');
      return { measured: (await status()).loss.rate, real: trueLoss };
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

async function controlOf<T>({ url }: SimulatedTenant, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${url}/_sim${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function eventsAfter(
  control: <T>(method: string, path: string) => Promise<T>,
  first: number,
): Promise<EventReport[]> {
  const all: EventReport[] = [];
  for (let after = first; ;) {
    const { events, last } = await control<EventPage>('GET', `/events?after=${after}&limit=10000`);
    all.push(...events);
    after = events.at(-1)?.no ?? last;
    if (after >= last) return all;
  }
}

/** Has the database note when each row was first written: a row's own time is that of its latest change. */
async function noteRows(rig: Rig): Promise<void> {
  await withClient(rig, async (client) => {
    const { rows } = await client.query<{ schema: string }>(
      "SELECT nspname AS schema FROM pg_namespace WHERE nspname LIKE 'outlook\\_emails\\_%'",
    );
    const [schema] = rows;
    if (!schema) throw new Error('The organization has no schema');
    await client.query(`
      CREATE TABLE public.first_rows (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
      CREATE FUNCTION public.note_row() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO public.first_rows (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$;
      CREATE TRIGGER bench AFTER INSERT ON ${client.escapeIdentifier(schema.schema)}.emails
        FOR EACH ROW EXECUTE FUNCTION public.note_row();`);
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
  return arrived.map(({ atMs, messageId }) => ({ arrivedMs: atMs, storedMs: stored.get(messageId) ?? null }));
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
