import type { AttachmentRow } from '../model/attachment.ts';
import { storableText } from '../model/text.ts';
import { DRAFT_KEY, emailOf } from './attachment-reads.ts';
import { holdBlobs, looseBlobs } from './blob-rows.ts';
import type { BlobRef, BlobStore } from './blobs/blob-store.ts';
import { run, transaction, type Client, type Database } from './database.ts';
import { LeaseLost, sqlState } from './errors.ts';
import { heldStatement, queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import { messageKey } from './quarantine.ts';

/** All attachments of one message, in Graph's order. */
export interface AttachmentList {
  readonly messageId: string;
  readonly attachments: readonly ListedAttachment[];
  /** The version of a draft that `lackingAttachments` told of before it was listed. Default: the one that is stored now. */
  readonly draftKey?: string | null;
}

export interface ListedAttachment {
  readonly row: AttachmentRow;
  /** Why its bytes are not to be fetched. Default: they are. */
  readonly leftOut?: string;
}

/** What became of an attachment. */
export type SettledAttachment = { readonly messageId: string; readonly id: string } & (
  | { readonly state: 'stored'; readonly blob: BlobRef; readonly sniffedType: string | null }
  | { readonly state: 'left_out'; readonly reason: string }
  | { readonly state: 'quarantined'; readonly reason: string; readonly requestId?: string | undefined }
);

export interface Settlement {
  /** Messages of which nothing is to be read any more, since this call. */
  readonly done: readonly string[];
}

/** The columns of an attachment, with their types. */
const COLUMNS: Readonly<Record<keyof AttachmentRow, string>> = {
  id: 'text',
  kind: 'text',
  name: 'text',
  content_type: 'text',
  size: 'bigint',
  is_inline: 'boolean',
  content_id: 'text',
  source_url: 'text',
  last_modified_date_time: 'timestamptz',
  record: 'text',
};
const NAMES = Object.keys(COLUMNS) as (keyof AttachmentRow)[];

type Lists = HeldMailbox & { readonly lists: readonly AttachmentList[]; readonly scanId: string | null };

/**
 * Saves the attachments of messages as Graph lists them now. One that is stored stays stored, one that is listed no more is
 * removed. Of several with one id, and of several lists for one message, the last counts; messages that are not stored
 * are passed over.
 * @throws {LeaseLost}
 */
export async function saveAttachments(db: Database, organization: Organization, lists: Lists): Promise<Settlement> {
  try {
    return await save(db, organization, lists, recordText);
  } catch (error) {
    if (!/^(22|54)/.test(sqlState(error) ?? '')) throw error;
    // The columns can be stored in any case: a record that the database refuses does not cost an attachment.
    return save(db, organization, lists, () => null);
  }
}

/** JSON inside of JSON, for PostgreSQL takes NUL and lone surrogates out of nothing but a text. */
function recordText({ record }: AttachmentRow): string | null {
  try {
    return record && JSON.stringify(record);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

async function save(
  db: Database,
  organization: Organization,
  { lists, scanId, ...held }: Lists,
  recordOf: (row: AttachmentRow) => string | null,
): Promise<Settlement> {
  const { schema } = organization;
  const messages = new Map(
    lists.map(({ messageId, attachments }) => [storableText(messageId), listedById(attachments)]),
  );
  const given = [...messages].flatMap(([messageId, attachments]) =>
    [...attachments].map(([key, { row, leftOut }], position) => {
      const state = leftOut === undefined ? 'wanted' : 'left_out';
      return { ...row, record: recordOf(row), message_id: messageId, key, position, state, reason: leftOut };
    }),
  );
  const draftKeys = new Map(lists.map(({ messageId, draftKey }) => [storableText(messageId), draftKey]));
  const listed = [...messages].map(([messageId, attachments]) => ({
    ...{ messageId, keys: [...attachments.keys()] },
    draftKey: draftKeys.get(messageId),
  }));
  const [answer] = await queryHeld<Settlement>(db, organization, held, {
    text: `listed AS MATERIALIZED (
        SELECT l."messageId", e._no, coalesce(l."draftKey", ${DRAFT_KEY}) AS draft_key,
          ARRAY(SELECT decode(key, 'hex') FROM json_array_elements_text(keys) key) AS keys
        FROM lease CROSS JOIN json_to_recordset($3::json) AS l("messageId" text, keys json, "draftKey" text)
          ${emailOf(schema, 'l."messageId"')}
      ), given AS MATERIALIZED (
        SELECT e._no AS email_no, e._folder, a.*, decode(key, 'hex') AS _key
        FROM lease CROSS JOIN json_to_recordset($4::json) AS a(${NAMES.map((name) => `${name} ${COLUMNS[name]}`).join(', ')},
          message_id text, key text, position int, state text, reason text) ${emailOf(schema, 'a.message_id')}
      ), saved AS (
        INSERT INTO ${schema}.attachments AS a (${NAMES.join(', ')}, message_id, position, state, reason, _email_no,
          _mailbox_no, _key, _extracted_at, _scan_id, _tenant_id, _user_email, _user_id, _user_display_name, _folder,
          _extraction_type)
        SELECT ${NAMES.map((name) => (name === 'record' ? 'g.record::json' : `g.${name}`)).join(', ')}, g.message_id, g.position, g.state, g.reason, g.email_no,
          lease.mailbox_no, g._key, now(), $5, lease._tenant_id, lease._user_email, lease.id, lease.display_name,
          g._folder, 'attachment'
        FROM lease CROSS JOIN given g
        ON CONFLICT (_email_no, _key) DO UPDATE SET
          ${[...NAMES, 'position', '_extracted_at', '_scan_id', '_user_email', '_user_display_name', '_folder'].map((name) => `${name} = excluded.${name}`).join(', ')},
          state = CASE WHEN a.state = 'stored' THEN a.state ELSE excluded.state END,
          reason = CASE WHEN a.state = 'stored' THEN a.reason ELSE excluded.reason END,
          request_id = CASE WHEN a.state = 'stored' THEN a.request_id END
        RETURNING _email_no, state
      ), dropped AS (
        DELETE FROM ${schema}.attachments a USING listed l
        WHERE a._email_no = l._no AND a._key <> ALL(l.keys) RETURNING a.sha256
      ), ${looseBlobs(organization, 'dropped')}, reads AS (
        INSERT INTO ${schema}.attachment_reads (email_no, mailbox_no, state, draft_key)
        SELECT l._no, lease.mailbox_no,
          CASE WHEN l._no IN (SELECT _email_no FROM saved WHERE state = 'wanted') THEN 'listed' ELSE 'done' END,
          l.draft_key
        FROM lease CROSS JOIN listed l
        ON CONFLICT (email_no) DO UPDATE SET state = excluded.state, draft_key = excluded.draft_key, reason = NULL,
          request_id = NULL, updated_at = now()
        RETURNING email_no, state
      ), answer AS (
        SELECT ARRAY(SELECT "messageId" FROM listed
          WHERE _no = ANY(ARRAY(SELECT email_no FROM reads WHERE state = 'done'))) AS done FROM lease
      )`,
    values: [JSON.stringify(listed), JSON.stringify(given), scanId],
  });
  return { done: answer?.done ?? [] };
}

/**
 * Notes what became of attachments, in one transaction. What is stored now refers to its blob.
 * @throws {BlobMissing} where a blob is not there: nothing is written, and its bytes have to be put once more
 * @throws {LeaseLost}
 */
export async function settleAttachments(
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  {
    attachments,
    scanId,
    ...held
  }: HeldMailbox & { readonly attachments: readonly SettledAttachment[]; readonly scanId: string | null },
): Promise<Settlement> {
  const { schema } = organization;
  const refs = attachments.flatMap((attachment) => (attachment.state === 'stored' ? [attachment.blob] : []));
  const settled = new Map(
    attachments.map((attachment) => [JSON.stringify([attachment.messageId, attachment.id]), attachment]),
  );
  const statement = heldStatement(organization, held, {
    text: `found AS MATERIALIZED (
        SELECT g.*, a._no, e._no AS email_no, a.before FROM lease
          CROSS JOIN json_to_recordset($3::json) AS g(message_id text, key text, state text, reason text, request_id text,
            sha256 text, byte_size bigint, sniffed_type text)
          ${emailOf(schema, 'g.message_id')}
          CROSS JOIN LATERAL (SELECT _no, sha256 AS before FROM ${schema}.attachments
            WHERE _email_no = e._no AND _key = decode(g.key, 'hex') OFFSET 0) a
      ), settled AS (
        UPDATE ${schema}.attachments a SET state = f.state, reason = f.reason, request_id = f.request_id,
          sha256 = f.sha256, byte_size = f.byte_size, sniffed_type = f.sniffed_type, _extracted_at = now(), _scan_id = $4
        FROM found f WHERE a._no = f._no
      ), dropped AS (
        SELECT before AS sha256 FROM found WHERE before IS DISTINCT FROM sha256
      ), ${looseBlobs(organization, 'dropped')}, reads AS (
        UPDATE ${schema}.attachment_reads r SET state = 'done', updated_at = now()
        WHERE r.email_no = ANY(ARRAY(SELECT email_no FROM found)) AND r.state = 'listed' AND NOT EXISTS (
          SELECT FROM ${schema}.attachments a WHERE a._email_no = r.email_no AND a.state = 'wanted'
            AND a._no <> ALL(ARRAY(SELECT _no FROM found)))
        RETURNING r.email_no
      ), answer AS (
        SELECT ARRAY(SELECT DISTINCT message_id FROM found
          WHERE email_no = ANY(ARRAY(SELECT email_no FROM reads))) AS done FROM lease
      )`,
    values: [JSON.stringify([...settled.values()].map(settledRow)), scanId],
  });
  return transaction(db, async (client) => {
    await holdBlobs(client, organization, blobs, refs);
    await lockReads(client, organization, held, attachments);
    const [answer] = await run<Settlement & { held: number | null }>(client, statement);
    if (answer?.held == null) throw new LeaseLost(held.mailboxId);
    return { done: answer.done };
  });
}

/** Of two that settle the last attachments of a message at once, the second has to see what the first has done. */
async function lockReads(
  client: Client,
  { schema }: Organization,
  { mailboxId }: HeldMailbox,
  attachments: readonly SettledAttachment[],
): Promise<void> {
  await run(client, {
    text: `SELECT FROM ${schema}.mailboxes m CROSS JOIN unnest($2::text[]) message_id
        CROSS JOIN LATERAL (
          SELECT _no FROM ${schema}.emails WHERE _mailbox_no = m.mailbox_no AND id = message_id OFFSET 0) e
        JOIN ${schema}.attachment_reads r ON r.email_no = e._no
      WHERE m.id = $1 ORDER BY r.email_no FOR UPDATE OF r`,
    values: [mailboxId, [...new Set(attachments.map(({ messageId }) => storableText(messageId)))]],
  });
}

/** By key, in the order of their first appearance. */
const listedById = (attachments: readonly ListedAttachment[]): Map<string, ListedAttachment> =>
  new Map(attachments.map((attachment) => [keyOf(attachment.row.id), attachment]));

const keyOf = (id: string): string => messageKey(id).toString('hex');

function settledRow(attachment: SettledAttachment): object {
  const { messageId, id, state } = attachment;
  const name = { message_id: storableText(messageId), key: keyOf(id), state };
  if (attachment.state === 'left_out') return { ...name, reason: attachment.reason };
  if (attachment.state === 'quarantined') {
    return { ...name, reason: attachment.reason, request_id: attachment.requestId };
  }
  const { blob, sniffedType } = attachment;
  return { ...name, sha256: blob.sha256, byte_size: blob.size, sniffed_type: sniffedType };
}
