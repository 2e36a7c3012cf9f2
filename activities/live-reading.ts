import type { GraphError } from '../graph/errors.ts';
import { contentOf } from '../model/content.ts';
import { URGENCY } from '../model/delivery.ts';
import { isPartial } from '../model/email.ts';
import type { GraphMessage } from '../model/mail.ts';
import { isBounded, isWithin } from '../model/time-window.ts';
import { lookUpNamed, type StoredMessage } from '../store/named-messages.ts';
import type { LiveSession } from '../store/live-work.ts';
import type { ReadingContext } from './folder-reader.ts';

/** A mailbox as it is read for a session. */
export interface LiveReading {
  readonly context: ReadingContext;
  readonly session: LiveSession;
  /** Whether the session wants a message that is not stored yet. */
  readonly wants: (message: GraphMessage) => boolean;
  /** Ids of messages to be marked as read once they are stored. */
  readonly toMark: Set<string>;
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
}

/**
 * The mailbox for the session: what is read counts as seen by it. Messages that it does not want are left out, unless
 * they are stored: what is stored follows Graph.
 */
export function liveReading(
  common: ReadingContext,
  session: LiveSession,
  { toMark, givesUp }: Pick<LiveReading, 'toMark' | 'givesUp'>,
): LiveReading {
  const { onlyUnread, filters } = session;
  const wants: LiveReading['wants'] = ({ receivedDateTime, isRead }) =>
    isWithin(filters, receivedDateTime) && !(onlyUnread && isRead === true);
  const choosing = onlyUnread || isBounded(filters) || session.markAsRead;
  const context: ReadingContext = {
    ...common,
    scanNos: [session.scanNo],
    scanId: session.sessionId,
    mode: 'incremental',
    content: contentOf(session.filters),
    urgency: URGENCY.live,
    ...(choosing && { choose: (messages) => chosen(live, messages) }),
  };
  const live: LiveReading = { context, session, wants, toMark, givesUp };
  return live;
}

/** Of a page's messages, those to store; the others are neither wanted nor stored. */
async function chosen(live: LiveReading, messages: readonly GraphMessage[]): Promise<readonly GraphMessage[]> {
  const { context, wants } = live;
  const { db, organization, mailbox } = context;
  // A record of a mere change is of a message that is stored.
  const whole = messages.filter((message) => !isPartial(message, context.content));
  const ids = whole.filter((message) => !wants(message) || isToBeMarked(live, message)).map(({ id }) => id);
  if (ids.length === 0) return messages;
  const known = { mailboxId: mailbox.id, ids, folderIds: [], seenBy: seenBy(live) };
  const { messages: stored } = await lookUpNamed(db, organization, known);
  const leftOut = new Set(whole.filter((one) => !wants(one) && !stored.has(one.id)));
  const kept = messages.filter((message) => !leftOut.has(message));
  noteToMark(
    live,
    whole.filter((message) => !leftOut.has(message)),
    stored,
  );
  return kept;
}

/** Notes which messages are to be marked as read, once they are stored: those that the session has not seen before. */
export function noteToMark(
  live: LiveReading,
  messages: readonly GraphMessage[],
  stored: ReadonlyMap<string, StoredMessage>,
): void {
  for (const message of messages) {
    // Once only: somebody may mark it as unread again.
    if (isToBeMarked(live, message) && !stored.get(message.id)?.seen) live.toMark.add(message.id);
  }
}

/** Whose view matters for marking; undefined where nothing is marked. */
export const seenBy = ({ session }: LiveReading): number | undefined =>
  session.markAsRead ? session.scanNo : undefined;

/** A draft is not read. */
const isToBeMarked = ({ session }: LiveReading, { isRead, isDraft }: GraphMessage): boolean =>
  session.markAsRead && isRead === false && isDraft !== true;
