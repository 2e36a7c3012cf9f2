import { chooseFolders, parseFolders } from '../model/folders.ts';
import type { GraphMessage } from '../model/mail.ts';
import { saveFolders } from '../store/folders.ts';
import { lookUpNamed, type StoredFolder, type StoredMessage } from '../store/named-messages.ts';
import { writeMessages } from '../store/pages.ts';
import type { UnreadableMessage } from '../store/quarantine.ts';
import { markDeleted, moveEmails } from '../store/settlement.ts';
import { noteToMark, seenBy, type LiveReading } from './live-reading.ts';
import { quarantine, release } from './quarantine.ts';
import { readByIds } from './reading-by-id.ts';

/** What is left of messages that were asked for by name. */
export interface NamedRead {
  /** Neither at Graph nor stored: Graph may name a message before it can be read. */
  readonly missing: ReadonlySet<string>;
  /** Only a delta round brings them: their folder was never read, or they cannot be read by id at all. */
  readonly forRound: ReadonlySet<string>;
}

/** What lies in one folder, of the messages named. */
interface Lying {
  readonly messages: readonly GraphMessage[];
  readonly unreadable: readonly UnreadableMessage[];
  /** By id, what is stored of all messages named. */
  readonly stored: ReadonlyMap<string, StoredMessage>;
}

/**
 * Reads messages by id and stores each in the folder in which it lies, where the session wants that folder and it was read
 * before. A stored message that lies elsewhere by now is moved there; one that Graph does not have any more is deleted.
 * @param planned the mailbox's folders were looked up just now: one that is still unknown is not among those to be seen
 * @throws {GraphError} of a kind that concerns the mailbox or the connection
 */
export async function readNamed(
  live: LiveReading,
  ids: readonly string[],
  { planned = false } = {},
): Promise<NamedRead> {
  const { context, session } = live;
  const { db, organization, mailbox } = context;
  const selectors = parseFolders(session.filters.folders);
  const found = await readByIds(context, { id: 'inbox' }, ids);
  const byFolder = byFolderOf([...found.messages.values()]);
  const needsTree = selectors.some(({ kind }) => kind === 'named');
  const folderIds = needsTree ? null : [...byFolder.keys()];
  const { messages: stored, folders } = await lookUpNamed(db, organization, {
    mailboxId: mailbox.id,
    ids,
    folderIds,
    seenBy: seenBy(live),
  });
  const forRound = new Set<string>();
  const needRound = (messages: readonly { readonly id: string }[]): void =>
    messages.forEach(({ id }) => forRound.add(id));
  needRound(found.unreadable.filter(({ id, httpStatus }) => httpStatus !== 404 && !found.messages.has(id)));
  needRound([...found.messages.values()].filter(({ parentFolderId }) => typeof parentFolderId !== 'string'));

  const seesAll = selectors.some(({ kind }) => kind !== 'well-known');
  for (const [folderId, messages] of byFolder) {
    if (folders.has(folderId)) continue;
    if (seesAll && !planned) needRound(messages);
    else await meetFolder(live, folderId, folders);
  }
  const wanted = new Set(chooseFolders(selectors, [...folders.values()]).folders.map(({ id }) => id));
  for (const [folderId, messages] of byFolder) {
    const folder = folders.get(folderId);
    if (!folder) continue;
    const lying = { messages, unreadable: found.unreadable, stored };
    if (!wanted.has(folderId)) await moveStored(live, folder, lying);
    else if (folder.read) await store(live, folder, lying);
    else needRound(messages);
  }
  const missing = found.unreadable.filter(({ httpStatus }) => httpStatus === 404).map(({ id }) => id);
  await deleteStored(live, missing, stored);
  return { missing: new Set(missing.filter((id) => !stored.has(id))), forRound };
}

function byFolderOf(messages: readonly GraphMessage[]): Map<string, GraphMessage[]> {
  const folders = new Map<string, GraphMessage[]>();
  for (const message of messages) {
    const { parentFolderId: id } = message;
    if (typeof id === 'string') folders.set(id, [...(folders.get(id) ?? []), message]);
  }
  return folders;
}

/** A folder that no read has met yet; one that has gone again stays unknown. */
async function meetFolder(
  { context }: LiveReading,
  folderId: string,
  folders: Map<string, StoredFolder>,
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanId, signal } = context;
  const folder = await mailbox.folder(folderId, signal);
  if (!folder) return;
  const met = { ...folder, path: folder.displayName, wellKnownName: null };
  await saveFolders(db, organization, { mailboxId: mailbox.id, leaseToken, scanId, folders: [met] });
  folders.set(folderId, { ...met, read: false });
}

async function store(live: LiveReading, folder: StoredFolder, { messages, unreadable, stored }: Lying): Promise<void> {
  const { context, wants } = live;
  const { db, organization, mailbox, leaseToken, scanNos, scanId } = context;
  const wanted = messages.filter((message) => stored.has(message.id) || wants(message));
  if (wanted.length === 0) return;
  const ids = new Set(wanted.map(({ id }) => id));
  const faults = unreadable.filter(({ id }) => ids.has(id));
  await quarantine(context, folder, faults);
  const { refused } = await writeMessages(db, organization, {
    mailboxId: mailbox.id,
    leaseToken,
    folder,
    scanNos,
    scanId,
    messages: wanted,
    removed: [],
    suspicious: true,
  });
  if (refused.length > 0) context.quarantine.occupied = true;
  await release(context, wanted, [...faults, ...refused]);
  context.onPage(wanted.length);
  noteToMark(live, wanted, stored);
}

/** Messages lie in a folder that the session does not want: those that are stored move there. */
async function moveStored({ context }: LiveReading, folder: StoredFolder, { messages, stored }: Lying): Promise<void> {
  const ids = messages.map(({ id }) => id).filter((id) => hasMoved(stored.get(id), folder));
  if (ids.length === 0) return;
  const { db, organization, mailbox, leaseToken, scanId } = context;
  await moveEmails(db, organization, { mailboxId: mailbox.id, leaseToken, scanId, folder, ids });
}

const hasMoved = (known: StoredMessage | undefined, folder: StoredFolder): boolean =>
  known !== undefined && (known.deleted || known.folderId !== folder.id);

async function deleteStored(
  { context }: LiveReading,
  ids: readonly string[],
  stored: ReadonlyMap<string, StoredMessage>,
): Promise<void> {
  const gone = ids.filter((id) => stored.get(id)?.deleted === false);
  if (gone.length === 0) return;
  const { db, organization, mailbox, leaseToken, scanId } = context;
  await markDeleted(db, organization, { mailboxId: mailbox.id, leaseToken, scanId, ids: gone });
}
