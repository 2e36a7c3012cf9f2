import { storableText } from '../model/text.ts';
import { begunAt, emailOf } from './attachment-reads.ts';
import { holdBlobs, looseBlobs } from './blob-rows.ts';
import type { BlobRef, BlobStore } from './blobs/blob-store.ts';
import { query, run, transaction, type Database } from './database.ts';
import { LeaseLost } from './errors.ts';
import { heldStatement, queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/** A message whose original is still to be read. */
export interface LackingOriginal {
  readonly emailNo: number;
  readonly messageId: string;
}

/** What became of the original of a message. */
export type SettledOriginal = { readonly messageId: string } & (
  | { readonly state: 'stored'; readonly blob: BlobRef }
  | { readonly state: 'quarantined'; readonly reason: string; readonly requestId?: string | undefined }
);

/** The original of a message, as far as it is known. */
export interface Original {
  readonly emailNo: number;
  readonly state: 'wanted' | 'stored' | 'quarantined';
  /** Graph's error code, where it cannot be read. */
  readonly reason: string | null;
  /** Of the draft as it was, where a later version is wanted or cannot be read; null where nothing was read yet. */
  readonly blob: BlobRef | null;
}

/**
 * The originals of all messages that these scans have seen in the mailbox are wanted. One that is stored, or could not be
 * read since the scans began, stays as it is, but for a draft that has changed.
 * @returns how many are to be read that were not before
 * @throws {LeaseLost}
 */
export async function wantSeenOriginals(
  db: Database,
  organization: Organization,
  { scanNos, ...held }: HeldMailbox & { readonly scanNos: readonly number[] },
): Promise<number> {
  const { schema } = organization;
  const [answer] = await queryHeld<{ wanted: number }>(db, organization, held, {
    text: `wanted AS (
        INSERT INTO ${schema}.originals AS o (message_id, state, _email_no, _mailbox_no, _tenant_id, _user_email, _user_id,
          _user_display_name, _folder)
        SELECT e.id, 'wanted', e._no, lease.mailbox_no, lease._tenant_id, lease._user_email, lease.id, lease.display_name,
          e._folder
        FROM lease JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no AND e._deleted_at IS NULL
        WHERE EXISTS (SELECT FROM outhaul.scan_messages s WHERE s.scan_no = ANY($3::int[]) AND s.email_no = e._no)
          AND NOT EXISTS (SELECT FROM ${schema}.originals o
            WHERE o._email_no = e._no AND (o.state = 'wanted' OR o.draft_key IS NULL OR o.draft_key = e.change_key)
              AND NOT (o.state = 'quarantined' AND o._extracted_at < ${begunAt('$3')}))
        ON CONFLICT (_email_no) DO UPDATE SET state = 'wanted', reason = NULL, request_id = NULL
        RETURNING _email_no
      ), answer AS (SELECT count(*) AS wanted FROM wanted)`,
    values: [scanNos],
  });
  return answer?.wanted ?? 0;
}

/**
 * SQL, part of the statement that stores a page: the originals of its messages are wanted. What was wanted before stays as
 * it is, but for a draft that has changed.
 * @param messages a relation that has `_no`, `id` and `change_key`, each message once
 * @param mailbox a relation of one row that has the mailbox's columns
 * @param folder the parameter with the path of the folder
 */
export const originalsPart = (
  { schema }: Organization,
  messages: string,
  mailbox: string,
  folder: string,
): string => `, originals AS (
  INSERT INTO ${schema}.originals AS o (message_id, state, _email_no, _mailbox_no, _tenant_id, _user_email, _user_id,
    _user_display_name, _folder)
  SELECT m.id, 'wanted', m._no, mailbox_no, _tenant_id, _user_email, ${mailbox}.id, display_name, ${folder}
  FROM ${messages} AS m CROSS JOIN ${mailbox}
  ON CONFLICT (_email_no) DO UPDATE SET state = 'wanted', reason = NULL, request_id = NULL
    WHERE o.draft_key IS DISTINCT FROM (
      SELECT m.change_key FROM ${messages} AS m WHERE m._no = o._email_no AND o.draft_key IS NOT NULL)
)`;

/** What a mailbox lacks, in the order in which the messages were stored, after the number `after`. */
export const lackingOriginals = (
  db: Database,
  { schema }: Organization,
  { mailboxId, after = 0, limit }: { readonly mailboxId: string; readonly after?: number; readonly limit: number },
): Promise<LackingOriginal[]> =>
  query(db, {
    text: `SELECT o._email_no AS "emailNo", o.message_id AS "messageId"
      FROM ${schema}.mailboxes m JOIN ${schema}.originals o ON o._mailbox_no = m.mailbox_no AND o.state = 'wanted'
      WHERE m.id = $1 AND o._email_no > $2 ORDER BY o._email_no LIMIT $3`,
    values: [mailboxId, after, limit],
    prepared: true,
  });

/**
 * Notes what became of originals, in one transaction. What is stored now refers to its blob; of one that cannot be read
 * what was stored before stays.
 * @throws {BlobMissing} where a blob is not there: nothing is written, and its bytes have to be put once more
 * @throws {LeaseLost}
 */
export async function settleOriginals(
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  {
    originals,
    scanId,
    ...held
  }: HeldMailbox & { readonly originals: readonly SettledOriginal[]; readonly scanId: string | null },
): Promise<void> {
  const { schema } = organization;
  const refs = originals.flatMap((original) => (original.state === 'stored' ? [original.blob] : []));
  const statement = heldStatement(organization, held, {
    text: `found AS MATERIALIZED (
        SELECT g.*, e._no, e._folder, CASE WHEN e.is_draft THEN e.change_key END AS draft_key, o.sha256 AS before FROM lease
          CROSS JOIN json_to_recordset($3::json) AS g(message_id text, state text, reason text, request_id text,
            sha256 text, byte_size bigint)
          ${emailOf(schema, 'g.message_id')}
          JOIN ${schema}.originals o ON o._email_no = e._no
      ), settled AS (
        UPDATE ${schema}.originals o SET state = f.state, reason = f.reason, request_id = f.request_id,
          sha256 = coalesce(f.sha256, o.sha256), byte_size = coalesce(f.byte_size, o.byte_size), draft_key = f.draft_key,
          _extracted_at = now(), _scan_id = $4, _folder = f._folder
        FROM found f WHERE o._email_no = f._no
      ), dropped AS (
        SELECT before AS sha256 FROM found WHERE sha256 IS NOT NULL AND before IS DISTINCT FROM sha256
      ), ${looseBlobs(organization, 'dropped')}, answer AS (SELECT count(*) AS settled FROM found)`,
    values: [JSON.stringify(originals.map(settledRow)), scanId],
  });
  await transaction(db, async (client) => {
    await holdBlobs(client, organization, blobs, refs);
    const [answer] = await run<{ held: number | null }>(client, statement);
    if (answer?.held == null) throw new LeaseLost(held.mailboxId);
  });
}

function settledRow(original: SettledOriginal): object {
  const { messageId, state } = original;
  const name = { message_id: storableText(messageId), state };
  if (original.state === 'quarantined') return { ...name, reason: original.reason, request_id: original.requestId };
  return { ...name, sha256: original.blob.sha256, byte_size: original.blob.size };
}

/**
 * The bytes of an original are lost: they are to be read from Graph once more. Does nothing where it refers to other bytes
 * by now.
 * @param sha256 the blob that was found missing or altered
 * @returns the mailbox whose reader has to be woken; undefined where there is nothing to read
 */
export async function originalLost(
  db: Database,
  organization: Organization,
  { emailNo, sha256 }: { readonly emailNo: number; readonly sha256: string },
): Promise<{ readonly mailboxId: string } | undefined> {
  const { schema } = organization;
  const [lost] = await query<{ mailboxId: string }>(db, {
    text: `WITH lost AS (
        UPDATE ${schema}.originals SET state = 'wanted', sha256 = NULL, byte_size = NULL, reason = NULL, request_id = NULL
        WHERE _email_no = $1 AND sha256 = $2 RETURNING _mailbox_no
      ), dropped AS (SELECT $2::text AS sha256 FROM lost), ${looseBlobs(organization, 'dropped')}
      SELECT m.id AS "mailboxId" FROM lost JOIN ${schema}.mailboxes m ON m.mailbox_no = lost._mailbox_no`,
    values: [emailNo, sha256],
  });
  return lost;
}

/** What is known of the original of a message; undefined where nobody wanted it. */
export async function originalOf(
  db: Database,
  { schema }: Organization,
  { mailboxId, messageId }: { readonly mailboxId: string; readonly messageId: string },
): Promise<Original | undefined> {
  const [original] = await query<Original>(db, {
    text: `SELECT o._email_no AS "emailNo", o.state, o.reason,
        CASE WHEN o.sha256 IS NOT NULL THEN json_build_object('sha256', o.sha256, 'size', o.byte_size) END AS blob
      FROM ${schema}.mailboxes m JOIN ${schema}.emails e ON e._mailbox_no = m.mailbox_no AND e.id = $2
        JOIN ${schema}.originals o ON o._email_no = e._no
      WHERE m.id = $1`,
    values: [mailboxId, storableText(messageId)],
  });
  return original;
}
