import type { FolderWithPath } from '../model/folders.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';

/** What is stored of a message. */
export interface StoredMessage {
  readonly id: string;
  /** Where it was last seen; null: nobody knows. */
  readonly folderId: string | null;
  readonly deleted: boolean;
  /** Whether the scan or session that was asked about has seen it. */
  readonly seen: boolean;
}

/** A folder as it was last seen, and whether messages of it have been read. */
export interface StoredFolder extends FolderWithPath {
  readonly read: boolean;
}

export interface NamedMessages {
  readonly mailboxId: string;
  readonly ids: readonly string[];
  /** Null: all folders of the mailbox. */
  readonly folderIds: readonly string[] | null;
  /** Whose number. Default: nobody is asked about. */
  readonly seenBy?: number | undefined;
}

/** What is known of messages and folders by id; what is not, and folders that have gone, are absent. */
export async function lookUpNamed(
  db: Database,
  { schema }: Organization,
  { mailboxId, ids, folderIds, seenBy }: NamedMessages,
): Promise<{ readonly messages: Map<string, StoredMessage>; readonly folders: Map<string, StoredFolder> }> {
  const [row] = await query<{ messages: StoredMessage[]; folders: StoredFolder[] }>(db, {
    text: `SELECT coalesce((
          SELECT json_agg(json_build_object('id', e.id, 'folderId', f.id, 'deleted', e._deleted_at IS NOT NULL,
            'seen', ${seenBy === undefined ? 'false' : `EXISTS (SELECT FROM ${messagesOf(seenBy)} seen WHERE email_no = e._no)`}))
          FROM unnest($2::text[]) wanted CROSS JOIN LATERAL (
              SELECT _no, id, _folder_no, _deleted_at FROM ${schema}.emails
              WHERE _mailbox_no = m.mailbox_no AND id = wanted OFFSET 0) e
            LEFT JOIN ${schema}.mail_folders f ON f.folder_no = e._folder_no), '[]') AS messages,
        coalesce((
          SELECT json_agg(json_build_object('id', f.id, 'displayName', coalesce(f.display_name, ''),
            'parentFolderId', f.parent_folder_id, 'childFolderCount', f.child_folder_count,
            'totalItemCount', f.total_item_count, 'isHidden', coalesce(f.is_hidden, false),
            'isVirtual', coalesce(f.is_virtual, false), 'path', f.path, 'wellKnownName', f.well_known_name,
            'read', s.round_scans IS NOT NULL))
          FROM ${schema}.mail_folders f LEFT JOIN ${schema}.sync_state s USING (folder_no)
          WHERE f.mailbox_no = m.mailbox_no AND f._deleted_at IS NULL AND ($3::text[] IS NULL OR f.id = ANY($3))
          ), '[]') AS folders
      FROM ${schema}.mailboxes m WHERE m.id = $1`,
    values: [mailboxId, ids.map(storableText), folderIds?.map(storableText) ?? null],
    prepared: true,
  });
  return {
    messages: new Map((row?.messages ?? []).map((message) => [message.id, message])),
    folders: new Map((row?.folders ?? []).map((folder) => [folder.id, folder])),
  };
}
