import type { GraphMessage } from '../model/mail.ts';
import { GraphError, mayBeContent } from './errors.ts';
import type { MailboxClient } from './mailbox.ts';
import { readMessage } from './messages.ts';

/** A member of a message that Graph does not give. */
export interface UnreadableMember {
  readonly member: string;
  /** Graph's code for it, or one of ours such as `BodyTooLarge` and `Timeout`. */
  readonly code: string;
  readonly status?: number;
  readonly requestId?: string;
}

/** A message as far as Graph gives it. */
export interface PiecemealMessage {
  /** The members that could be read; of a message of which nothing can be read, the id alone. */
  readonly message: GraphMessage;
  /** Empty when all of it could be read after all. */
  readonly unreadable: readonly UnreadableMember[];
}

/**
 * Reads a message that cannot be read whole: all members that are wanted first, then none but the id, and then the halves of them, down
 * to the single ones that do it. A message of 29 members of which one is bad takes about ten requests.
 *
 * Where not even the id comes, the message is given up as a whole if Graph says that the item is at fault. If it does
 * not, nothing tells a bad message from a bad hour of Graph, and the error is thrown.
 * @throws GraphError of the mailbox or the connection (`throttled`, `mailbox_busy`, `unavailable`, ...), or as above
 */
export async function readPiecemeal(
  mailbox: MailboxClient,
  id: string,
  select: readonly string[],
  signal: AbortSignal,
): Promise<PiecemealMessage | 'missing'> {
  const members = select.filter((member) => member !== 'id');
  const message: GraphMessage = { id };
  const unreadable: UnreadableMember[] = [];
  const whole = [...members];
  const halvesOf = (group: string[]): string[][] => {
    const half = Math.ceil(group.length / 2);
    return [group.slice(0, half), group.slice(half)];
  };
  const queue: string[][] = [whole];
  for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
    try {
      const part = await readMessage(mailbox, id, ['id', ...group], signal);
      if (part === undefined) return 'missing';
      Object.assign(message, part);
    } catch (error) {
      if (!(error instanceof GraphError) || !concernsMessage(error)) throw error;
      const [member] = group;
      if (group === whole) queue.push([], ...halvesOf(group));
      else if (group.length > 1) queue.unshift(...halvesOf(group));
      else if (member !== undefined) unreadable.push(asUnreadable(member, error));
      else if (error.retryable) throw error;
      else return { message, unreadable: members.map((each) => asUnreadable(each, error)) };
    }
  }
  return { message, unreadable };
}

/** A 400 counts too: there are items for which Graph answers so whatever is asked. */
const concernsMessage = (error: GraphError): boolean => mayBeContent(error) || error.kind === 'bad_request';

function asUnreadable(member: string, { code, status, requestId }: GraphError): UnreadableMember {
  return { member, code, ...(status !== undefined && { status }), ...(requestId !== undefined && { requestId }) };
}
