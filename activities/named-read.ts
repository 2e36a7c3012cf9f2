import { chooseFolders, parseFolders } from '../model/folders.ts';
import type { GraphMessage } from '../model/mail.ts';
import { lookUpNamed, type StoredFolder, type StoredMessage } from '../store/named-messages.ts';
import { markDeleted, moveEmails } from '../store/settlement.ts';
import { noteToMark, seenBy, type LiveReading } from './live-reading.ts';
import { byFolderId, meetFolders } from './meeting-folders.ts';
import { storeFound } from './quarantine.ts';
import { readByIds, type FoundMessages } from './reading-by-id.ts';

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
  /** What Graph says of all messages named. */
  readonly found: FoundMessages;
  /** By id, what is stored of them. */
  readonly stored: ReadonlyMap<string, StoredMessage>;
}

/**
 * Reads messages by id and stores each in the folder in which it lies, where the session wants that folder and it was read
 * before. A stored message that lies elsewhere by now follows there; one that Graph does not have any more is deleted.
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
  const byFolder = byFolderId([...found.messages.values()]);
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
  const unknown = [...byFolder.keys()].filter((id) => !folders.has(id));
  if (seesAll && !planned) for (const folderId of unknown) needRound(byFolder.get(folderId) ?? []);
  else for (const [id, folder] of await meetFolders(context, unknown)) folders.set(id, folder);
  const wanted = new Set(chooseFolders(selectors, [...folders.values()]).folders.map(({ id }) => id));
  for (const [folderId, messages] of byFolder) {
    const folder = folders.get(folderId);
    if (!folder) continue;
    const lying = { messages, found, stored };
    if (!wanted.has(folderId)) await follow(live, folder, lying);
    else if (folder.read) await store(live, folder, lying);
    else needRound(messages);
  }
  const missing = found.unreadable.filter(({ httpStatus }) => httpStatus === 404).map(({ id }) => id);
  await deleteStored(live, missing, stored);
  return { missing: new Set(missing.filter((id) => !stored.has(id))), forRound };
}

async function store(live: LiveReading, folder: StoredFolder, lying: Lying): Promise<void> {
  const { messages, stored } = lying;
  const wanted = messages.filter((message) => stored.has(message.id) || live.wants(message));
  await write(live, folder, { ...lying, messages: wanted }, live.context.scanNos);
  noteToMark(live, wanted, stored);
}

/** Messages lie in a folder that the session does not want: those that are stored follow there, and it does not see them. */
async function follow(live: LiveReading, folder: StoredFolder, lying: Lying): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanId } = live.context;
  const known = lying.messages.filter(({ id }) => lying.stored.has(id));
  const ids = known.map(({ id }) => id).filter((id) => hasMoved(lying.stored.get(id), folder));
  if (ids.length > 0) {
    await moveEmails(db, organization, { mailboxId: mailbox.id, leaseToken, scanId, folder, ids });
  }
  await write(live, folder, { ...lying, messages: known }, []);
}

async function write(
  { context }: LiveReading,
  folder: StoredFolder,
  { messages, found }: Lying,
  scanNos: readonly number[],
): Promise<void> {
  if (messages.length === 0) return;
  await storeFound(context, folder, { ids: messages.map(({ id }) => id), found, scanNos });
  context.onPage(messages.length);
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
