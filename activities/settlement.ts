import { GraphError } from '../graph/errors.ts';
import type { FoundMessage } from '../graph/graph.ts';
import { changeKeyOf } from '../model/email.ts';
import { keepsBodies, moreOf } from '../model/content.ts';
import type { GraphMessage } from '../model/mail.ts';
import { isBounded } from '../model/time-window.ts';
import type { StoredFolder } from '../store/named-messages.ts';
import { markDeleted, moveEmails, noteVanished, unsettledEmails, type UnsettledEmail } from '../store/settlement.ts';
import type { ReadingContext } from './folder-reader.ts';
import { byFolderId, meetFolders } from './meeting-folders.ts';
import { storeFound } from './quarantine.ts';
import { readByIds, type FoundMessages } from './reading-by-id.ts';

/** Messages asked about between two writes. */
const STRETCH = 200;
/** Messages read whole between two writes. */
const WHOLE_AT_A_TIME = 30;
/** Where a message lies, and in which version. */
const WHEREABOUTS = ['id', 'changeKey', 'parentFolderId'];

/**
 * After the round of all folders: what a delta said to be removed, and what a read from nothing no longer saw, is asked
 * for by id. Graph says `@removed` for a move as well as for a deletion, and of a message that left and came back nothing
 * else, so nothing is taken for deleted before it has answered 404, and what is there in another version than stored is
 * read whole: with its body where that is stored, or is to be kept. A message that cannot be asked about stays unsettled for the next read.
 * @param readBefore whether a folder may have been read before these scans read it; else nothing can have vanished from it
 */
export async function settleMailbox(
  context: ReadingContext,
  { readBefore }: { readonly readBefore: boolean },
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos, mode, since, until } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const [scanNo] = scanNos;
  // A window of time is listed, from nothing, whatever the mode.
  const fromNothing = mode === 'full' || isBounded(context);
  if (scanNo !== undefined && fromNothing && readBefore) {
    await noteVanished(db, organization, { ...held, scanNo, since, until });
  }
  for (let after = 0; ;) {
    const unsettled = await unsettledEmails(db, organization, { mailboxId: mailbox.id, after, limit: STRETCH });
    const last = unsettled.at(-1);
    if (!last) return;
    after = last.no;
    await settle(context, unsettled);
  }
}

async function settle(context: ReadingContext, unsettled: readonly UnsettledEmail[]): Promise<void> {
  const { mailbox, signal } = context;
  const ids = unsettled.map(({ id }) => id);
  const answers = await mailbox.messagesById(ids, { select: WHEREABOUTS }, signal);
  await settleDeleted(
    context,
    ids.filter((id) => answers.get(id) === 'missing'),
  );
  const there = unsettled.flatMap(({ id, changeKey, content }) => {
    const message = answers.get(id);
    if (!isMessage(message)) return [];
    const wanted = moreOf(context.content, content);
    const lacksBody = keepsBodies(wanted) && !keepsBodies(content);
    return [{ message, wanted, isStale: lacksBody || changeKeyOf(message) !== changeKey }];
  });
  await settleMoved(
    context,
    there.flatMap(({ message, isStale }) => (isStale ? [] : message)),
  );
  for (const content of new Set(there.map(({ wanted }) => wanted))) {
    const stale = there.flatMap(({ message, wanted, isStale }) => (isStale && wanted === content ? message : []));
    for (let at = 0; at < stale.length; at += WHOLE_AT_A_TIME) {
      await settleStale({ ...context, content }, stale.slice(at, at + WHOLE_AT_A_TIME));
    }
  }
}

const isMessage = (answer: FoundMessage | undefined): answer is GraphMessage =>
  answer !== undefined && answer !== 'missing' && !(answer instanceof GraphError);

async function settleDeleted(context: ReadingContext, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const { db, organization, mailbox, leaseToken, scanNos, scanId } = context;
  await markDeleted(db, organization, { mailboxId: mailbox.id, leaseToken, scanNos, scanId, ids });
}

/** Messages that are stored as they are. */
async function settleMoved(context: ReadingContext, messages: readonly GraphMessage[]): Promise<void> {
  for (const [folder, lying] of await byFolder(context, messages)) await moveTo(context, folder, lying);
}

/** Reads messages whole that are stored in another version. Of one that cannot be read the place is known all the same. */
async function settleStale(context: ReadingContext, messages: readonly GraphMessage[]): Promise<void> {
  const found = await readByIds(
    context,
    { id: 'inbox' },
    messages.map(({ id }) => id),
  );
  const missing = new Set(found.unreadable.filter(({ httpStatus }) => httpStatus === 404).map(({ id }) => id));
  await settleDeleted(context, [...missing]);
  const whereabouts = messages.filter(({ id }) => !missing.has(id));
  const latest = whereabouts.map((message) => ({ ...message, ...placeOf(found.messages.get(message.id)) }));
  for (const [folder, lying] of await byFolder(context, latest)) await store(context, folder, lying, found);
}

const placeOf = (message: GraphMessage | undefined): Partial<GraphMessage> =>
  typeof message?.['parentFolderId'] === 'string' ? { parentFolderId: message['parentFolderId'] } : {};

/** Those that lie in one folder. They are settled only when they are written, so that an interruption loses nothing. */
async function store(
  context: ReadingContext,
  folder: StoredFolder,
  lying: readonly GraphMessage[],
  found: FoundMessages,
): Promise<void> {
  await moveTo(context, folder, lying, { stale: true });
  // Who has seen them was noted with the move.
  const refused = await storeFound(context, folder, { ids: lying.map(({ id }) => id), found, scanNos: [] });
  await moveTo(
    context,
    folder,
    lying.filter(({ id }) => refused.has(id) || !found.messages.has(id)),
  );
}

async function moveTo(
  { db, organization, mailbox, leaseToken, scanNos, scanId, since, until }: ReadingContext,
  folder: StoredFolder,
  messages: readonly GraphMessage[],
  { stale = false } = {},
): Promise<void> {
  if (messages.length === 0) return;
  const place = { mailboxId: mailbox.id, leaseToken, folder, since, until };
  await moveEmails(db, organization, { ...place, scanNos, scanId, stale, ids: messages.map(({ id }) => id) });
}

/** By the folders that are still there; messages in another stay unsettled. */
async function byFolder(
  context: ReadingContext,
  messages: readonly GraphMessage[],
): Promise<(readonly [StoredFolder, readonly GraphMessage[]])[]> {
  const lying = byFolderId(messages);
  const folders = await meetFolders(context, [...lying.keys()]);
  return [...lying].flatMap(([id, those]) => {
    const folder = folders.get(id);
    return folder ? [[folder, those] as const] : [];
  });
}
