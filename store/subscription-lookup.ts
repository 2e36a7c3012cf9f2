import { query, type Database } from './database.ts';

/** Whose mailbox a subscription is for, and how its notifications are known to be Graph's. */
export interface KnownSubscription {
  readonly sessionNo: number;
  readonly organizationId: string;
  readonly mailboxId: string;
  /** SHA-256 of the client state that each of its notifications must carry. */
  readonly clientStateHash: Buffer;
}

/** Those of the subscriptions that belong to sessions that have not ended, by Graph's id. */
export async function findSubscriptions(
  db: Pick<Database, 'pool'>,
  subscriptionIds: readonly string[],
): Promise<Map<string, KnownSubscription>> {
  const found = await query<KnownSubscription & { subscriptionId: string }>(db, {
    text: `SELECT u.subscription_id AS "subscriptionId", u.session_no AS "sessionNo",
        u.organization_id AS "organizationId", u.mailbox_id AS "mailboxId", u.client_state_hash AS "clientStateHash"
      FROM outhaul.subscriptions u JOIN outhaul.sessions s USING (session_no)
      WHERE u.subscription_id = ANY($1) AND s.ended_at IS NULL`,
    values: [subscriptionIds],
    prepared: true,
  });
  return new Map(found.map(({ subscriptionId, ...subscription }) => [subscriptionId, subscription]));
}

/** What Graph has told of subscriptions, by its ids. */
export interface LifecycleEvents {
  /** Graph did not send all notifications. */
  readonly missed: readonly string[];
  /** Graph wants them renewed before it goes on. */
  readonly reauthorizationRequired: readonly string[];
  /** Graph has removed them. */
  readonly subscriptionRemoved: readonly string[];
}

/**
 * Notes what is to be done about it: the mailboxes of which notifications are missing get a delta round, the
 * subscriptions are renewed or created anew at once.
 */
export async function recordLifecycle(db: Pick<Database, 'pool'>, events: LifecycleEvents): Promise<void> {
  const { missed, reauthorizationRequired, subscriptionRemoved } = events;
  await query(db, {
    text: `WITH wanted AS (
        UPDATE outhaul.session_mailboxes m SET delta_wanted_at = clock_timestamp() FROM outhaul.subscriptions u
        WHERE m.session_no = u.session_no AND m.mailbox_id = u.mailbox_id AND u.subscription_id = ANY($1))
      UPDATE outhaul.subscriptions SET due_at = now(),
        state = CASE WHEN subscription_id = ANY($3) THEN 'wanted' ELSE state END,
        subscription_id = CASE WHEN subscription_id = ANY($3) THEN NULL ELSE subscription_id END
      WHERE subscription_id = ANY($2)`,
    values: [
      [...missed, ...subscriptionRemoved],
      [...reauthorizationRequired, ...subscriptionRemoved],
      subscriptionRemoved,
    ],
  });
}
