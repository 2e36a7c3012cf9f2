import type { GraphError } from '../graph/errors.ts';
import { lackingAttachments, wantSeenAttachments, type LackingMessage } from '../store/attachment-reads.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { Destination } from '../store/destinations.ts';
import { waitingAmong } from '../store/owing.ts';
import { AttachmentFetcher } from './attachment-fetching.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';
import { attendWaiting } from './releasing.ts';

export interface AttachmentReadingOptions {
  readonly context: ReadingContext;
  readonly blobs: BlobStore;
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
}

/** Messages by the numbers of their rows: those after the first, up to the second. */
export interface Stretch {
  readonly after?: number;
  readonly until?: number;
}

interface Lacking {
  readonly message: LackingMessage;
  readonly takers: readonly Destination[] | undefined;
}

/** Messages looked up at a time. */
const LOOKED_UP = 100;
/** Messages that are being listed or stored: enough to have the mailbox's requests never wait for the disk. */
const MESSAGES_AT_ONCE = 48;
/** Messages looked at in one go, of all that a scan may have seen. */
const SEEN_STRETCH = 2_000;

/**
 * Lists and fetches the attachments for which messages of the mailbox wait, and those that scans want, and releases what
 * waited for them. What Graph cannot give is put into quarantine, one by one; what may pass is left to another attempt.
 *
 * It can be interrupted anywhere: bytes are stored before a row says so, and a message that still waits although all its
 * attachments are known is released by whoever looks next.
 */
export class AttachmentReading {
  readonly #context: ReadingContext;
  readonly #fetcher: AttachmentFetcher;

  constructor({ context, ...rest }: AttachmentReadingOptions) {
    this.#context = context;
    this.#fetcher = new AttachmentFetcher({ ...context, ...rest });
  }

  /**
   * Begins with what a stretch of the mailbox's messages lacks. Resolves when all their attachments are listed; or time is
   * up, or something has failed, which `end` tells.
   */
  async begin(stretch: Stretch = {}): Promise<void> {
    await this.#begin(stretch).catch((error: unknown) => this.#fetcher.fail(error));
  }

  async #begin({ after = 0, until = Infinity }: Stretch): Promise<void> {
    await attendWaiting(this.#context, { after, until });
    const lacking = this.#lacking({ after, until });
    const fetchInTurn = async (): Promise<void> => {
      for await (const { message, takers } of lacking) await this.#fetcher.fetch(message, takers);
    };
    await Promise.all(Array.from({ length: MESSAGES_AT_ONCE }, fetchInTurn));
  }

  /** What messages lack, each once, whoever asks: the next are looked up while those before are being fetched. */
  async *#lacking({ after, until }: Required<Stretch>): AsyncGenerator<Lacking> {
    const { db, organization, mailbox } = this.#context;
    for (let last = after; last < until;) {
      const page = { mailboxId: mailbox.id, after: last, limit: LOOKED_UP };
      const lacking = await lackingAttachments(db, organization, page);
      last = lacking.at(-1)?.emailNo ?? Infinity;
      const own = lacking.filter(({ emailNo }) => emailNo <= until);
      const takersOf = await takersOfEach(this.#context, own);
      for (const message of own) {
        if (this.#fetcher.isOver()) return;
        yield { message, takers: takersOf(message) };
      }
      if (this.#fetcher.isOver()) return;
    }
  }

  /**
   * Waits for all that was begun.
   * @returns `unfinished`: time was up
   * @throws {GraphError} of a kind that another attempt may mend
   * @throws {BlobsUnavailable} nothing more can be stored now
   */
  end(): Promise<FolderEnd> {
    return this.#fetcher.end();
  }
}

/** The attachments of all messages that these scans have seen in the mailbox are wanted. */
export async function wantSeen(
  { db, organization, mailbox, leaseToken }: ReadingContext,
  scanNos: readonly number[],
): Promise<void> {
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
): Promise<(message: LackingMessage) => readonly Destination[] | undefined> {
  if (lacking.every(({ everything }) => everything)) return () => undefined;
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
