import type { MessagesPage } from '../graph/graph.ts';
import { changeKeyOf, isBare, isPartial } from '../model/email.ts';
import type { GraphMessage } from '../model/mail.ts';
import { storableText } from '../model/text.ts';
import { changeKeysOf } from '../store/email-lookup.ts';
import type { UnreadableMessage } from '../store/quarantine.ts';
import type { FolderToRead, ReadingContext } from './folder-reader.ts';
import { readByIds } from './reading-by-id.ts';

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
  const partial = page.messages.filter(isPartial);
  if (partial.length === 0) return { ...page, unreadable: [] };
  const { db, organization, mailbox } = context;
  const stored = await changeKeysOf(db, organization, { mailboxId: mailbox.id, ids: partial.map(({ id }) => id) });
  const wanted = new Set(partial.filter((message) => !isKnown(message, stored)).map(({ id }) => id));
  const found = await readByIds(context, folder, [...wanted]);
  return {
    ...page,
    messages: page.messages.flatMap((message) => {
      if (wanted.has(message.id)) return found.messages.get(message.id) ?? [];
      return isBare(message) ? { id: message.id, changeKey: changeKeyOf(message) } : message;
    }),
    unreadable: found.unreadable,
    bytes: page.bytes + found.bytes,
    suspicious: page.suspicious || wanted.size > 0,
  };
}

/** Whether a partial record and what is stored make up the message. */
function isKnown(message: GraphMessage, stored: ReadonlyMap<string, string | null>): boolean {
  const changeKey = stored.get(storableText(message.id));
  if (changeKey == null) return false;
  return !isBare(message) || changeKeyOf(message) === changeKey;
}
