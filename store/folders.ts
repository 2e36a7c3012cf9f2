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

/** Rows looked through at a time for the path of a folder that has moved. */
const ROWS_A_LOOK = 10_000;

interface FoldersToSave extends HeldMailbox {
  /** The scan that rows changed now are said to have been changed by. */
  readonly scanId: string | null;
  readonly folders: readonly FolderWithPath[];
}

/**
 * Stores folders of a mailbox, new or known. Only what changed is rewritten; folders that are not named stay. Where the
 * path of a folder is another by now, its messages have that path as well before the folder has it, so that the change is
 * found again after an interruption.
 * @throws {LeaseLost}
 */
export async function saveFolders(db: Database, organization: Organization, saved: FoldersToSave): Promise<void> {
  const renamed = await save(db, organization, saved, 'under their paths');
  if (renamed.length === 0) return;
  await renameFolders(db, organization, { ...saved, ids: renamed });
  await save(db, organization, saved, 'all');
}

/**
 * @param which `under their paths`: folders that have messages under another path are left out
 * @returns the ids of those left out, as they are stored
 */
async function save(
  db: Database,
  organization: Organization,
  { scanId, folders, ...held }: FoldersToSave,
  which: 'under their paths' | 'all',
): Promise<string[]> {
  const { schema } = organization;
  const rows = await queryHeld<{ id: string | null }>(db, organization, held, {
    text: `told AS MATERIALIZED (
      SELECT * FROM json_to_recordset($3::json) AS r(id text, display_name text, parent_folder_id text,
        child_folder_count bigint, total_item_count bigint, is_hidden boolean, is_virtual boolean, path text,
        well_known_name text)
    ), renamed AS MATERIALIZED (
      SELECT f.id FROM lease JOIN ${schema}.mail_folders f USING (mailbox_no) JOIN told r ON r.id = f.id
      WHERE NOT $5::boolean AND f.path <> r.path
        AND EXISTS (SELECT FROM ${schema}.sync_state s WHERE s.folder_no = f.folder_no)
    ), saved AS (
      INSERT INTO ${schema}.mail_folders AS f (id, ${COLUMNS.join(', ')}, mailbox_no, _extracted_at, _scan_id,
        _tenant_id, _user_email, _user_id, _user_display_name, _folder, _extraction_type)
      SELECT r.*, lease.mailbox_no, now(), $4::text,
        lease._tenant_id, lease._user_email, lease.id, lease.display_name, r.path, 'mail_folder'
      FROM lease CROSS JOIN told r WHERE r.id NOT IN (SELECT id FROM renamed)
      ON CONFLICT (mailbox_no, id) DO UPDATE SET ${COLUMNS.map((name) => `${name} = excluded.${name}`).join(', ')},
        _folder = excluded._folder, _extracted_at = excluded._extracted_at, _scan_id = excluded._scan_id,
        _deleted_at = NULL
      WHERE (${COLUMNS.map((name) => `f.${name}`).join(', ')}, f._deleted_at)
        IS DISTINCT FROM (${COLUMNS.map((name) => `excluded.${name}`).join(', ')}, NULL)
    ), answer AS (SELECT id FROM renamed)`,
    values: [JSON.stringify([...byId(folders).values()].map(toRow)), scanId, which === 'all'],
    prepared: true,
  });
  return rows.flatMap(({ id }) => id ?? []);
}

/** Puts the folders' new paths on the messages that lie in them. When these were extracted stays: mail has not changed. */
async function renameFolders(
  db: Database,
  organization: Organization,
  { folders, ids, ...held }: HeldMailbox & Pick<FoldersToSave, 'folders'> & { readonly ids: readonly string[] },
): Promise<void> {
  const { schema } = organization;
  const renamed = new Set(ids);
  const paths = [...byId(folders).values()]
    .map(({ id, path }) => ({ id: storableText(id), path: storableText(path) }))
    .filter(({ id }) => renamed.has(id));
  for (let after = ''; ;) {
    const [answer] = await queryHeld<{ last: string | null }>(db, organization, held, {
      text: `paths AS MATERIALIZED (
          SELECT f.folder_no, r.path FROM lease JOIN ${schema}.mail_folders f USING (mailbox_no)
            JOIN json_to_recordset($3::json) AS r(id text, path text) ON r.id = f.id
        ), looked AS MATERIALIZED (
          SELECT e._no, e.id, e._folder_no, e._folder FROM lease
            JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no
          WHERE e.id > $4 ORDER BY e.id LIMIT ${ROWS_A_LOOK}
        ), renamed AS (
          UPDATE ${schema}.emails e SET _folder = paths.path FROM looked JOIN paths ON paths.folder_no = looked._folder_no
          WHERE e._no = looked._no AND looked._folder IS DISTINCT FROM paths.path
        ), answer AS (SELECT max(id) AS last FROM looked)`,
      values: [JSON.stringify(paths), after],
    });
    if (answer?.last == null) return;
    after = answer.last;
  }
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
