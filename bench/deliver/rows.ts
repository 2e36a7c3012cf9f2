import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import type { BlobStore } from '../../store/blobs/blob-store.ts';
import { putBlob } from '../../store/blob-rows.ts';
import type { Database } from '../../store/database.ts';
import type { Organization } from '../../store/organizations.ts';

const ROW = `now(), 'bench@example.com', 'bench-mailbox', 'inbox', 'bench'`;
const ROW_COLUMNS = '_extracted_at, _user_email, _user_id, _folder, _extraction_type';

/** Where messages lie: one mailbox with one folder. */
export async function storeMailbox({ pool }: Database, { schema }: Organization): Promise<void> {
  await pool.query(`WITH mailbox AS (
      INSERT INTO ${schema}.mailboxes (id, mail, display_name, ${ROW_COLUMNS})
      VALUES ('bench-mailbox', 'bench@example.com', 'Bench', ${ROW}) RETURNING mailbox_no)
    INSERT INTO ${schema}.mail_folders (id, display_name, path, well_known_name, mailbox_no, ${ROW_COLUMNS})
    SELECT 'bench-inbox', 'Inbox', 'inbox', 'inbox', mailbox_no, ${ROW} FROM mailbox`);
}

/**
 * Stores messages as a scan would: of 150 bytes of preview and 1 KB of body, to three recipients.
 * @returns the number of the first; the others follow
 */
export async function storeMessages(
  { pool }: Database,
  { schema }: Organization,
  { count, hasAttachments = false }: { readonly count: number; readonly hasAttachments?: boolean },
): Promise<number> {
  const { rows } = await pool.query<{ first: number }>(
    `WITH stored AS (
      INSERT INTO ${schema}.emails (id, subject, sender_address, sender_name, from_address, from_name, to_recipients,
        received_date_time, sent_date_time, body_preview, body_content, body_content_type, has_attachments, is_read,
        conversation_id, conversation_index, internet_message_id, parent_folder_id, _mailbox_no, _folder_no, ${ROW_COLUMNS})
      SELECT 'AAMkADUwZTYyODA5LTY4YTUtNDNiMy05MGFiLTI1MGM5NGRlYzAzNABGAAAD' || to_char(n, 'FM0000000000'),
        'Invoice ' || n || ': payment is due', 'sender@example.com', 'A Sender', 'sender@example.com', 'A Sender',
        '[{"address": "a@example.org", "name": "A"}, {"address": "b@example.org", "name": "B"}, {"address": "c@example.org", "name": "C"}]',
        now(), now(), repeat('Dear all, ', 15), '<p>' || repeat('Dear all, ', 100) || '</p>', 'html', $2, false,
        'AAQkAGU3ZjQwNzg5LWNiYzItNDQ4Zi1hMWE3' || n, 'AdqlC1mQiNxVz5Kj5UKVqRLbGw==', '<' || n || '@example.com>',
        'bench-inbox', mailbox_no, folder_no, ${ROW}
      FROM ${schema}.mail_folders CROSS JOIN (SELECT coalesce(max(_no), 0) AS last FROM ${schema}.emails) before
        CROSS JOIN LATERAL generate_series(last + 1, last + $1) AS n
      WHERE mail_folders.id = 'bench-inbox' ORDER BY n
      RETURNING _no)
    SELECT min(_no)::int AS first FROM stored`,
    [count, hasAttachments],
  );
  return rows[0]!.first;
}

/** Gives each message from `first` on a file of its own. */
export async function storeAttachments(
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  { first, count, bytes }: { readonly first: number; readonly count: number; readonly bytes: number },
): Promise<void> {
  const { schema } = organization;
  const limit = pLimit(16);
  const put = async (no: number): Promise<string> => {
    const content = Buffer.alloc(bytes, createHash('sha512').update(`${no}`).digest());
    return (await putBlob(db, organization, blobs, Readable.from([content], { objectMode: false }))).sha256;
  };
  const hashes = await Promise.all(Array.from({ length: count }, (_, index) => limit(() => put(first + index))));
  await db.pool.query(
    `INSERT INTO ${schema}.attachments (id, message_id, kind, name, content_type, size, is_inline, position, state, sha256,
        byte_size, _email_no, _mailbox_no, _key, ${ROW_COLUMNS})
      SELECT e.id || '-1', e.id, 'file', 'invoice-' || e._no || '.pdf', 'application/pdf', $3::bigint + 120, false, 0, 'stored',
        ($2::text[])[e._no - $1 + 1], $3, e._no, e._mailbox_no, sha256(convert_to(e.id || '-1', 'UTF8')), ${ROW}
      FROM ${schema}.emails e WHERE e._no >= $1 AND e._no < $1 + cardinality($2::text[]) ORDER BY e._no`,
    [first, hashes, bytes],
  );
  await db.pool.query(
    `INSERT INTO ${schema}.attachment_reads (email_no, mailbox_no, state)
      SELECT _no, _mailbox_no, 'done' FROM ${schema}.emails WHERE _no >= $1 AND _no < $1 + $2`,
    [first, count],
  );
  await db.pool.query(`UPDATE ${schema}.blobs SET _unreferenced_since = NULL WHERE _unreferenced_since IS NOT NULL`);
}
