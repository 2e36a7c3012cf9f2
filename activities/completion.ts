import { GraphError } from '../graph/errors.ts';
import { isPartial } from '../model/email.ts';
import { MESSAGE_MEMBERS, type GraphMessage } from '../model/mail.ts';
import { emailsById } from '../store/email-lookup.ts';
import type { ReadingContext } from './folder-reader.ts';

/**
 * A delta may say of a message only what changed. Where the message is stored that is merged into it; where it is not,
 * the rest would be lost, so it is read by id before the page is written.
 */
export async function completed(
  { db, organization, mailbox, signal }: ReadingContext,
  messages: readonly GraphMessage[],
): Promise<readonly GraphMessage[]> {
  const partial = messages.filter(isPartial).map(({ id }) => id);
  if (partial.length === 0) return messages;
  const stored = await emailsById(db, organization, { mailboxId: mailbox.id, ids: partial });
  const known = new Set(stored.map(({ id }) => id));
  const strange = partial.filter((id) => !known.has(id));
  if (strange.length === 0) return messages;
  const answers = await mailbox.messagesById(strange, { select: MESSAGE_MEMBERS }, signal);
  return messages.map((message) => {
    const answer = answers.get(message.id);
    return answer === undefined || answer === 'missing' || answer instanceof GraphError ? message : answer;
  });
}
