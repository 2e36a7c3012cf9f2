import { GraphError, exchangeError, mayBeContent } from '../graph/errors.ts';
import type { GraphMailbox } from '../graph/graph.ts';
import { membersOf, type Content } from '../model/content.ts';
import type { GraphMessage } from '../model/mail.ts';
import { PAGE_BYTES } from '../model/page-size.ts';
import { NOT_FOUND, type UnreadableMessage } from '../store/quarantine.ts';

export interface MailboxReader {
  readonly mailbox: GraphMailbox;
  readonly signal: AbortSignal;
  /** What is kept of messages. */
  readonly content: Content;
}

/** What became of messages that were asked for by id. */
export interface FoundMessages {
  /** Those that are there, whole or as far as they can be read, by id. */
  readonly messages: ReadonlyMap<string, GraphMessage>;
  /** Those that cannot be read wholly, and those that are not there. */
  readonly unreadable: readonly UnreadableMessage[];
  readonly bytes: number;
}

/** Messages asked for at a time, and how many bytes of them may come together before fewer are asked for. */
const STRETCH = 30;
const MOST_BYTES = 4 * PAGE_BYTES;

/**
 * Reads messages of a folder by id. One that cannot be read is read member by member, as far as it goes, and does not
 * hold up the others.
 * @throws {GraphError} `body_too_large` where several messages are too much to be held at once; otherwise of a kind that
 * concerns the mailbox or the connection, not one message
 */
export async function readByIds(
  reader: MailboxReader,
  folder: { readonly id: string },
  wanted: readonly string[],
): Promise<FoundMessages> {
  const messages = new Map<string, GraphMessage>();
  const unreadable: UnreadableMessage[] = [];
  const select = membersOf(reader.content);
  let bytes = 0;
  const ids = [...new Set(wanted)];
  for (let at = 0; at < ids.length; at += STRETCH) {
    const stretch = ids.slice(at, at + STRETCH);
    const answers = await reader.mailbox.messagesById(stretch, { select }, reader.signal);
    for (const [id, answer] of answers) {
      const { message, fault } =
        answer === 'missing'
          ? { message: undefined, fault: notFound(id) }
          : answer instanceof GraphError
            ? await readInParts(reader, folder, id, answer)
            : { message: answer, fault: undefined };
      if (message) messages.set(id, message);
      if (fault) unreadable.push(fault);
      bytes += message ? JSON.stringify(message).length : 0;
    }
    if (bytes > MOST_BYTES && at + STRETCH < ids.length) {
      throw exchangeError('BodyTooLarge', `The messages of a page are larger than ${MOST_BYTES} bytes`);
    }
  }
  return { messages, unreadable, bytes };
}

interface Piece {
  readonly message: GraphMessage | undefined;
  readonly fault: UnreadableMessage | undefined;
}

async function readInParts(
  reader: MailboxReader,
  folder: { readonly id: string },
  id: string,
  error: GraphError,
): Promise<Piece> {
  if (!concernsMessage(error)) throw error;
  const select = membersOf(reader.content);
  let piecemeal: Awaited<ReturnType<GraphMailbox['messagePiecemeal']>>;
  try {
    piecemeal = await reader.mailbox.messagePiecemeal(id, { select }, reader.signal);
  } catch (cause) {
    // Not even the id of this one came. Where Graph answers for its folder it is the message's fault, not Graph's.
    if (!(cause instanceof GraphError) || !mayBeContent(cause) || !(await answersFor(reader, folder))) throw cause;
    return { message: undefined, fault: asUnreadable(id, cause, select, false) };
  }
  if (piecemeal === 'missing') return { message: undefined, fault: notFound(id) };
  const { message, unreadable } = piecemeal;
  const [first] = unreadable;
  if (!first) return { message, fault: undefined };
  const members = unreadable.map(({ member }) => member);
  const known = Object.keys(message).some((member) => member !== 'id' && !member.startsWith('@'));
  return {
    message: known ? withoutVersion(message) : undefined,
    fault: asUnreadable(id, first, members, known),
  };
}

/** Without its version a row never passes for the whole message: whatever comes later replaces it. */
function withoutVersion(message: GraphMessage): GraphMessage {
  const { '@odata.etag': _, ...rest } = message;
  return { ...rest, id: message.id, changeKey: null };
}

const concernsMessage = (error: GraphError): boolean => mayBeContent(error) || error.kind === 'bad_request';

const notFound = (id: string): UnreadableMessage => ({
  id,
  cause: NOT_FOUND,
  httpStatus: 404,
  unreadable: [],
  stored: false,
});

const asUnreadable = (
  id: string,
  {
    code,
    status,
    requestId,
  }: Pick<GraphError, 'code'> & { status?: number | undefined; requestId?: string | undefined },
  unreadable: readonly string[],
  stored: boolean,
): UnreadableMessage => ({ id, cause: code, httpStatus: status, requestId, unreadable, stored });

/**
 * Whether Graph answers a small question about a folder: then what failed beside it failed because of what was asked
 * for. A failure that everything meets says nothing about a message.
 */
export async function answersFor(
  { mailbox, signal }: Pick<MailboxReader, 'mailbox' | 'signal'>,
  folder: { readonly id: string },
): Promise<boolean> {
  try {
    return (await mailbox.folder(folder.id, signal)) !== undefined;
  } catch (error) {
    if (error instanceof GraphError) return false;
    throw error;
  }
}
