import { query, type Database } from './database.ts';

/** A subscription that is to be created, renewed or tried again. */
export interface DueSubscription {
  readonly mailboxId: string;
  /** Graph's id; null where there is none. */
  readonly subscriptionId: string | null;
  /** Failures in a row. */
  readonly attempts: number;
}

/** What came of looking after a subscription. */
export type SubscriptionOutcome = {
  readonly mailboxId: string;
  /** Graph's id as it was before: where the row has another by now, Graph has told something newer. */
  readonly before: string | null;
  /** After how many ms it is due again. */
  readonly dueMs: number;
} & (
  | {
      readonly state: 'active';
      readonly subscriptionId: string;
      readonly expiresAt: string;
      /** Whether it is another than before. */
      readonly isNew: boolean;
      readonly adopted: boolean;
    }
  | { readonly state: 'refused'; readonly errorCode: string; readonly reason: string; readonly lost: boolean }
  /** Not now: it stays what it was, unless Graph has lost it. */
  | { readonly state: 'failed'; readonly errorCode: string; readonly reason?: string; readonly lost: boolean }
);

/** The `errorCode` of what is not created because Graph does not reach us; `reason` says how it was answered. */
export const NOT_REACHED = 'NotificationUrlNotReached';

/** Mailboxes that the session follows and that have no row, by id. */
export async function unsubscribedMailboxes(db: Database, sessionNo: number, limit: number): Promise<string[]> {
  const rows = await query<{ mailbox_id: string }>(db, {
    text: `SELECT m.mailbox_id FROM outhaul.session_mailboxes m WHERE m.session_no = $1 AND m.state = 'followed'
        AND NOT EXISTS (SELECT FROM outhaul.subscriptions u WHERE u.session_no = $1 AND u.mailbox_id = m.mailbox_id)
      ORDER BY m.mailbox_id LIMIT $2`,
    values: [sessionNo, limit],
  });
  return rows.map(({ mailbox_id: id }) => id);
}

/** Wants a subscription for each mailbox, due at once. */
export async function wantSubscriptions(
  db: Database,
  { organizationId, sessionNo }: { readonly organizationId: string; readonly sessionNo: number },
  wanted: readonly { readonly mailboxId: string; readonly clientStateHash: Uint8Array }[],
): Promise<void> {
  await query(db, {
    text: `INSERT INTO outhaul.subscriptions (session_no, organization_id, mailbox_id, client_state_hash)
      SELECT $1, $2, id, hash FROM unnest($3::text[], $4::bytea[]) AS w(id, hash)
      ON CONFLICT (session_no, mailbox_id) DO NOTHING`,
    values: [
      ...[sessionNo, organizationId],
      ...[wanted.map(({ mailboxId }) => mailboxId), wanted.map((one) => Buffer.from(one.clientStateHash))],
    ],
  });
}

/**
 * The next that are due; those that Graph has, and that would end, before those that are to be created. What has failed
 * comes first, so that few learn whether it passes.
 */
export const dueSubscriptions = (db: Database, sessionNo: number, limit: number): Promise<DueSubscription[]> =>
  query(db, {
    text: `SELECT mailbox_id AS "mailboxId", subscription_id AS "subscriptionId", attempts
      FROM outhaul.subscriptions WHERE session_no = $1 AND due_at <= now()
      ORDER BY subscription_id IS NULL, attempts DESC, due_at, mailbox_id LIMIT $2`,
    values: [sessionNo, limit],
  });

/**
 * Saves what came of subscriptions. While a new one was not there notifications may have been lost, so its mailbox gets a
 * delta round.
 * @returns the mailboxes whose readers are to be asked for that
 */
export async function saveSubscriptions(
  db: Database,
  sessionNo: number,
  outcomes: readonly SubscriptionOutcome[],
): Promise<string[]> {
  if (outcomes.length === 0) return [];
  const rows = await query<{ mailbox_id: string }>(db, {
    text: `WITH outcomes AS (
        SELECT * FROM json_to_recordset($2::json) AS o("mailboxId" text, before text, "dueMs" float8, state text,
          "subscriptionId" text, "expiresAt" timestamptz, "isNew" boolean, adopted boolean, "errorCode" text,
          reason text, lost boolean)
      ), saved AS (
        UPDATE outhaul.subscriptions u SET
          due_at = clock_timestamp() + o."dueMs" * interval '1 millisecond',
          attempts = CASE WHEN o.state = 'active' THEN 0 ELSE u.attempts + 1 END,
          error_code = o."errorCode",
          reason = o.reason,
          state = CASE WHEN o.state <> 'failed' THEN o.state WHEN o.lost THEN 'wanted' ELSE u.state END,
          subscription_id = CASE WHEN o.state = 'active' OR o.lost THEN o."subscriptionId" ELSE u.subscription_id END,
          expires_at = CASE WHEN o.state = 'active' OR o.lost THEN o."expiresAt" ELSE u.expires_at END,
          adopted = coalesce(o.adopted, false) OR (u.adopted AND NOT coalesce(o."isNew", true)),
          created_at = CASE WHEN o."isNew" THEN clock_timestamp() ELSE u.created_at END
        FROM outcomes o WHERE u.session_no = $1 AND u.mailbox_id = o."mailboxId"
          AND u.subscription_id IS NOT DISTINCT FROM o.before
        RETURNING u.mailbox_id, o."isNew"
      )
      UPDATE outhaul.session_mailboxes m SET delta_wanted_at = clock_timestamp()
      FROM saved WHERE saved."isNew" AND m.session_no = $1 AND m.mailbox_id = saved.mailbox_id AND m.state = 'followed'
      RETURNING m.mailbox_id`,
    values: [sessionNo, JSON.stringify(outcomes)],
  });
  return rows.map(({ mailbox_id: id }) => id);
}

/** How the subscriptions of a session stand. */
export interface SubscriptionCounts {
  readonly active: number;
  readonly refused: number;
  /** Null where there are none. */
  readonly nextDueMs: number | null;
  /** Why Graph does not reach us, as those say that wait for it; null: none does. */
  readonly notReached: string | null;
  /** Until the last of those is due. */
  readonly notReachedDueMs: number | null;
}

export async function subscriptionCounts(db: Database, sessionNo: number): Promise<SubscriptionCounts> {
  const untilDue = (due: string): string => `ceil(extract(epoch FROM greatest(${due} - now(), interval '0')) * 1000)`;
  const waits = `FILTER (WHERE state = 'wanted' AND error_code = $2)`;
  const [row] = await query<SubscriptionCounts>(db, {
    text: `SELECT count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE state = 'refused') AS refused,
        ${untilDue('min(due_at)')} AS "nextDueMs", max(reason) ${waits} AS "notReached",
        ${untilDue(`max(due_at) ${waits}`)} AS "notReachedDueMs"
      FROM outhaul.subscriptions WHERE session_no = $1`,
    values: [sessionNo, NOT_REACHED],
  });
  return row ?? { active: 0, refused: 0, nextDueMs: null, notReached: null, notReachedDueMs: null };
}

/** Makes those due at once that wait for Graph to reach us. @returns how many */
export async function tryNotReached(db: Database, sessionNo: number): Promise<number> {
  const rows = await query(db, {
    text: `UPDATE outhaul.subscriptions SET due_at = clock_timestamp()
      WHERE session_no = $1 AND state = 'wanted' AND error_code = $2 RETURNING mailbox_id`,
    values: [sessionNo, NOT_REACHED],
  });
  return rows.length;
}

/** A subscription that is to go. */
export interface Unwanted {
  readonly mailboxId: string;
  readonly subscriptionId: string | null;
}

/**
 * The next subscriptions to remove, by mailbox: those of mailboxes that the session follows no longer, or all.
 * @param after where to go on; start with ''
 */
export const unwantedSubscriptions = (
  db: Database,
  sessionNo: number,
  { all, after, limit }: { readonly all: boolean; readonly after: string; readonly limit: number },
): Promise<Unwanted[]> =>
  query(db, {
    text: `SELECT u.mailbox_id AS "mailboxId", u.subscription_id AS "subscriptionId" FROM outhaul.subscriptions u
      WHERE u.session_no = $1 AND u.mailbox_id > $2 AND ($3 OR NOT EXISTS (SELECT FROM outhaul.session_mailboxes m
        WHERE m.session_no = $1 AND m.mailbox_id = u.mailbox_id AND m.state = 'followed'))
      ORDER BY u.mailbox_id LIMIT $4`,
    values: [sessionNo, after, all, limit],
  });

/** Forgets subscriptions that Graph has no longer. */
export async function forgetSubscriptions(
  db: Database,
  sessionNo: number,
  mailboxIds: readonly string[],
): Promise<void> {
  await query(db, {
    text: 'DELETE FROM outhaul.subscriptions WHERE session_no = $1 AND mailbox_id = ANY($2)',
    values: [sessionNo, mailboxIds],
  });
}

/** Of Graph's ids given, those that a row of any session has; of any but one, where one is named. */
export async function knownSubscriptions(
  db: Database,
  subscriptionIds: readonly string[],
  { except }: { readonly except?: number } = {},
): Promise<ReadonlySet<string>> {
  const rows = await query<{ subscription_id: string }>(db, {
    text: `SELECT subscription_id FROM outhaul.subscriptions
      WHERE subscription_id = ANY($1) AND session_no IS DISTINCT FROM $2::int`,
    values: [subscriptionIds, except],
  });
  return new Set(rows.map(({ subscription_id: id }) => id));
}
