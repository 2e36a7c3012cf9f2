import type { Owing, OwedOfMessage } from '../model/destination-filters.ts';
import { ATTACHMENTS_MISSING, HOLD_SECONDS, type Urgency } from '../model/delivery.ts';
import { storableText } from '../model/text.ts';
import { query, run, type Client, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** To which destination a message is owed, and whether its attachments have to be there first. */
export interface OwedTo {
  readonly destinationNo: number;
  readonly owing: Exclude<Owing, 'nothing'>;
  readonly urgency: Urgency;
}

/** Messages by id, with the destinations that each is owed to, as two parameters of a statement. */
export function encodeOwed(messages: ReadonlyMap<string, readonly OwedTo[]>): readonly [string, readonly number[]] {
  const owed = [...messages].filter(([, destinations]) => destinations.length > 0);
  const records = owed.map(([id, destinations]) => [
    id,
    destinations.map(({ destinationNo, owing, urgency }) => ({ destination: destinationNo, status: owing, urgency })),
  ]);
  const numbers = new Set(owed.flatMap(([, destinations]) => destinations.map(({ destinationNo }) => destinationNo)));
  return [JSON.stringify(Object.fromEntries(records)), [...numbers]];
}

/**
 * SQL, parts of a `WITH`: messages become owed. Destinations that are gone by now are owed nothing; the others cannot go
 * until this is committed. What waits for attachments stands in the same line as the rest, and holds it up for a while.
 * @param messages relations that have `_no`, `id` and `mailbox_no`, each message once
 * @param owed and `destinations`: the parameters of `encodeOwed`
 */
export const owedPart = (messages: string, owed: string, destinations: string): string => `, takers AS MATERIALIZED (
  SELECT destination_no, organization_id, ordered FROM outhaul.destinations
  WHERE destination_no = ANY(${destinations}::int[]) FOR KEY SHARE
), owed AS (
  INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority, next_at)
  SELECT takers.destination_no, takers.organization_id, mailbox_no, _no, takers.ordered, o.status, o.urgency,
    CASE o.status WHEN 'waiting' THEN now() + interval '${HOLD_SECONDS} s' ELSE now() END
  FROM ${messages}
    CROSS JOIN LATERAL jsonb_to_recordset(${owed}::jsonb -> id) AS o(destination int, status text, urgency smallint)
    JOIN takers ON takers.destination_no = o.destination
  ORDER BY _no, takers.destination_no
  ON CONFLICT DO NOTHING
  RETURNING destination_no, email_no, status
)`;

/** A message that waits for its attachments, so that destinations can have it, or them. */
export interface WaitingMessage {
  readonly emailNo: number;
  readonly messageId: string;
  readonly destinationNos: readonly number[];
}

/** Messages of a mailbox that wait for their attachments, in the order of arrival. Start after 0; an empty answer is the end. */
export const waitingMessages = (
  db: Pick<Database, 'pool'>,
  { organizationId, schema }: Organization,
  { mailboxId, after, limit }: { readonly mailboxId: string; readonly after: number; readonly limit: number },
): Promise<WaitingMessage[]> =>
  query<WaitingMessage>(db, {
    text: `WITH waiting AS MATERIALIZED (
        SELECT email_no, array_agg(DISTINCT destination_no) AS destinations FROM outhaul.deliveries
        WHERE organization_id = $1 AND mailbox_no = (SELECT mailbox_no FROM ${schema}.mailboxes WHERE id = $2)
          AND status = 'waiting' AND email_no > $3
        GROUP BY email_no ORDER BY email_no LIMIT $4
      )
      SELECT email_no AS "emailNo", id AS "messageId", destinations AS "destinationNos"
      FROM waiting CROSS JOIN LATERAL (SELECT id FROM ${schema}.emails WHERE _no = email_no OFFSET 0) e
      ORDER BY email_no`,
    values: [organizationId, mailboxId, after, limit],
    prepared: true,
  });

/** The same of some messages, by the numbers of their rows. */
export const waitingAmong = (
  db: Pick<Database, 'pool'>,
  { organizationId, schema }: Organization,
  emailNos: readonly number[],
): Promise<WaitingMessage[]> =>
  query<WaitingMessage>(db, {
    text: `SELECT e._no AS "emailNo", e.id AS "messageId", d.destinations AS "destinationNos"
      FROM unnest($2::bigint[]) AS no
        CROSS JOIN LATERAL (SELECT _no, id, _mailbox_no FROM ${schema}.emails WHERE _no = no OFFSET 0) e
        CROSS JOIN LATERAL (
          SELECT array_agg(DISTINCT destination_no) AS destinations FROM outhaul.deliveries
          WHERE organization_id = $1 AND mailbox_no = e._mailbox_no AND email_no = e._no AND status = 'waiting') d
      WHERE d.destinations IS NOT NULL ORDER BY e._no`,
    values: [organizationId, emailNos],
    prepared: true,
  });

/** Notes why messages of a mailbox still wait for their attachments, as a code and in words. */
export async function noteWaiting(
  db: Pick<Database, 'pool'>,
  { organizationId, schema }: Organization,
  { mailboxId, cause, words }: { readonly mailboxId: string; readonly cause: string; readonly words: string },
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.deliveries SET cause = $3, last_error = $4
      WHERE organization_id = $1 AND mailbox_no = (SELECT mailbox_no FROM ${schema}.mailboxes WHERE id = $2)
        AND status = 'waiting' AND last_error IS DISTINCT FROM $4`,
    values: [organizationId, mailboxId, cause, words],
  });
}

/** What a destination is owed of a message that has waited; no attachments is nothing. */
export interface NowOwed {
  readonly destinationNo: number;
  readonly emailNo: number;
  /** `missing`: nobody can tell, and why, in words. */
  readonly owed: OwedOfMessage | { readonly missing: string };
  /** Attachments that are not owed, now that their bytes have told what they are. Default: none. */
  readonly unwanted?: readonly string[];
}

/**
 * The attachments of messages are there, or known not to come: the messages, or those attachments, are owed now, in the
 * place that the messages have in the order of arrival; attachments of which there are deliveries already stay as they are,
 * and the others go after these. To be called in the transaction that stores the attachments, if
 * there is one. A delivery of an attachment that waits because its bytes were lost is owed again; one that was a dead
 * letter, because the bytes that would have told its type could not be read, goes where they turn out not to be wanted.
 * Where nobody can tell what is owed, what waits becomes a dead letter. What does not wait (any more) stays as it is, so
 * that a second call does no harm.
 * @returns the destinations that are owed something now
 */
export async function releaseWaiting(client: Client, messages: readonly NowOwed[]): Promise<number[]> {
  if (messages.length === 0) return [];
  const records = messages.map(({ destinationNo, emailNo, owed, unwanted = [] }) => ({
    destination: destinationNo,
    email: emailNo,
    ...releasedAs(owed),
    unwanted: unwanted.map(storableText),
  }));
  const rows = await run<{ destination_no: number }>(client, {
    text: `WITH given AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($1::jsonb)
          AS g(destination int, email bigint, itself boolean, attachments text[], missing text, unwanted text[])
      ), dead AS (
        UPDATE outhaul.deliveries d SET status = 'dead', dead_at = now(), cause = '${ATTACHMENTS_MISSING}', last_error = missing
        FROM given WHERE missing IS NOT NULL AND d.destination_no = given.destination AND d.email_no = given.email
          AND d.status = 'waiting'
      ), released AS MATERIALIZED (
        SELECT d.*, itself, attachments, (SELECT max(part) FROM outhaul.deliveries
            WHERE destination_no = given.destination AND email_no = given.email) AS parts
        FROM given CROSS JOIN LATERAL (
          SELECT delivery_no, destination_no, organization_id, mailbox_no, email_no, ordered, priority, owed_xid, owed_at
          FROM outhaul.deliveries
          WHERE destination_no = given.destination AND email_no = given.email AND attachment_id = '' AND status = 'waiting'
          FOR UPDATE) d
        WHERE missing IS NULL
      ), itself AS (
        UPDATE outhaul.deliveries SET status = 'owed', next_at = now(), cause = NULL, last_error = NULL
        WHERE delivery_no = ANY(ARRAY(SELECT delivery_no FROM released WHERE itself)) RETURNING destination_no
      ), gone AS (
        DELETE FROM outhaul.deliveries
        WHERE delivery_no = ANY(ARRAY(SELECT delivery_no FROM released WHERE NOT itself))
      ), parts AS (
        INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, attachment_id, part, ordered,
          status, priority, owed_xid, owed_at)
        SELECT destination_no, organization_id, mailbox_no, email_no, a.id, parts + a.part, ordered, 'owed', priority,
          owed_xid, owed_at
        FROM released CROSS JOIN LATERAL unnest(attachments) WITH ORDINALITY AS a(id, part)
        WHERE NOT itself ORDER BY owed_xid, email_no, a.part
        ON CONFLICT DO NOTHING RETURNING destination_no
      ), unwanted AS (
        DELETE FROM outhaul.deliveries d USING given
        WHERE d.destination_no = given.destination AND d.email_no = given.email AND d.attachment_id = ANY(given.unwanted)
          AND d.status = 'waiting' AND d.cause = '${ATTACHMENTS_MISSING}'
        RETURNING d.delivery_no
      ), lost AS (
        UPDATE outhaul.deliveries d SET status = 'owed', next_at = now(), cause = NULL, last_error = NULL FROM given
        WHERE missing IS NULL AND d.destination_no = given.destination AND d.email_no = given.email
          AND d.attachment_id <> '' AND d.status = 'waiting'
          AND d.delivery_no NOT IN (SELECT delivery_no FROM unwanted)
        RETURNING d.destination_no
      )
      SELECT DISTINCT destination_no FROM (
        SELECT * FROM itself UNION ALL SELECT * FROM parts UNION ALL SELECT * FROM lost) AS owed`,
    values: [JSON.stringify(records)],
  });
  return rows.map(({ destination_no: no }) => no);
}

function releasedAs(owed: NowOwed['owed']): object {
  if (owed === 'message') return { itself: true, attachments: [] };
  if ('missing' in owed) return { itself: false, attachments: [], missing: storableText(owed.missing) };
  return { itself: false, attachments: owed.map(storableText) };
}
