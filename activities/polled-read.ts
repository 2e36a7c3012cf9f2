import { isPollId } from '../model/ids.ts';
import type { GraphMessage } from '../model/mail.ts';
import { isBounded } from '../model/time-window.ts';
import { finishWork, liveWork } from '../store/live-work.ts';
import { lookUpNamed } from '../store/named-messages.ts';
import type { Scan } from '../store/scans.ts';
import type { ReadingContext } from './folder-reader.ts';
import { liveReading, noteToMark, seenBy, type LiveReading } from './live-reading.ts';
import { markAsRead } from './marking-as-read.ts';
import { wishOf } from './scan-groups.ts';

/** How long a slice marks messages as read at its end, ms. */
const MARKING_MS = 10_000;

/**
 * Reads for scans; where a poll is among them that somebody has asked of the organization's session, for that as well:
 * the session sees what the poll finds, counts what no notification has told, and marks as read what it is to. A session
 * that leaves messages out sees none of those, which the poll stores all the same, for it is a scan.
 */
export async function readPolled<T>(
  { context, givesUp }: Pick<LiveReading, 'context' | 'givesUp'>,
  scans: readonly Scan[],
  read: (session?: ReadingContext['session']) => Promise<T>,
): Promise<T> {
  const { db, organization, mailbox } = context;
  const poll = scans.find(({ scanId, mode }) => mode === 'incremental' && isPollId(scanId));
  const work = poll && (await liveWork(db, organization, mailbox.id));
  if (!work || wishOf(poll.filters) !== wishOf(work.session.filters)) return read();
  const { session, lastNo } = work;
  const live = liveReading(context, session, { toMark: new Set(), givesUp });
  const count = () => finishWork(db, organization, { session, mailboxId: mailbox.id, lastNo, hintNos: [] });
  try {
    const result = await read({ scanNo: session.scanNo, sees: (messages) => seenOf(live, messages) });
    await markAsRead(live, MARKING_MS);
    await count();
    return result;
  } catch (error) {
    // Interrupted: what has been stored counts, and is new no more.
    await count().catch(() => undefined);
    throw error;
  }
}

/** Of a poll's page, what the session sees. */
async function seenOf(live: LiveReading, messages: readonly GraphMessage[]): Promise<readonly GraphMessage[]> {
  const { context, session, wants } = live;
  const { db, organization, mailbox } = context;
  const wanted = messages.filter(wants);
  const inWindow = isBounded(session.filters);
  if (wanted.length === 0 || (!inWindow && !session.markAsRead)) return wanted;
  const known = { mailboxId: mailbox.id, ids: wanted.map(({ id }) => id), folderIds: [], seenBy: seenBy(live) };
  const { messages: stored } = await lookUpNamed(db, organization, known);
  // A window of time is listed as a whole each time, not what has changed in it.
  const seen = inWindow ? wanted.filter(({ id }) => !stored.has(id)) : wanted;
  noteToMark(live, seen, stored);
  return seen;
}
