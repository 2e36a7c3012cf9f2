import type { FilteredMessage } from '../model/destination-filters.ts';
import { ATTACHMENTS_MISSING } from '../model/delivery.ts';
import { triedAgainPart } from './attachment-reads.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownDestination } from './errors.ts';
import type { Organization } from './organizations.ts';
import { encodeOwed, owedPart, type OwedTo } from './owing.ts';
import { lastNumber } from './told.ts';

/**
 * After so many seconds every message that is stored is owed to a new destination as it is stored: whoever stores has read
 * the list of destinations anew (which has to happen every 15 s), and what it was storing then is committed or lost.
 */
export const KNOWN_AFTER_SECONDS = 90;

/** Says whether a message that is stored is owed to the destination, and how. */
export type OwesStored = (message: FilteredMessage) => Pick<OwedTo, 'owing' | 'urgency'> | undefined;

interface StoredEmail {
  readonly no: number;
  readonly message: FilteredMessage;
}

/** What a batch has come to. */
export interface Fed {
  /** Messages looked at. */
  readonly read: number;
  /** Of which so many are owed now. */
  readonly owed: number;
}

export type FeedAnswer =
  /** Until when there is nothing to feed. */
  { readonly status: 'early'; readonly waitMs: number } | ({ readonly status: 'more' | 'done' } & Fed);

/**
 * Owes a new destination what was stored before everybody knew of it, the next so many messages: from the first one on,
 * or from the last one that was there when it was made. What is owed already is not owed again. Call it until it is
 * `done`; whoever calls at the same time waits. Messages that Graph has not any more are left out.
 * @throws {UnknownDestination}
 */
export const feedDestination = (
  db: Database,
  organization: Organization,
  request: { readonly destinationNo: number; readonly limit: number; readonly owes: OwesStored },
): Promise<FeedAnswer> =>
  transaction(db, async (client): Promise<FeedAnswer> => {
    const { destinationNo, limit } = request;
    const [feed] = await run<{ after: number; until: number; fed: boolean; waitMs: number }>(client, {
      text: `SELECT feed_after AS after, coalesce(feed_until, ${lastNumber(organization.schema)}) AS until,
          fed_at IS NOT NULL AS fed,
          ceil(extract(epoch FROM created_at + interval '${KNOWN_AFTER_SECONDS} s' - clock_timestamp()) * 1000) AS "waitMs"
        FROM outhaul.destinations WHERE destination_no = $1 FOR NO KEY UPDATE`,
      values: [destinationNo],
    });
    if (!feed) throw new UnknownDestination(destinationNo);
    if (feed.fed) return { status: 'done', read: 0, owed: 0 };
    if (feed.waitMs > 0) return { status: 'early', waitMs: feed.waitMs };
    const { after, until } = feed;
    const stretch = { after, until: Math.min(after + limit, until) };
    const emails = await storedEmails(client, organization, stretch, '_deleted_at IS NULL', []);
    const owed = await owe(client, organization, request, emails, null);
    const done = stretch.until >= until;
    await run(client, {
      text: `UPDATE outhaul.destinations SET feed_after = $2, feed_until = $3, fed_at = CASE WHEN $4 THEN now() END
        WHERE destination_no = $1`,
      values: [destinationNo, stretch.until, until, done],
    });
    return { status: done ? 'done' : 'more', read: emails.length, owed };
  });

/**
 * SQL: when a message arrived, as well as that is known. Graph does not always say when it was received; then when it was
 * sent, else when it was made, else when the store got it as it is now.
 */
const ARRIVED_AT = 'coalesce(received_date_time, sent_date_time, created_date_time, _extracted_at)';

/** A window of time, by when messages arrived (`ARRIVED_AT`); and where to go on. */
export interface ReplayRequest {
  readonly destinationNo: number;
  /** ISO 8601; the first moment of the window, and the first one after it. */
  readonly since: string;
  readonly until: string;
  /** When it was begun, as `replayBegins` says: what is over only since then is not sent once more. */
  readonly begunAt: string;
  /** Message numbers: 0 at first, then as answered. */
  readonly after: number;
  /** Numbers to look through at a time. */
  readonly limit: number;
  readonly owes: OwesStored;
}

/** The moment at which a replay begins, by the database's clock: whatever is over by now is before it. */
export async function replayBegins(db: Pick<Database, 'pool'>): Promise<string> {
  const [row] = await query<{ at: string }>(db, {
    text: `SELECT date_trunc('milliseconds', clock_timestamp()) + interval '1 ms' AS at`,
  });
  if (!row) throw new Error('The database did not say what time it is');
  return row.at;
}

/**
 * Owes a destination once more what arrived in a window of time, the next stretch of it: what was delivered, or lies
 * in the dead letters, under another idempotency key; and what it was never owed. What is still owed stays as it is. A
 * stretch that is asked for again changes nothing.
 * @returns where to go on; `after` is null at the end
 */
export const replayWindow = (
  db: Database,
  organization: Organization,
  request: ReplayRequest,
): Promise<Fed & { readonly after: number | null }> =>
  transaction(db, async (client) => {
    const { since, until, begunAt, after, limit } = request;
    const [last] = await run<{ no: number }>(client, { text: `SELECT ${lastNumber(organization.schema)} AS no` });
    const stretch = { after, until: after + limit };
    const window = `${ARRIVED_AT} >= $3 AND ${ARRIVED_AT} < $4`;
    const emails = await storedEmails(client, organization, stretch, window, [since, until]);
    const owed = await owe(client, organization, request, emails, begunAt);
    return { read: emails.length, owed, after: stretch.until >= (last?.no ?? 0) ? null : stretch.until };
  });

/** Messages by their numbers: those after the first, up to the second. */
async function storedEmails(
  client: Client,
  { schema }: Organization,
  { after, until }: { readonly after: number; readonly until: number },
  condition: string,
  values: readonly unknown[],
): Promise<StoredEmail[]> {
  const rows = await run<
    FilteredMessage['email'] & { no: number } & Record<'path' | 'mailboxId', string> & {
        mayHave: boolean;
        address: string | null;
      }
  >(client, {
    text: `SELECT _no AS no, subject, sender_address, from_address, to_recipients, cc_recipients, bcc_recipients,
        has_attachments, is_draft, has_attachments IS DISTINCT FROM false OR body_content LIKE '%cid:%' AS "mayHave",
        coalesce(_folder, '') AS path, _user_id AS "mailboxId", _user_email AS address
      FROM ${schema}.emails WHERE _no > $1 AND _no <= $2 AND ${condition} ORDER BY _no`,
    values: [after, until, ...values],
  });
  return rows.map(({ no, mayHave, path, mailboxId, address, ...email }) => ({
    no,
    message: {
      email,
      mayHaveAttachments: mayHave,
      mailbox: { id: mailboxId, address },
      folderPath: path,
    },
  }));
}

/**
 * Owes those of the messages that the destination wants.
 * @param overBefore what was over before this moment is owed again; null: nothing is
 * @returns how many of them are owed now and were not
 */
async function owe(
  client: Client,
  { schema }: Organization,
  { destinationNo, owes }: { readonly destinationNo: number; readonly owes: OwesStored },
  emails: readonly StoredEmail[],
  overBefore: string | null,
): Promise<number> {
  const wanted = emails.flatMap(({ no, message }) => {
    const owed = owes(message);
    return owed ? [[String(no), [{ destinationNo, ...owed }]] as const] : [];
  });
  if (wanted.length === 0) return 0;
  const nos = wanted.map(([no]) => Number(no));
  const replayed = overBefore
    ? await run(client, {
        text: `WITH anew AS (
            UPDATE outhaul.deliveries SET ${OWED_ANEW}, replays = replays + 1
            WHERE destination_no = $1 AND email_no = ANY($2::bigint[]) AND status IN ('delivered', 'dead')
              AND coalesce(delivered_at, dead_at) < $3
            RETURNING email_no, status
          )${triedAgainPart({ schema }, 'anew')}
          SELECT 1 AS one FROM anew`,
        values: [destinationNo, nos, overBefore],
      })
    : [];
  const [fresh] = await run<{ count: number }>(client, {
    text: `WITH wanted AS MATERIALIZED (
        SELECT _no, _no::text AS id, e._mailbox_no AS mailbox_no
        FROM unnest($4::bigint[]) AS no CROSS JOIN LATERAL (
          SELECT _no, _mailbox_no FROM ${schema}.emails WHERE _no = no OFFSET 0) e
        WHERE NOT EXISTS (SELECT FROM outhaul.deliveries WHERE destination_no = $3 AND email_no = _no)
      )${owedPart('wanted', '$1', '$2')}
      SELECT count(*) AS count FROM owed`,
    values: [...encodeOwed(new Map(wanted)), destinationNo, nos],
  });
  return replayed.length + (fresh?.count ?? 0);
}

/** SQL: a delivery that was over is owed again, at the end of the line, with all its attempts before it. */
export const OWED_ANEW = `status = CASE cause WHEN '${ATTACHMENTS_MISSING}' THEN 'waiting' ELSE 'owed' END, attempts = 0,
  lost = 0, next_at = now(), owed_at = now(), owed_xid = DEFAULT, delivered_at = NULL, dead_at = NULL, answer = NULL`;
