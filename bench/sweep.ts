import type { Client } from '@temporalio/client';
import { generateKey, parseKeyRing } from '../config/key-ring.ts';
import { openGraph, type Graph } from '../graph/graph.ts';
import { sweepWorkflowId } from '../model/ids.ts';
import { taskQueues } from '../model/task-queues.ts';
import { controlClient } from '../simulator/control-client.ts';
import type { Stats, TruthMailbox } from '../simulator/index.ts';
import { closeDatabase, openDatabase, query, type Database } from '../store/database.ts';
import { organizationOf, type Organization } from '../store/organizations.ts';
import { followUsers } from '../store/session-mailboxes.ts';
import { addSession } from '../store/sessions.ts';
import { mailboxesToProbe, saveProbes } from '../store/sweep.ts';
import type { sweepMailboxes } from '../workflows/sweep-mailboxes.ts';
import { actionsOf } from './actions.ts';
import { openRig, simulate, until, type SimulatedTenant } from './rig.ts';

const ORGANIZATION = 'idle';
const LATENCY_MS = 50;
/** Mailboxes in which something arrives before the second sweep. */
const CHANGED = 50;
/** The activity's heartbeats reach Temporal at most so often; each is an action. */
const HEARTBEAT_MS = 3_000;
const BATCH = 20;
const AT_ONCE = 8;

/** What a look at mailboxes costs in which nothing has happened, and what becomes of some in which something has. */
export interface SweepFigures {
  readonly mailboxes: number;
  /** Heartbeats included. */
  readonly actionsPerSweep: number;
  /** Requests inside of batches, each of which Graph counts. */
  readonly requestsPerSweep: number;
  readonly batchesPerSweep: number;
  readonly seconds: number;
  /** Of the second sweep: mailboxes with new mail, and those that were read. */
  readonly changed: number;
  readonly read: number;
}

/** A session that follows a tenant of idle mailboxes, set up without reading them, and two sweeps by a real worker. */
export async function benchSweep(
  note: (line: string) => void,
  { mailboxes = 10_000, latencyMs = LATENCY_MS } = {},
): Promise<SweepFigures> {
  const rig = await openRig(note);
  const tenant = await simulate({ tenant: { mailboxes, messages: 0, specialUsers: false }, latencyMs });
  const worker = await rig.startWorker(tenant, {});
  // Nothing of a session without notifications is sealed, so that any key does.
  const sealer = parseKeyRing(generateKey());
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const db = openDatabase({ url: rig.databaseUrl, poolSize: 4, sealer, log });
  try {
    const { tenantId, clientId, clientSecret } = tenant;
    const body = { organizationId: ORGANIZATION, auth: { tenantId, clientId, clientSecret } };
    await rig.call('POST', '/api/v1/connections', body);
    note(`Following ${mailboxes.toLocaleString('en')} mailboxes …`);
    const organization = await organizationOf(db, ORGANIZATION);
    await follow(db, organization, tenant);
    const idle = await measure(rig.temporal, tenant);
    note(`Swept in ${idle.seconds.toFixed(1)} s`);
    const changed = await deliver(tenant, Math.min(CHANGED, mailboxes));
    await measure(rig.temporal, tenant);
    const read = await until(() => readBy(db, changed.length), 500);
    return { mailboxes, ...idle, changed: changed.length, read };
  } finally {
    await closeDatabase(db);
    await worker.stop();
    await tenant.close();
    await rig.close();
  }
}

/** Makes a session whose mailboxes have all been read up to now, as far as it knows. */
async function follow(db: Database, organization: Organization, tenant: SimulatedTenant): Promise<void> {
  const { sessionNo } = await addSession(db, {
    organizationId: ORGANIZATION,
    sessionId: 'session-idle',
    pollingMode: 'manual',
    pollingSeconds: 300,
    notifications: false,
    notificationUrl: null,
    markAsRead: false,
    onlyUnread: false,
    filters: { folders: ['all'] },
  });
  const graph = graphOf(tenant);
  const { signal } = new AbortController();
  try {
    for await (const { users } of graph.users({}, signal)) {
      const found = users.map((user) => ({ user }));
      await followUsers(db, organization, { sessionNo, tenantId: tenant.tenantId, users: found });
    }
    for (let after = ''; ;) {
      const stretch = await mailboxesToProbe(db, organization, {
        sessionNo,
        after,
        limit: BATCH * AT_ONCE,
        lostForMs: 0,
      });
      const batches = Array.from({ length: Math.ceil(stretch.length / BATCH) }, (_, at) =>
        stretch.slice(at * BATCH, (at + 1) * BATCH),
      );
      const probes = await Promise.all(batches.map((batch) => graph.probeTrees(batch, signal)));
      const outcomes = probes.flatMap((batch) =>
        [...batch].flatMap(([mailboxId, probe]) => ('link' in probe ? { mailboxId, ...probe } : [])),
      );
      await saveProbes(db, organization, { sessionNo, outcomes });
      const last = stretch.at(-1);
      if (!last) break;
      after = last.mailboxId;
    }
  } finally {
    await graph.close();
  }
  await query(db, {
    text: 'UPDATE outhaul.session_mailboxes SET delta_wanted_at = NULL, delta_read_at = now() WHERE session_no = $1',
    values: [sessionNo],
  });
  await query(db, { text: 'VACUUM ANALYZE outhaul.session_mailboxes' });
}

function graphOf({ url, tenantId, clientId, clientSecret }: SimulatedTenant): Graph {
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const credential = { kind: 'secret', clientSecret } as const;
  return openGraph({ tenantId, clientId, cloud: 'global', credential }, { log, graphUrl: url, authorityUrl: url });
}

type Measured = Pick<SweepFigures, 'actionsPerSweep' | 'requestsPerSweep' | 'batchesPerSweep' | 'seconds'>;

async function measure(temporal: Client, tenant: SimulatedTenant): Promise<Measured> {
  const control = controlClient(tenant.url);
  await control('DELETE', '/stats');
  const handle = await temporal.workflow.start<typeof sweepMailboxes>('sweepMailboxes', {
    workflowId: sweepWorkflowId(ORGANIZATION),
    taskQueue: taskQueues('outhaul').orchestration,
    args: [{ organizationId: ORGANIZATION }],
  });
  const { ms } = await handle.result();
  const { events } = await handle.fetchHistory();
  const { byKind } = await control<Stats>('GET', '/stats');
  return {
    actionsPerSweep: actionsOf(events ?? []) + Math.floor(ms / HEARTBEAT_MS),
    requestsPerSweep: byKind['mailFoldersDelta'] ?? 0,
    batchesPerSweep: byKind['batch'] ?? 0,
    seconds: ms / 1000,
  };
}

/** A message arrives in each of some mailboxes; their ids. */
async function deliver({ url }: SimulatedTenant, count: number): Promise<string[]> {
  const control = controlClient(url);
  const { value } = await control<{ value: TruthMailbox[] }>('GET', '/truth/mailboxes');
  const some = value.slice(0, count).map(({ id }) => id);
  for (const mailbox of some) await control('POST', '/messages', { mailbox, folder: 'inbox' });
  return some;
}

/** How many mailboxes have had a delta round since they were followed, once none waits for one. */
async function readBy(db: Database, atLeast: number): Promise<number | undefined> {
  const [row] = await query<{ read: number; waiting: number }>(db, {
    text: `SELECT count(DISTINCT delta_read_at) - 1 AS read, count(delta_wanted_at) AS waiting
      FROM outhaul.session_mailboxes`,
  });
  return row && row.waiting === 0 && row.read >= atLeast ? row.read : undefined;
}
