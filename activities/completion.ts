import type { MessagesPage } from '../graph/graph.ts';
import { changeKeyOf, isBare, isPartial } from '../model/email.ts';
import type { GraphMessage } from '../model/mail.ts';
import { storableText } from '../model/text.ts';
import { changeKeysOf } from '../store/email-lookup.ts';
import type { UnreadableMessage } from '../store/quarantine.ts';
import type { FolderToRead, ReadingContext } from './folder-reader.ts';
import { readByIds, type FoundMessages } from './reading-by-id.ts';
import { readInWindows } from './reading-in-windows.ts';

/** A page of which every message can be stored. */
export interface CompletePage extends MessagesPage {
  /** Messages that the page named and that could not be read wholly. */
  readonly unreadable: readonly UnreadableMessage[];
}

/**
 * Reads by id what a page does not say. A delta may say of a message only what changed: where the message is stored that
 * is merged into it, otherwise the rest would be lost. A page of ids alone says nothing but which messages there are, in
 * which version: those that are stored so are only seen.
 */
export async function completed(
  context: ReadingContext,
  folder: Pick<FolderToRead, 'id'>,
  page: MessagesPage,
): Promise<CompletePage> {
  const partial = page.messages.filter((message) => isPartial(message, context.content));
  if (partial.length === 0) return { ...page, unreadable: [] };
  const { db, organization, mailbox, content } = context;
  const ids = partial.map(({ id }) => id);
  const stored = await changeKeysOf(db, organization, { mailboxId: mailbox.id, ids, content });
  const wanted = new Map(
    partial.flatMap((message) =>
      isKnown(message, stored) ? [] : [[message.id, message['receivedDateTime']] as const],
    ),
  );
  const found = await readWanted(context, folder, wanted);
  const messages = page.messages.flatMap((message) => {
    if (wanted.has(message.id)) return found.messages.get(message.id) ?? [];
    return isBare(message) ? { id: message.id, changeKey: changeKeyOf(message) } : message;
  });
  page.held?.release();
  return {
    ...page,
    // The body does not say all of them.
    held: undefined,
    messages,
    unreadable: found.unreadable,
    bytes: page.bytes + found.bytes,
    suspicious: page.suspicious || wanted.size > 0,
  };
}

/** Reads messages in pages as far as that goes, and the rest by id. */
async function readWanted(
  context: ReadingContext,
  folder: Pick<FolderToRead, 'id'>,
  wanted: ReadonlyMap<string, unknown>,
): Promise<FoundMessages> {
  const dated = [...wanted].map(([id, time]) => ({ id, received: typeof time === 'string' ? time : undefined }));
  const inPages = await readInWindows(context, folder, dated, context.pageLimit.messages);
  const rest = [...wanted.keys()].filter((id) => !inPages.messages.has(id));
  const byId = await readByIds(context, folder, rest);
  return {
    messages: new Map([...inPages.messages, ...byId.messages]),
    unreadable: byId.unreadable,
    bytes: inPages.bytes + byId.bytes,
  };
}

/** Whether a partial record and what is stored make up the message. */
function isKnown(message: GraphMessage, stored: ReadonlyMap<string, string | null>): boolean {
  const changeKey = stored.get(storableText(message.id));
  if (changeKey == null) return false;
  return !isBare(message) || changeKeyOf(message) === changeKey;
}
