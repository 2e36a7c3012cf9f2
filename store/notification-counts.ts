import { query, type Database } from './database.ts';

/** What came for a session since the last time. */
export interface NotificationCounts {
  readonly taken: number;
  /** Of those taken: a hint for the same message was waiting already. */
  readonly joined: number;
  readonly refused: number;
  /** The mailboxes that those taken were about. */
  readonly mailboxIds: ReadonlySet<string>;
}

/** Adds what came, for each session by its number, and notes which mailboxes were notified. */
export async function addNotificationCounts(
  db: Pick<Database, 'pool'>,
  counts: ReadonlyMap<number, NotificationCounts>,
): Promise<void> {
  const sessions = [...counts].sort(([a], [b]) => a - b);
  const mailboxes = sessions.flatMap(([no, { mailboxIds }]) => [...mailboxIds].sort().map((id) => ({ no, id })));
  await query(db, {
    text: `WITH notified AS (
        UPDATE outhaul.session_mailboxes m SET notified_at = now()
        FROM unnest($5::int[], $6::text[]) AS n(no, id) WHERE m.session_no = n.no AND m.mailbox_id = n.id)
      UPDATE outhaul.sessions s SET notifications_taken = notifications_taken + taken,
        notifications_joined = notifications_joined + joined, notifications_refused = notifications_refused + refused,
        last_notification_at = CASE WHEN taken > 0 THEN now() ELSE last_notification_at END
      FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS n(no, taken, joined, refused)
      WHERE s.session_no = n.no`,
    values: [
      sessions.map(([no]) => no),
      sessions.map(([, { taken }]) => taken),
      sessions.map(([, { joined }]) => joined),
      sessions.map(([, { refused }]) => refused),
      mailboxes.map(({ no }) => no),
      mailboxes.map(({ id }) => id),
    ],
    prepared: true,
  });
}
