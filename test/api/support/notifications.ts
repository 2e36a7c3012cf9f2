import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { mailboxWorkflowId } from '../../../model/ids.ts';
import { clientStateHash } from '../../../model/client-state.ts';
import type { Database } from '../../../store/database.ts';
import { ensureOrganization } from '../../../store/organizations.ts';
import { addSession } from '../../../store/sessions.ts';

/** A subscription as Graph knows it. */
export interface TestSubscription {
  readonly subscriptionId: string;
  readonly clientState: string;
  readonly organizationId: string;
  readonly mailboxId: string;
}

export interface TestSession {
  readonly organizationId: string;
  readonly sessionNo: number;
  readonly subscriptions: readonly [TestSubscription, ...TestSubscription[]];
}

/** A running session whose mailboxes have an active subscription each. */
export async function seedSession(db: Database, organizationId: string, mailboxes = 1): Promise<TestSession> {
  await ensureOrganization(db, organizationId);
  const { sessionNo } = await addSession(db, {
    organizationId,
    sessionId: `session-${randomUUID()}`,
    pollingMode: 'scheduled',
    pollingSeconds: 300,
    notifications: true,
    notificationUrl: 'https://outhaul.example',
    markAsRead: false,
    onlyUnread: false,
    filters: { folders: ['inbox'] },
  });
  await db.pool.query(`UPDATE outhaul.sessions SET status = 'running' WHERE session_no = $1`, [sessionNo]);
  const subscriptions = Array.from({ length: mailboxes }, () => ({
    subscriptionId: randomUUID(),
    clientState: randomUUID(),
    organizationId,
    mailboxId: randomUUID(),
  }));
  for (const { subscriptionId, clientState, mailboxId } of subscriptions) {
    await db.pool.query('INSERT INTO outhaul.session_mailboxes (session_no, mailbox_id) VALUES ($1, $2)', [
      sessionNo,
      mailboxId,
    ]);
    await db.pool.query(
      `INSERT INTO outhaul.subscriptions (session_no, mailbox_id, organization_id, subscription_id, state,
        client_state_hash, due_at) VALUES ($1, $2, $3, $4, 'active', $5, now() + interval '3 days')`,
      [sessionNo, mailboxId, organizationId, subscriptionId, clientStateHash(clientState)],
    );
  }
  return { organizationId, sessionNo, subscriptions: subscriptions as [TestSubscription, ...TestSubscription[]] };
}

/** A notification as Graph sends it; `over` replaces members. */
export const notificationOf = (
  { subscriptionId, clientState, mailboxId }: TestSubscription,
  messageId: string,
  over: object = {},
): object => ({
  id: randomUUID(),
  subscriptionId,
  subscriptionExpirationDateTime: '2026-11-27T10:00:00.0000000Z',
  clientState,
  changeType: 'created',
  resource: `Users/${mailboxId}/Messages/${messageId}`,
  tenantId: randomUUID(),
  resourceData: {
    '@odata.type': '#Microsoft.Graph.Message',
    '@odata.id': `Users/${mailboxId}/Messages/${messageId}`,
    '@odata.etag': `W/"${randomUUID()}"`,
    id: messageId,
  },
  ...over,
});

export const lifecycleOf = ({ subscriptionId, clientState }: TestSubscription, lifecycleEvent: string): object => ({
  subscriptionId,
  subscriptionExpirationDateTime: '2026-11-27T10:00:00.0000000Z',
  tenantId: randomUUID(),
  clientState,
  lifecycleEvent,
});

/** The messages of an organization that hints name, sorted. */
export async function hintsOf(db: Database, organizationId: string): Promise<string[]> {
  const { rows } = await db.pool.query<{ id: string }>(
    'SELECT message_id AS id FROM outhaul.hints WHERE organization_id = $1 ORDER BY message_id',
    [organizationId],
  );
  return rows.map(({ id }) => id);
}

/** The signals that a workflow has received; undefined while there is no such workflow. */
export async function signalsOf(client: Client, workflowId: string): Promise<string[] | undefined> {
  const history = await client.workflow
    .getHandle(workflowId)
    .fetchHistory()
    .catch(() => undefined);
  return history?.events?.flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? []);
}

/** Those of the reader of a subscription's mailbox. */
export const readerSignals = (
  client: Client,
  { organizationId, mailboxId }: TestSubscription,
): Promise<string[] | undefined> => signalsOf(client, mailboxWorkflowId(organizationId, mailboxId));
