import { GraphError, mayBeContent } from '../graph/errors.ts';
import { membersOf } from '../model/content.ts';
import { isPartial } from '../model/email.ts';
import type { GraphMessage } from '../model/mail.ts';
import type { MailboxReader } from './reading-by-id.ts';

/** Fewer messages than this are read by id. */
const WORTH_A_PAGE = 10;

/** A message that is known to be there, and when it was received. */
export interface WantedMessage {
  readonly id: string;
  /** ISO 8601; absent where Graph did not say. */
  readonly received: string | undefined;
}

/**
 * Reads messages of which only ids are known in pages, as far as they lie together in time: a list of the folder within
 * the window from the first to the last of them. That is one request for hundreds of messages, where by id it would be one
 * for each, and Graph allows 10,000 in ten minutes. A window that fails, because one of its messages cannot be read, is halved, down to a few messages.
 *
 * This is for speed only. What does not come has to be asked for by id.
 * @throws {GraphError} of a kind that does not concern what is asked for
 */
export async function readInWindows(
  { mailbox, signal, content }: MailboxReader,
  folder: { readonly id: string },
  wanted: readonly WantedMessage[],
  largestPage: number,
): Promise<{ readonly messages: Map<string, GraphMessage>; readonly bytes: number }> {
  const ids = new Set(wanted.map(({ id }) => id));
  const messages = new Map<string, GraphMessage>();
  let bytes = 0;
  const windows = [dated(wanted)];
  for (let window = windows.pop(); window !== undefined; window = windows.pop()) {
    const [first, last] = [window[0], window.at(-1)];
    if (!first || !last || window.length < WORTH_A_PAGE) continue;
    try {
      const page = await mailbox.messages(
        {
          folderId: folder.id,
          mode: 'list',
          pageSize: Math.min(window.length * 2, largestPage),
          select: membersOf(content),
          since: first.received,
          until: new Date(Date.parse(last.received) + 1000).toISOString(),
        },
        signal,
      );
      bytes += page.bytes;
      for (const message of page.messages) {
        if (ids.has(message.id) && !isPartial(message, content)) messages.set(message.id, message);
      }
    } catch (error) {
      if (!(error instanceof GraphError) || !mayBeContent(error)) throw error;
      const half = Math.ceil(window.length / 2);
      windows.push(window.slice(half), window.slice(0, half));
    }
  }
  return { messages, bytes };
}

/** Those whose time is known, in its order. */
const dated = (wanted: readonly WantedMessage[]): { id: string; received: string }[] =>
  wanted
    .flatMap(({ id, received }) =>
      received === undefined || Number.isNaN(Date.parse(received)) ? [] : [{ id, received }],
    )
    .sort((a, b) => Date.parse(a.received) - Date.parse(b.received));
