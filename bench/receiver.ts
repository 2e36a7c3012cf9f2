import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { generateKey, parseKeyRing } from '../config/key-ring.ts';
import { clientStateHash } from '../model/client-state.ts';
import { closeDatabase, openDatabase, type Database } from '../store/database.ts';
import { ensureOrganization } from '../store/organizations.ts';
import { addSession } from '../store/sessions.ts';
import type { Load, LoadResult } from './receiver-load.ts';
import { openRig } from './rig.ts';

export interface ReceiverFigures {
  /** Notifications accepted a second, over the whole time. */
  readonly perSecond: number;
  /** From the moment at which a request was due to its answer, 99th percentile. */
  readonly p99Ms: number;
  /** Notifications that were acknowledged and are not in the store. */
  readonly lostHints: number;
}

const MAILBOXES = 100;
const ORGANIZATION = 'receiver';
const LOAD = { perSecond: 2_100, perRequest: 10, connections: 16 };

/**
 * The receiver alone: notifications of a hundred mailboxes at an even rate, several in a request as Graph sends them, from
 * a process of its own. Nobody reads, so that every hint is still there at the end.
 */
export async function benchReceiver(note: (line: string) => void): Promise<ReceiverFigures> {
  const rig = await openRig(note);
  const db = openDatabase({
    url: rig.databaseUrl,
    sealer: parseKeyRing(generateKey()),
    log: pino({ level: 'silent' }),
  });
  try {
    const senders = await subscribe(db);
    const load = { url: `${rig.apiUrl}/webhooks/graph`, senders, ...LOAD };
    note('Receiver: warming up …');
    await send({ ...load, name: 'warm', seconds: 2 });
    note(`Receiver: ${LOAD.perSecond} notifications a second for 10 seconds …`);
    const { acknowledged, seconds, p99Ms } = await send({ ...load, name: 'm', seconds: 10 });
    const stored = await hintsOf(db);
    return {
      perSecond: Math.round(acknowledged.length / seconds),
      p99Ms: Math.round(p99Ms),
      lostHints: acknowledged.filter((id) => !stored.has(id)).length,
    };
  } finally {
    await closeDatabase(db);
    await rig.close();
  }
}

/** A running session with a subscription for each of its mailboxes. */
async function subscribe(db: Database): Promise<Load['senders']> {
  await ensureOrganization(db, ORGANIZATION);
  const { sessionNo } = await addSession(db, {
    organizationId: ORGANIZATION,
    sessionId: `session-${randomUUID()}`,
    pollingMode: 'manual',
    pollingSeconds: 300,
    notifications: true,
    notificationUrl: 'https://outhaul.example',
    markAsRead: false,
    onlyUnread: false,
    filters: { folders: ['inbox'] },
  });
  const senders = Array.from({ length: MAILBOXES }, () => ({
    subscriptionId: randomUUID(),
    clientState: randomUUID(),
    mailboxId: randomUUID(),
  }));
  for (const { subscriptionId, clientState, mailboxId } of senders) {
    await db.pool.query('INSERT INTO outhaul.session_mailboxes (session_no, mailbox_id) VALUES ($1, $2)', [
      sessionNo,
      mailboxId,
    ]);
    await db.pool.query(
      `INSERT INTO outhaul.subscriptions (session_no, mailbox_id, organization_id, subscription_id, state,
        client_state_hash) VALUES ($1, $2, $3, $4, 'active', $5)`,
      [sessionNo, mailboxId, ORGANIZATION, subscriptionId, clientStateHash(clientState)],
    );
  }
  return senders;
}

async function send(load: Load): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('./receiver-load.js', import.meta.url)), { serialization: 'advanced' });
  const gone = once(child, 'exit');
  try {
    child.send(load);
    const [result] = (await Promise.race([once(child, 'message'), gone.then(() => Promise.reject(new Lost()))])) as [
      LoadResult,
    ];
    return result;
  } finally {
    if (child.connected) child.disconnect();
    await gone;
  }
}

class Lost extends Error {
  override readonly name = 'Lost';
  override readonly message = 'The process that sends notifications has ended';
}

async function hintsOf({ pool }: Database): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ id: string }>('SELECT message_id AS id FROM outhaul.hints');
  return new Set(rows.map(({ id }) => id));
}
