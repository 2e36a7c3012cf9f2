import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import type { FoundAttachment } from '../graph/graph.ts';
import { GraphError, mayBeContent } from '../graph/errors.ts';
import { LEFT_OUT, toAttachmentRow, type AttachmentRow } from '../model/attachment.ts';
import { leastBytes } from '../model/attachment-size.ts';
import { mayNeedBytes, needsBytes } from '../model/destination-filters.ts';
import { sniffType } from '../model/sniffing.ts';
import { lackingAttachments, type LackingAttachment, type LackingMessage } from '../store/attachment-reads.ts';
import type { ListedAttachment, SettledAttachment } from '../store/attachments.ts';
import { putBlob } from '../store/blob-rows.ts';
import type { PutResult } from '../store/blobs/blob-store.ts';
import { BlobsUnavailable } from '../store/blobs/errors.ts';
import type { Destination } from '../store/destinations.ts';
import { faultOf } from './attachment-faults.ts';
import { AttachmentWriter, type WritingContext } from './attachment-writer.ts';
import type { Reservation } from './byte-budget.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';

export interface FetchingContext extends WritingContext, Pick<ReadingContext, 'signal' | 'budget' | 'timeIsUp'> {
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
}

/** Requests for attachments of a mailbox at a time: as many as a mailbox may have. */
const REQUESTS_AT_ONCE = 3;
/** Of these, such that may take long: one is left for lists, and for what else is asked of the mailbox. */
const STREAMS_AT_ONCE = 2;
/** What a list takes of the memory until it is there, bytes. */
const GUESS_BYTES = 64 * 1024;
/** Blobs of one message written at a time. */
const PUTS_AT_ONCE = 4;

/**
 * Lists the attachments of messages, and fetches the bytes that somebody wants: small ones come with the list, and large
 * ones hold up no list. What cannot be read is recorded with Graph's code, and keeps nothing else from it.
 */
export class AttachmentFetcher {
  readonly #context: FetchingContext;
  readonly #signal: AbortSignal;
  readonly #failing = new AbortController();
  readonly #writer: AttachmentWriter;
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #streams = pLimit(STREAMS_AT_ONCE);
  readonly #running = new Set<Promise<void>>();
  /** Messages that are being read, or were in vain. */
  readonly #taken = new Set<number>();
  #failure: GraphError | undefined;
  /** Why nothing more can be stored: from then on messages are listed of which nobody needs bytes. */
  #noStore: BlobsUnavailable | undefined;
  #begun = 0;
  #streamed = 0;
  #isCut = false;

  constructor(context: FetchingContext) {
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#failing.signal]);
    this.#writer = new AttachmentWriter(context);
  }

  /** Whether nothing more is begun: time is up, though not before something was; or something has failed for all. */
  isOver(): boolean {
    this.#isCut ||= this.#begun > 0 && this.#context.timeIsUp();
    return this.#isCut || this.#signal.aborted;
  }

  /**
   * Fetches what a message lacks. Resolves when its attachments are listed, and the small ones stored.
   * @param takers the destinations that wait for the message; undefined: all of its attachments are wanted
   */
  fetch(message: LackingMessage, takers: readonly Destination[] | undefined): Promise<void> {
    const { emailNo } = message;
    if (this.#taken.has(emailNo)) return Promise.resolve();
    this.#taken.add(emailNo);
    this.#begun++;
    const listing = message.unlisted ? this.#list(message, takers) : Promise.resolve(message.attachments);
    const whole = listing.then(async (lacking) => {
      const ends = await Promise.allSettled(
        (lacking ?? []).map((one) => this.#streams(() => this.#stream(message, one))),
      );
      for (const one of ends) if (one.status === 'rejected') throw one.reason;
      if (lacking && ends.every((one) => one.status === 'fulfilled' && one.value)) this.#taken.delete(emailNo);
    });
    const running = whole.catch((error: unknown) => this.fail(error)).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return Promise.race([running, listing.then(ignore, ignore)]);
  }

  /** Nothing more is read: `end` throws this. */
  fail(error: unknown): void {
    this.#failing.abort(error);
  }

  /**
   * Waits for all that was begun.
   * @returns `unfinished`: time was up before all was begun
   * @throws {GraphError} of a kind that concerns the mailbox or the connection; or that a later attempt may mend, when all
   * others have been fetched
   * @throws {BlobsUnavailable} no more bytes can be stored now
   */
  async end(): Promise<FolderEnd> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#signal.throwIfAborted();
    if (this.#noStore) throw this.#noStore;
    if (this.#isCut) return 'unfinished';
    if (this.#failure) throw this.#failure;
    return 'finished';
  }

  /**
   * Lists the attachments, and stores those that came with the list.
   * @returns the others that are wanted; undefined: a later attempt may tell
   */
  async #list(
    message: LackingMessage,
    takers: readonly Destination[] | undefined,
  ): Promise<readonly LackingAttachment[] | undefined> {
    const { emailNo, messageId } = message;
    const contents = !takers || takers.some(mayNeedBytes);
    if (contents && this.#noStore) return undefined;
    try {
      const { found, reservation } = await this.#requests(() => this.#readList(messageId, contents));
      try {
        return await this.#save(message, takers, found);
      } finally {
        reservation.release();
      }
    } catch (error) {
      const fault = await this.#unreadable(error);
      if (fault) await this.#writer.write({ emailNo, unlisted: { messageId, ...fault } });
      return fault && [];
    }
  }

  /** @returns those that are wanted, and did not come with the list */
  async #save(
    { emailNo, messageId, draftKey }: LackingMessage,
    takers: readonly Destination[] | undefined,
    found: readonly FoundRow[],
  ): Promise<readonly LackingAttachment[]> {
    const wanted = (row: AttachmentRow): boolean => !takers || takers.some((taker) => needsBytes(taker, known(row)));
    const listed = found.map((one) => ({ ...one, leftOut: leftOut(one.row, wanted) }));
    const toPut = listed.filter(({ leftOut }) => leftOut === undefined);
    const put = pLimit(PUTS_AT_ONCE);
    const settled = await Promise.all(
      toPut.flatMap(({ row, content }) =>
        content ? put(async () => this.#stored(messageId, row.id, await this.#put(Readable.from([content])))) : [],
      ),
    );
    const list = { messageId, attachments: listed.map(asListed), draftKey };
    await this.#writer.write({ emailNo, list, settled });
    return toPut.every(({ content }) => content) ? [] : await this.#stillLacking(messageId);
  }

  /** What was stored when the message was listed before is not fetched again. */
  async #stillLacking(messageId: string): Promise<readonly LackingAttachment[]> {
    const { db, organization, mailbox } = this.#context;
    const one = { mailboxId: mailbox.id, messageIds: [messageId], limit: 1 };
    const [message] = await lackingAttachments(db, organization, one);
    return message?.attachments ?? [];
  }

  /** The memory is asked for within the request's turn: what was read and is not stored yet holds up the next. */
  async #readList(
    messageId: string,
    contents: boolean,
  ): Promise<{ readonly found: FoundRow[]; readonly reservation: Reservation }> {
    const { mailbox, budget } = this.#context;
    const signal = this.#signal;
    const reservation = await budget.reserve(GUESS_BYTES, signal);
    try {
      const ask = (options: { contents: boolean }) => mailbox.attachments(messageId, options, signal);
      const { attachments, bytes, suspicious } = await ask({ contents }).catch((error: unknown) => {
        // One of them may be too much, or broken; without the bytes the others can be told of.
        if (contents && error instanceof GraphError && mayBeContent(error)) return ask({ contents: false });
        throw error;
      });
      reservation.resize(bytes);
      return { found: attachments.map((found) => rowOf(found, suspicious)), reservation };
    } catch (error) {
      reservation.release();
      throw error;
    }
  }

  /** Fetches the bytes of one attachment, however many. @returns whether it is known now what became of it */
  async #stream({ emailNo, messageId }: LackingMessage, attachment: LackingAttachment): Promise<boolean> {
    if (this.#noStore || (this.#streamed > 0 && this.isOver())) return false;
    this.#streamed++;
    const { mailbox } = this.#context;
    const { id } = attachment;
    const wanted = { messageId, attachmentId: id, leastBytes: leastBytes(attachment) };
    try {
      const blob = await this.#requests(() =>
        mailbox.attachmentContent(wanted, (bytes) => this.#put(bytes), this.#signal),
      );
      await this.#writer.write({ emailNo, settled: [await this.#stored(messageId, id, blob)] });
      return true;
    } catch (error) {
      const fault = await this.#unreadable(error);
      if (fault) await this.#writer.write({ emailNo, settled: [{ messageId, id, state: 'quarantined', ...fault }] });
      return fault !== undefined;
    }
  }

  /** Why it cannot be read; undefined: a later attempt may. @throws the error, where it concerns more than this one */
  async #unreadable(
    cause: unknown,
  ): Promise<{ readonly reason: string; readonly requestId: string | undefined } | undefined> {
    const { mailbox, givesUp } = this.#context;
    if (cause instanceof BlobsUnavailable && !this.#signal.aborted) {
      this.#noStore = cause;
      return undefined;
    }
    const { fault, error } = await faultOf(cause, { mailbox, signal: this.#signal }, givesUp);
    if (fault === 'unreadable') return { reason: error.code, requestId: error.requestId };
    this.#failure ??= error;
    return undefined;
  }

  #put(bytes: Readable): Promise<PutResult> {
    const { db, organization, blobs } = this.#context;
    return putBlob(db, organization, blobs, bytes, { signal: this.#signal });
  }

  async #stored(messageId: string, id: string, { head, ...blob }: PutResult): Promise<SettledAttachment> {
    return { messageId, id, state: 'stored', blob, sniffedType: await sniffType(head) };
  }
}

const ignore = (): void => undefined;

interface FoundRow {
  readonly row: AttachmentRow;
  readonly content?: Buffer;
}

/** Content that came cut is none: it is asked for by itself. */
function rowOf({ attachment, content }: FoundAttachment, suspicious: boolean): FoundRow {
  const row = toAttachmentRow(attachment, suspicious);
  return content && content.length >= leastBytes(row) ? { row, content } : { row };
}

const known = ({ content_type: contentType, ...row }: AttachmentRow) => ({
  ...row,
  contentType,
  byteSize: null,
  sniffedType: null,
});

function leftOut(row: AttachmentRow, wanted: (row: AttachmentRow) => boolean): string | undefined {
  if (row.kind === 'reference') return LEFT_OUT.link;
  return wanted(row) ? undefined : LEFT_OUT.unwanted;
}

const asListed = ({ row, leftOut }: FoundRow & { leftOut: string | undefined }): ListedAttachment =>
  leftOut === undefined ? { row } : { row, leftOut };
