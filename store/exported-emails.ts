import type { EmailRow } from '../model/email.ts';
import { EMAIL_COLUMNS } from './email-columns.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** A message as it is stored, and whose it is. */
export interface StoredEmail extends EmailRow {
  readonly _no: number;
  readonly _user_id: string;
  readonly _folder: string | null;
  readonly _deleted_at: string | null;
}

/**
 * Every stored message of an organization, deleted ones too, a stretch at a time: start after 0 and go on after
 * `afterNo`; an empty stretch is the end.
 */
export async function streamEmails(
  db: Database,
  { schema }: Organization,
  { afterNo, limit }: { readonly afterNo: number; readonly limit: number },
): Promise<{ readonly rows: readonly StoredEmail[]; readonly afterNo: number }> {
  const rows = await query<StoredEmail>(db, {
    text: `SELECT ${EMAIL_COLUMNS.join(', ')}, _no, _user_id, _folder, _deleted_at FROM ${schema}.emails
      WHERE _no > $1 ORDER BY _no LIMIT $2`,
    values: [afterNo, limit],
  });
  return { rows, afterNo: rows.at(-1)?._no ?? afterNo };
}
