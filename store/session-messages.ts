import { query, type Database } from './database.ts';
import { InvalidCursor } from './errors.ts';
import type { Organization } from './organizations.ts';
import type { SessionRow } from './sessions.ts';

/** A message that a session has seen. Times are ISO 8601 in UTC. */
export interface SeenMessage {
  readonly id: string;
  readonly mailboxId: string;
  readonly mailbox: string | null;
  readonly folder: string | null;
  readonly subject: string | null;
  readonly fromAddress: string | null;
  readonly fromName: string | null;
  readonly receivedAt: string | null;
  readonly hasAttachments: boolean | null;
  readonly isRead: boolean | null;
  readonly storedAt: string;
}

export interface SeenPage {
  readonly messages: readonly SeenMessage[];
  /** Where to go on, also where nothing more is there yet. */
  readonly cursor: string;
  readonly hasMore: boolean;
}

/** Everything behind this point is still to be shown. */
interface Position {
  /** The transaction that stored the message shown last. */
  readonly transaction: number;
  /** That message. */
  readonly emailNo: number;
  /** Messages up to this one were stored before the reader was interested. */
  readonly floor: number;
}

/**
 * What a session sees, in the order in which it was stored. A transaction that began earlier may end later, so whatever
 * such a one could still precede is kept back until it has ended: nobody who goes on by the cursor misses a message.
 * @param cursor of an earlier page; left out: from the session's beginning
 * @throws {InvalidCursor} where it is not one of this session's
 */
export async function seenMessages(
  db: Database,
  { schema }: Organization,
  { sessionNo, scanNo }: Pick<SessionRow, 'sessionNo' | 'scanNo'>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<SeenPage> {
  const start = cursor === undefined ? { transaction: 0, emailNo: 0, floor: 0 } : decode(sessionNo, cursor);
  const found = await query<SeenMessage & { ' transaction': number; ' no': number }>(db, {
    text: `WITH clock AS MATERIALIZED (
        SELECT pg_snapshot_xmin(now)::text::bigint AS settled, pg_snapshot_xmax(now)::text::bigint AS next
        FROM pg_current_snapshot() now
      ), seen AS (
        SELECT s.email_no, ${WHOLE} AS transaction FROM outhaul.scan_messages s CROSS JOIN clock
        WHERE s.scan_no = ${Math.trunc(scanNo)} AND s.email_no > $3::bigint
      ), page AS (
        SELECT seen.* FROM seen CROSS JOIN clock
        WHERE (transaction, email_no) > ($1::bigint, $2::bigint) AND transaction < settled
        ORDER BY transaction, email_no LIMIT $4::int + 1
      )
      SELECT page.transaction AS " transaction", page.email_no AS " no", e.id, e._user_id AS "mailboxId",
        e._user_email AS mailbox, e._folder AS folder, e.subject, e.from_address AS "fromAddress",
        e.from_name AS "fromName", e.received_date_time AS "receivedAt", e.has_attachments AS "hasAttachments",
        e.is_read AS "isRead", e._extracted_at AS "storedAt"
      FROM page JOIN ${schema}.emails e ON e._no = page.email_no ORDER BY page.transaction, page.email_no`,
    values: [start.transaction, start.emailNo, start.floor, limit],
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const end = last ? { ...start, transaction: last[' transaction'], emailNo: last[' no'] } : start;
  const messages = page.map(({ ' transaction': _transaction, ' no': _no, ...message }) => message);
  return { messages, cursor: encode(sessionNo, end), hasMore: found.length > limit };
}

/** Where a reader begins who wants what is new from now on: messages that are not stored yet. */
export async function cursorOfNow(
  db: Database,
  { schema }: Organization,
  { sessionNo }: Pick<SessionRow, 'sessionNo'>,
): Promise<string> {
  const [now] = await query<Position>(db, {
    text: `SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS transaction, 0 AS "emailNo",
        coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, '_no')::regclass), 0) AS floor`,
    values: [`${schema}.emails`],
  });
  return encode(sessionNo, now!);
}

/**
 * The number of the transaction that made the row. The row itself holds its lower half, so the upper is that of the next
 * transaction, or one less.
 */
const WHOLE = `(clock.next & ~4294967295::bigint | s.xmin::text::bigint)
  - CASE WHEN s.xmin::text::bigint > clock.next & 4294967295::bigint THEN 4294967296 ELSE 0 END`;

const encode = (sessionNo: number, { transaction, emailNo, floor }: Position): string =>
  [sessionNo, transaction, emailNo, floor].join('-');

function decode(sessionNo: number, cursor: string): Position {
  const [, owner, transaction, emailNo, floor] = /^(\d{1,10})-(\d{1,16})-(\d{1,16})-(\d{1,16})$/.exec(cursor) ?? [];
  if (Number(owner) !== sessionNo) throw new InvalidCursor();
  return { transaction: Number(transaction), emailNo: Number(emailNo), floor: Number(floor) };
}
