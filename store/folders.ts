import type { FolderWithPath } from '../model/folders.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import { byId } from './values.ts';

const COLUMNS = [
  'display_name',
  'parent_folder_id',
  'child_folder_count',
  'total_item_count',
  'is_hidden',
  'is_virtual',
  'path',
  'well_known_name',
];

/**
 * Stores folders of a mailbox, new or known. Only what changed is rewritten; folders that are not named stay.
 * @throws {LeaseLost}
 */
export async function saveFolders(
  db: Database,
  organization: Organization,
  {
    scanId,
    folders,
    ...held
  }: HeldMailbox & { readonly scanId: string | null; readonly folders: readonly FolderWithPath[] },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `answer AS (
      INSERT INTO ${organization.schema}.mail_folders AS f (id, ${COLUMNS.join(', ')}, mailbox_no, _extracted_at, _scan_id,
        _tenant_id, _user_email, _user_id, _user_display_name, _folder, _extraction_type)
      SELECT r.*, lease.mailbox_no, now(), $4::text,
        lease._tenant_id, lease._user_email, lease.id, lease.display_name, r.path, 'mail_folder'
      FROM lease CROSS JOIN json_to_recordset($3::json) AS r(id text, display_name text, parent_folder_id text,
        child_folder_count bigint, total_item_count bigint, is_hidden boolean, is_virtual boolean, path text,
        well_known_name text)
      ON CONFLICT (mailbox_no, id) DO UPDATE SET ${COLUMNS.map((name) => `${name} = excluded.${name}`).join(', ')},
        _folder = excluded._folder, _extracted_at = excluded._extracted_at, _scan_id = excluded._scan_id,
        _deleted_at = NULL
      WHERE (${COLUMNS.map((name) => `f.${name}`).join(', ')}, f._deleted_at)
        IS DISTINCT FROM (${COLUMNS.map((name) => `excluded.${name}`).join(', ')}, NULL)
      RETURNING f.folder_no)`,
    values: [JSON.stringify([...byId(folders).values()].map(toRow)), scanId],
    prepared: true,
  });
}

/** Folders of a mailbox that are stored, were not known to be gone, and are not among these. */
export async function otherFolders(
  db: Database,
  { schema }: Organization,
  { mailboxId, ids }: { readonly mailboxId: string; readonly ids: readonly string[] },
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `SELECT f.id FROM ${schema}.mail_folders f JOIN ${schema}.mailboxes m USING (mailbox_no)
      WHERE m.id = $1 AND f._deleted_at IS NULL AND NOT f.id = ANY($2) ORDER BY f.id`,
    values: [mailboxId, ids.map(storableText)],
  });
  return rows.map(({ id }) => id);
}

/**
 * Folders turned out to be gone. Of the messages that lay in them nobody knows where they are now: they are unsettled.
 * @returns how many messages became so
 * @throws {LeaseLost}
 */
export async function noteFoldersGone(
  db: Database,
  organization: Organization,
  { ids, ...held }: HeldMailbox & { readonly ids: readonly string[] },
): Promise<number> {
  const { schema } = organization;
  const [answer] = await queryHeld<{ noted: number }>(db, organization, held, {
    text: `gone AS (
        UPDATE ${schema}.mail_folders f SET _deleted_at = now() FROM lease
        WHERE f.mailbox_no = lease.mailbox_no AND f.id = ANY($3::text[]) AND f._deleted_at IS NULL RETURNING f.folder_no
      ), noted AS (
        UPDATE ${schema}.emails e SET _removed_at = now() FROM lease
        WHERE e._mailbox_no = lease.mailbox_no AND e._folder_no IN (SELECT folder_no FROM gone)
          AND e._removed_at IS NULL AND e._deleted_at IS NULL
        RETURNING e._no
      ), answer AS (SELECT count(*) AS noted FROM noted)`,
    values: [ids.map(storableText)],
  });
  return answer?.noted ?? 0;
}

const toRow = (folder: FolderWithPath): object => ({
  id: storableText(folder.id),
  display_name: storableText(folder.displayName),
  parent_folder_id: folder.parentFolderId === null ? null : storableText(folder.parentFolderId),
  child_folder_count: folder.childFolderCount,
  total_item_count: folder.totalItemCount,
  is_hidden: folder.isHidden,
  is_virtual: folder.isVirtual,
  path: storableText(folder.path),
  well_known_name: folder.wellKnownName,
});
