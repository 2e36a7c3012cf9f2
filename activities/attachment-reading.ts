import type { GraphError } from '../graph/errors.ts';
import { lackingAttachments, wantSeenAttachments, type LackingMessage } from '../store/attachment-reads.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { Destination } from '../store/destinations.ts';
import { waitingAmong } from '../store/owing.ts';
import { AttachmentFetcher } from './attachment-fetching.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';
import { attendWaiting } from './releasing.ts';

export interface AttachmentReading {
  readonly context: ReadingContext;
  readonly blobs: BlobStore;
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
  /** Scans that want all attachments of what they have seen. */
  readonly wantedBy?: readonly number[];
}

/** Messages looked up at a time. */
const STRETCH = 100;
/** Messages whose attachments are asked for or being stored: enough to have the mailbox's requests never wait for the disk. */
const MESSAGES_AT_ONCE = 12;
/** Messages looked at in one go, of all that a scan may have seen. */
const SEEN_STRETCH = 2_000;

/**
 * Lists and fetches the attachments for which messages of the mailbox wait, and those that scans want, and releases what
 * waited for them. What Graph cannot give is put into quarantine, one by one; what may pass is left to another attempt,
 * after all others.
 *
 * It can be interrupted anywhere: bytes are stored before a row says so, and a message that still waits although all its
 * attachments are known is released by whoever looks next.
 * @throws {GraphError} of a kind that another attempt may mend
 * @throws {BlobsUnavailable} nothing more can be stored now
 */
export async function readAttachments(reading: AttachmentReading): Promise<FolderEnd> {
  const { context, blobs, givesUp, wantedBy = [] } = reading;
  const { db, organization, mailbox } = context;
  await attendWaiting(context);
  if (wantedBy.length > 0) await wantSeen(reading, wantedBy);
  const failing = new AbortController();
  const signal = AbortSignal.any([context.signal, failing.signal]);
  const fetcher = new AttachmentFetcher({ ...context, blobs, givesUp, signal });
  const running = new Set<Promise<void>>();
  const begin = async (message: LackingMessage, takers: readonly Destination[] | undefined): Promise<void> => {
    const work = fetcher.fetch(message, takers).catch((error: unknown) => failing.abort(error));
    const ended = work.finally(() => running.delete(ended));
    running.add(ended);
    if (running.size >= MESSAGES_AT_ONCE) await Promise.race(running);
  };
  try {
    for (let after = 0; ;) {
      const lacking = await lackingAttachments(db, organization, { mailboxId: mailbox.id, after, limit: STRETCH });
      const last = lacking.at(-1);
      if (!last) break;
      after = last.emailNo;
      const takersOf = await takersOfEach(context, lacking, wantedBy.length > 0);
      for (const message of lacking) {
        if (signal.aborted || context.timeIsUp()) break;
        await begin(message, takersOf(message));
      }
      if (signal.aborted || context.timeIsUp()) break;
    }
  } finally {
    await Promise.all(running);
  }
  signal.throwIfAborted();
  if (context.timeIsUp()) return 'unfinished';
  if (fetcher.failure) throw fetcher.failure;
  return 'finished';
}

/** The attachments of all messages that these scans have seen in the mailbox are wanted. */
async function wantSeen({ context }: AttachmentReading, scanNos: readonly number[]): Promise<void> {
  const { db, organization, mailbox, leaseToken } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  for (let after: string | null = ''; after !== null;) {
    ({ after } = await wantSeenAttachments(db, organization, { ...held, scanNos, after, limit: SEEN_STRETCH }));
  }
}

/**
 * Who needs what of messages: the destinations for which each waits. Of one that waits for none, or for one that was made
 * a moment ago, everything is wanted.
 */
async function takersOfEach(
  { db, organization, outbox }: ReadingContext,
  lacking: readonly LackingMessage[],
  all: boolean,
): Promise<(message: LackingMessage) => readonly Destination[] | undefined> {
  if (all) return () => undefined;
  const [waiting, destinations] = await Promise.all([
    waitingAmong(
      db,
      organization,
      lacking.map(({ emailNo }) => emailNo),
    ),
    outbox.destinations(),
  ]);
  const byNo = new Map(destinations.map((destination) => [destination.destinationNo, destination]));
  const takers = new Map(
    waiting
      .filter(({ destinationNos }) => destinationNos.every((no) => byNo.has(no)))
      .map(({ emailNo, destinationNos }) => [emailNo, destinationNos.flatMap((no) => byNo.get(no) ?? [])]),
  );
  return ({ emailNo, everything }) => (everything ? undefined : takers.get(emailNo));
}
