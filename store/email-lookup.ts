import { keepsBodies, type Content } from '../model/content.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** A row of `emails` with all its columns; times are ISO 8601 in UTC, JSON is JSON. */
export type WholeEmail = Readonly<Record<string, unknown>>;

/** The messages of one mailbox with these ids, as they are stored; an id that is not stored is absent. */
export const emailsById = (
  db: Database,
  { schema }: Organization,
  { mailboxId, ids }: { readonly mailboxId: string; readonly ids: readonly string[] },
): Promise<WholeEmail[]> =>
  query(db, {
    text: `SELECT e.* FROM ${schema}.emails e JOIN ${schema}.mailboxes m ON m.mailbox_no = e._mailbox_no
      WHERE m.id = $1 AND e.id = ANY($2)`,
    values: [mailboxId, ids],
  });

/** Which of these messages are stored, and in which version; null where less of the message is than is to be kept. */
export async function changeKeysOf(
  db: Database,
  { schema }: Organization,
  {
    mailboxId,
    ids,
    content,
  }: { readonly mailboxId: string; readonly ids: readonly string[]; readonly content: Content },
): Promise<Map<string, string | null>> {
  const rows = await query<{ id: string; change_key: string | null }>(db, {
    text: `SELECT e.id, CASE WHEN _content = 'full' OR $3 = 'headers' THEN e.change_key END AS change_key FROM ${schema}.mailboxes m CROSS JOIN unnest($2::text[]) wanted
        CROSS JOIN LATERAL (
          SELECT id, change_key, _content FROM ${schema}.emails
          WHERE _mailbox_no = m.mailbox_no AND id = wanted OFFSET 0) e
      WHERE m.id = $1`,
    values: [mailboxId, ids.map(storableText), keepsBodies(content) ? 'full' : 'headers'],
  });
  return new Map(rows.map(({ id, change_key: changeKey }) => [id, changeKey]));
}

/** How many messages an organization has stored, deleted ones apart. */
export async function countEmails(db: Database, { schema }: Organization): Promise<number> {
  const [row] = await query<{ count: number }>(db, {
    text: `SELECT count(*) FROM ${schema}.emails WHERE _deleted_at IS NULL`,
  });
  return row?.count ?? 0;
}
