import { STANDARD_FOLDERS, type FolderWithPath } from '../model/folders.ts';
import type { GraphMessage, MailFolder } from '../model/mail.ts';
import { saveFolders } from '../store/folders.ts';
import { lookUpNamed, type StoredFolder } from '../store/named-messages.ts';
import type { ReadingContext } from './folder-reader.ts';

const ROOT = 'msgfolderroot';
/** Where deleted mail is kept for a while; outside of the tree. */
const KEPT = 'recoverableitemsdeletions';

/** Messages by the id of the folder in which they lie; those of which Graph does not say it are left out. */
export function byFolderId(messages: readonly GraphMessage[]): ReadonlyMap<string, readonly GraphMessage[]> {
  const folders = new Map<string, GraphMessage[]>();
  for (const message of messages) {
    const { parentFolderId: id } = message;
    if (typeof id !== 'string') continue;
    const lying = folders.get(id);
    if (lying) lying.push(message);
    else folders.set(id, [message]);
  }
  return folders;
}

/**
 * Folders in which messages turned out to lie, by id. One that no read has met yet is looked up in Graph, and stored
 * together with the unknown folders above it, from which its path follows. One that has gone again is absent.
 */
export async function meetFolders(
  context: ReadingContext,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredFolder>> {
  if (ids.length === 0) return new Map();
  const { db, organization, mailbox } = context;
  const place = { mailboxId: mailbox.id, ids: [] };
  const { folders } = await lookUpNamed(db, organization, { ...place, folderIds: ids });
  const unknown = ids.filter((id) => !folders.has(id));
  if (unknown.length === 0) return folders;
  const { folders: known } = await lookUpNamed(db, organization, { ...place, folderIds: null });
  const names = await namesOfFolders(context);
  for (const id of unknown) {
    for (const met of await meet(context, id, { known, names })) known.set(met.id, { ...met, read: false });
  }
  return new Map(
    ids.flatMap((id) => {
      const folder = known.get(id);
      return folder ? [[id, folder] as const] : [];
    }),
  );
}

/** Well-known names by folder id, that of the root among them. */
async function namesOfFolders({ mailbox, signal }: ReadingContext): Promise<ReadonlyMap<string, string>> {
  const found = await mailbox.foldersByName([...STANDARD_FOLDERS, KEPT, ROOT], signal);
  return new Map([...found].map(([name, { id }]) => [id, name]));
}

interface KnownFolders {
  readonly known: ReadonlyMap<string, StoredFolder>;
  readonly names: ReadonlyMap<string, string>;
}

/** Stores an unknown folder, and those above it that are unknown. */
async function meet(
  context: ReadingContext,
  folderId: string,
  { known, names }: KnownFolders,
): Promise<readonly FolderWithPath[]> {
  const { db, organization, mailbox, leaseToken, scanId, signal } = context;
  const unknown = new Map<string, MailFolder>();
  let at: string | null = folderId;
  while (at !== null && !known.has(at) && !unknown.has(at) && names.get(at) !== ROOT) {
    const folder: MailFolder | undefined = await mailbox.folder(at, signal);
    if (!folder) break;
    unknown.set(folder.id, folder);
    at = names.has(folder.id) ? null : folder.parentFolderId;
  }
  if (unknown.size === 0) return [];
  let above = known.get(at ?? '')?.path;
  const met = [...unknown.values()].reverse().map((folder) => {
    const wellKnownName = names.get(folder.id) ?? null;
    above = wellKnownName ?? (above === undefined ? folder.displayName : `${above}/${folder.displayName}`);
    return { ...folder, path: above, wellKnownName };
  });
  await saveFolders(db, organization, { mailboxId: mailbox.id, leaseToken, scanId, folders: met });
  return met;
}
