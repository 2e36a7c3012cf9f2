import type { FilteredMessage } from '../model/destination-filters.ts';
import { ATTACHMENTS_MISSING } from '../model/delivery.ts';
import type { StoredAttachment } from './attachment-lookup.ts';
import { OUTDATED, triedAgainPart } from './attachment-reads.ts';
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

/** An attachment of which there is no delivery to the destination. */
export type UnowedAttachment = Pick<
  StoredAttachment,
  'id' | 'kind' | 'name' | 'contentType' | 'size' | 'state' | 'byteSize' | 'sniffedType'
>;

/** Says whether the destination is to have an attachment, or the bytes that tell. */
export type OwesAttachment = (attachment: UnowedAttachment) => boolean;

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
    const owed = await owe(client, organization, request, wantedOf(request, emails));
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
  /** Asked of messages of which attachments are, or were, owed one by one. */
  readonly owesAttachment: OwesAttachment;
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
 * in the dead letters, under another idempotency key; and what it was never owed, or is owed no more since its dead letter
 * was dropped. Of a message of which it has had attachments, the others wait as those of a new one do. What is still owed
 * stays as it is. A stretch that is asked for again changes nothing.
 * @returns where to go on; `after` is null at the end
 */
export const replayWindow = (
  db: Database,
  organization: Organization,
  request: ReplayRequest,
): Promise<Fed & { readonly after: number | null }> =>
  transaction(db, async (client) => {
    const { destinationNo, since, until, begunAt, after, limit } = request;
    const [last] = await run<{ no: number }>(client, { text: `SELECT ${lastNumber(organization.schema)} AS no` });
    const stretch = { after, until: after + limit };
    const window = `${ARRIVED_AT} >= $3 AND ${ARRIVED_AT} < $4`;
    const emails = await storedEmails(client, organization, stretch, window, [since, until]);
    const wanted = wantedOf(request, emails);
    const again = await oweAgain(client, organization, { destinationNo, begunAt, nos: wanted.nos });
    const lacking = await lackingSome(client, organization, request, wanted.nos);
    const owed = again + (await owe(client, organization, request, { ...wanted, lacking }));
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

/** Messages that a destination wants, by their numbers, and how each is owed to it. */
interface Wanted {
  readonly nos: readonly number[];
  readonly owed: ReadonlyMap<string, readonly OwedTo[]>;
  /** Those of which it lacks attachments, though there are deliveries. Undefined: nobody has looked. */
  readonly lacking?: readonly number[];
}

type Wants = Pick<ReplayRequest, 'destinationNo' | 'owes'>;

function wantedOf({ destinationNo, owes }: Wants, emails: readonly StoredEmail[]): Wanted {
  const wanted = emails.flatMap(({ no, message }) => {
    const owed = owes(message);
    return owed ? [[no, [{ destinationNo, ...owed }]] as const] : [];
  });
  return { nos: wanted.map(([no]) => no), owed: new Map(wanted.map(([no, owed]) => [String(no), owed])) };
}

/** Owes once more what was over before a moment. @returns how many deliveries */
async function oweAgain(
  client: Client,
  { schema }: Organization,
  {
    destinationNo,
    nos,
    begunAt,
  }: { readonly nos: readonly number[] } & Pick<ReplayRequest, 'destinationNo' | 'begunAt'>,
): Promise<number> {
  const again = await run(client, {
    text: `WITH anew AS (
        UPDATE outhaul.deliveries SET ${OWED_ANEW}, replays = replays + 1
        WHERE destination_no = $1 AND email_no = ANY($2::bigint[]) AND status IN ('delivered', 'dead')
          AND coalesce(delivered_at, dead_at) < $3
        RETURNING email_no, status
      )${triedAgainPart({ schema }, 'anew')}
      SELECT 1 AS one FROM anew`,
    values: [destinationNo, nos, begunAt],
  });
  return again.length;
}

/**
 * Of the messages those of which the destination has had attachments, and lacks others; or may, where it is not known by
 * now which there are.
 */
async function lackingSome(
  client: Client,
  { schema }: Organization,
  { destinationNo, owesAttachment }: Pick<ReplayRequest, 'destinationNo' | 'owesAttachment'>,
  nos: readonly number[],
): Promise<number[]> {
  const delivered = 'SELECT FROM outhaul.deliveries WHERE destination_no = $1';
  const rows = await run<{ no: number; known: boolean; attachments: readonly UnowedAttachment[] }>(client, {
    text: `SELECT no, coalesce(r.state = 'done' AND NOT (${OUTDATED}), false) AS known, coalesce((
          SELECT json_agg(json_build_object('id', a.id, 'kind', a.kind, 'name', a.name, 'contentType', a.content_type,
            'size', a.size, 'state', a.state, 'byteSize', a.byte_size, 'sniffedType', a.sniffed_type))
          FROM ${schema}.attachments a
          WHERE a._email_no = no AND NOT EXISTS (${delivered} AND email_no = no AND attachment_id = a.id)), '[]') AS attachments
      FROM unnest($2::bigint[]) AS no
        CROSS JOIN LATERAL (SELECT is_draft FROM ${schema}.emails WHERE _no = no OFFSET 0) e
        LEFT JOIN ${schema}.attachment_reads r ON r.email_no = no
      WHERE EXISTS (${delivered} AND email_no = no)
        AND NOT EXISTS (${delivered} AND email_no = no AND attachment_id = '')`,
    values: [destinationNo, nos],
  });
  return rows.filter(({ known, attachments }) => !known || attachments.some(owesAttachment)).map(({ no }) => no);
}

/**
 * Owes messages of which the destination has no delivery, and those of which it lacks attachments.
 * @returns how many of them are owed now and were not
 */
async function owe(
  client: Client,
  { schema }: Organization,
  { destinationNo }: Wants,
  { nos, owed, lacking }: Wanted,
): Promise<number> {
  if (nos.length === 0) return 0;
  const [fresh] = await run<{ count: number }>(client, {
    text: `WITH wanted AS MATERIALIZED (
        SELECT _no, _no::text AS id, e._mailbox_no AS mailbox_no
        FROM unnest($4::bigint[]) AS no CROSS JOIN LATERAL (
          SELECT _no, _mailbox_no FROM ${schema}.emails WHERE _no = no OFFSET 0) e
        WHERE _no = ANY($5::bigint[])
          OR NOT EXISTS (SELECT FROM outhaul.deliveries WHERE destination_no = $3 AND email_no = _no)
      )${owedPart('wanted', '$1', '$2')}${lacking ? triedAgainPart({ schema }, 'owed') : ''}
      SELECT count(*) AS count FROM owed`,
    values: [...encodeOwed(owed), destinationNo, nos, lacking ?? []],
  });
  return fresh?.count ?? 0;
}

/** SQL: a delivery that was over is owed again, at the end of the line, with all its attempts before it. */
export const OWED_ANEW = `status = CASE cause WHEN '${ATTACHMENTS_MISSING}' THEN 'waiting' ELSE 'owed' END, attempts = 0,
  lost = 0, next_at = now(), owed_at = now(), owed_xid = DEFAULT, delivered_at = NULL, dead_at = NULL, answer = NULL`;
