import type { FolderWithPath } from '../model/folders.ts';
import { storableText } from '../model/text.ts';
import type { Database } from './database.ts';
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
  });
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
