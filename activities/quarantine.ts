import { moreOf } from '../model/content.ts';
import { isBounded } from '../model/time-window.ts';
import {
  notFoundBy,
  quarantineMessages,
  resolveMessages,
  resolveUnnamed,
  retriesDue,
  type QuarantinedMessage,
  type UnreadableMessage,
} from '../store/quarantine.ts';
import { messagesOf, type FolderMessages } from '../store/pages.ts';
import { markDeleted } from '../store/settlement.ts';
import type { ReadingContext } from './folder-reader.ts';
import { storeMessages } from './storing.ts';
import { readByIds, type FoundMessages } from './reading-by-id.ts';

/** Whether the mailbox has messages in quarantine: as long as it has none, pages need not look there. */
export interface QuarantineState {
  occupied: boolean;
}

/** Messages tried again at a time. */
const STRETCH = 30;

/** Puts messages of a folder into quarantine; before the page that named them is stored, so that none is passed over. */
export async function quarantine(
  { db, organization, mailbox, leaseToken, quarantine: state, ...context }: ReadingContext,
  folder: { readonly id: string },
  messages: readonly UnreadableMessage[],
  scanNos = context.scanNos,
): Promise<void> {
  if (messages.length === 0) return;
  state.occupied = true;
  const held = { mailboxId: mailbox.id, leaseToken };
  await quarantineMessages(db, organization, { ...held, folder, scanNo: scanNos[0] ?? null, messages });
}

/** Messages that were stored whole leave the quarantine, should they be in it; `except` were not. */
export async function release(
  { db, organization, mailbox, leaseToken, quarantine: state }: ReadingContext,
  stored: Pick<FolderMessages, 'messages' | 'held'>,
  except: readonly { readonly id: string }[],
): Promise<void> {
  if (!state.occupied) return;
  const kept = new Set(except.map(({ id }) => id));
  const ids = messagesOf(stored)
    .map(({ id }) => id)
    .filter((id) => !kept.has(id));
  if (ids.length === 0) return;
  await resolveMessages(db, organization, { mailboxId: mailbox.id, leaseToken, ids, resolution: 'stored' });
}

/** After a round from nothing: what it did not have to step over any more leaves the quarantine. */
export async function releaseUnnamed(
  context: ReadingContext,
  folder: { readonly id: string },
  { startedAt }: { readonly startedAt: string },
): Promise<void> {
  const { db, organization, mailbox, leaseToken, quarantine: state } = context;
  if (!state.occupied || isBounded(context)) return;
  await resolveUnnamed(db, organization, { mailboxId: mailbox.id, leaseToken, folder, since: startedAt });
}

/**
 * Stores messages of one folder that were read by id, those with these ids. What could not be read wholly is put into
 * quarantine first; what is stored whole leaves it.
 * @param scanNos the scans that see the messages
 * @returns the ids of those that the database refuses; they are in quarantine now
 */
export async function storeFound(
  context: ReadingContext,
  folder: { readonly id: string; readonly path: string },
  { ids, found, scanNos }: { ids: readonly string[]; found: FoundMessages; scanNos: readonly number[] },
): Promise<ReadonlySet<string>> {
  const { quarantine: state } = context;
  const asked = new Set(ids);
  const faults = found.unreadable.filter(({ id }) => asked.has(id));
  await quarantine(context, folder, faults);
  const messages = ids.flatMap((id) => found.messages.get(id) ?? []);
  const { refused } = await storeMessages(context, { folder, scanNos, messages, removed: [], suspicious: true });
  if (refused.length > 0) state.occupied = true;
  await release(context, { messages }, [...faults, ...refused]);
  return new Set(refused.map(({ id }) => id));
}

/**
 * Tries again what someone has asked for, and what lies in quarantine from the folders given and was not tried for these
 * scans yet.
 */
export async function retryQuarantined(
  context: ReadingContext,
  folders: readonly { readonly id: string }[],
): Promise<void> {
  const { db, organization, mailbox, scanNos } = context;
  const folderIds = folders.map(({ id }) => id);
  await tryAll(context, folderIds, () =>
    retriesDue(db, organization, { mailboxId: mailbox.id, folderIds, scanNos, limit: STRETCH }),
  );
}

/**
 * Looks once more for messages that a page named and that were not there a moment later. What is still not there was
 * moved or deleted in between.
 */
export async function lookAgain(context: ReadingContext, folders: readonly { readonly id: string }[]): Promise<void> {
  const { db, organization, mailbox, scanNos } = context;
  await tryAll(
    context,
    folders.map(({ id }) => id),
    () => notFoundBy(db, organization, { mailboxId: mailbox.id, scanNos, limit: STRETCH }),
  );
}

async function tryAll(
  context: ReadingContext,
  folderIds: readonly string[],
  next: () => Promise<QuarantinedMessage[]>,
): Promise<void> {
  if (!context.quarantine.occupied) return;
  for (let due = await next(); due.length > 0; due = await next()) {
    for (const [folder, messages] of byFolder(due)) {
      const content = moreOf(context.content, messages[0]?.content ?? 'headers');
      await tryAgain({ ...context, content }, folder, messages, folderIds.includes(folder.id) ? context.scanNos : []);
    }
    if (context.timeIsUp()) return;
  }
}

function byFolder(messages: readonly QuarantinedMessage[]): Map<QuarantinedMessage['folder'], QuarantinedMessage[]> {
  const folders = new Map<string, [QuarantinedMessage['folder'], QuarantinedMessage[]]>();
  for (const message of messages) {
    const known = folders.get(message.folder.id);
    if (known) known[1].push(message);
    else folders.set(message.folder.id, [message.folder, [message]]);
  }
  return new Map(folders.values());
}

/** @param scanNos the scans that see the messages */
async function tryAgain(
  context: ReadingContext,
  folder: QuarantinedMessage['folder'],
  due: readonly QuarantinedMessage[],
  scanNos: readonly number[],
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanId } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const found = await readByIds(
    context,
    folder,
    due.map(({ id }) => id),
  );
  const gone = found.unreadable.filter(({ httpStatus }) => httpStatus === 404).map(({ id }) => id);
  const still = found.unreadable.filter(({ httpStatus }) => httpStatus !== 404);
  await quarantine(context, folder, still, scanNos);
  const messages = [...found.messages.values()];
  if (messages.length > 0) {
    const written = await storeMessages(context, {
      folder,
      scanNos,
      messages,
      // Whatever lies elsewhere by now is moved there by settlement.
      removed: messages
        .filter(({ parentFolderId }) => parentFolderId !== undefined && parentFolderId !== folder.id)
        .map(({ id }) => ({ id, reason: 'changed' })),
      suspicious: true,
    });
    await release(context, { messages }, [...still, ...written.refused]);
  }
  if (gone.length > 0) {
    await markDeleted(db, organization, { ...held, scanId, ids: gone });
    await resolveMessages(db, organization, { ...held, ids: gone, resolution: 'gone' });
  }
}
