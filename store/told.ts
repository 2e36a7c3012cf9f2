import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';

/**
 * SQL: the number of the newest message of an organization. The sequence's own state is read, whatever has committed: a
 * mailbox's rows come from its one reader, so that what it stores after this has a greater number.
 */
export const lastNumber = (schema: string): string =>
  `coalesce(pg_sequence_last_value(pg_get_serial_sequence('${schema.replaceAll("'", "''")}.emails', '_no')::regclass), 0)`;

/** That number, as it is now. */
export async function lastMessageNo(db: Pick<Database, 'pool'>, { schema }: Organization): Promise<number> {
  const [last] = await query<{ no: number }>(db, { text: `SELECT ${lastNumber(schema)} AS no` });
  return last?.no ?? 0;
}

/**
 * SQL, parts of a `WITH`: how many of the messages that the session has stored since $4 were told by a notification, and
 * how many only a delta has found. Only what was received while Graph was asked to notify counts, and not where there is
 * no subscription (any more): nobody was to tell of that. Graph tells whole seconds.
 *
 * A message that a hint names, taken or still waiting, was told. The others are missed, so far: they are kept by name, and
 * a hint that comes late for one of them takes it out again and makes it told. What is counted is lost where a reader is
 * lost between storing and counting: a share is measured here, not a sum.
 *
 * Reads `named`, the mailbox's hints before any is deleted, and `done`, those that are. Parameters: 2 mailbox, 3 session.
 */
export const tally = ({ schema }: Organization, scanNo: number): string => `fresh AS MATERIALIZED (
        SELECT e.id FROM outhaul.subscriptions sub JOIN ${schema}.mailboxes m ON m.id = sub.mailbox_id
          CROSS JOIN LATERAL (SELECT email_no FROM ${messagesOf(scanNo)} seen WHERE email_no > $4 OFFSET 0) seen
          CROSS JOIN LATERAL (
            SELECT id, _mailbox_no, received_date_time FROM ${schema}.emails WHERE _no = seen.email_no OFFSET 0) e
        WHERE sub.session_no = $3 AND sub.mailbox_id = $2 AND e._mailbox_no = m.mailbox_no
          AND sub.state = 'active' AND e.received_date_time >= date_trunc('second', sub.created_at)
          AND e.received_date_time < coalesce(sub.expires_at, 'infinity')
      ), late AS (
        DELETE FROM outhaul.missed_messages WHERE session_no = $3 AND mailbox_id = $2
          AND message_id = ANY(ARRAY(SELECT message_id FROM done)) RETURNING message_id
      ), unnamed AS (
        INSERT INTO outhaul.missed_messages (session_no, mailbox_id, message_id)
        SELECT $3, $2, id FROM fresh WHERE id NOT IN (SELECT message_id FROM named)
        ON CONFLICT DO NOTHING RETURNING message_id
      ), tally AS MATERIALIZED (
        SELECT (SELECT count(*) FROM fresh WHERE id IN (SELECT message_id FROM named)) + (SELECT count(*) FROM late) AS told,
          (SELECT count(*) FROM unnamed) - (SELECT count(*) FROM late) AS missed
      )`;
