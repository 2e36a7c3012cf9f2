import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import type { FoundAttachment } from '../graph/graph.ts';
import { GraphError, mayBeContent } from '../graph/errors.ts';
import { LEFT_OUT, toAttachmentRow, type AttachmentRow } from '../model/attachment.ts';
import { mayNeedBytes, needsBytes } from '../model/destination-filters.ts';
import { sniffType } from '../model/sniffing.ts';
import type { LackingAttachment, LackingMessage } from '../store/attachment-reads.ts';
import type { ListedAttachment, SettledAttachment } from '../store/attachments.ts';
import { putBlob } from '../store/blob-rows.ts';
import type { PutResult } from '../store/blobs/blob-store.ts';
import type { Destination } from '../store/destinations.ts';
import { faultOf } from './attachment-faults.ts';
import { AttachmentWriter, type WritingContext } from './attachment-writer.ts';
import type { Reservation } from './byte-budget.ts';
import type { ReadingContext } from './folder-reader.ts';

export interface FetchingContext extends WritingContext, Pick<ReadingContext, 'signal' | 'budget'> {
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
}

/** Requests for attachments of a mailbox at a time: as many as a mailbox may have. */
const REQUESTS_AT_ONCE = 3;
/** Of these, such that may take long: one of the mailbox's places stays for new mail. */
const STREAMS_AT_ONCE = 2;
/** What a list takes of the memory until it is there, bytes. */
const GUESS_BYTES = 64 * 1024;
/** Blobs of one message written at a time. */
const PUTS_AT_ONCE = 4;

/** Lists the attachments of messages, and fetches the bytes that somebody wants. */
export class AttachmentFetcher {
  readonly #context: FetchingContext;
  readonly #writer: AttachmentWriter;
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #streams = pLimit(STREAMS_AT_ONCE);
  #failure: GraphError | undefined;

  constructor(context: FetchingContext) {
    this.#context = context;
    this.#writer = new AttachmentWriter(context);
  }

  /** Why some are still lacking, which a later attempt may fetch. */
  get failure(): GraphError | undefined {
    return this.#failure;
  }

  /**
   * Fetches what a message lacks. What cannot be read is recorded with Graph's code, and keeps nothing else from it.
   * @param takers the destinations that wait for the message; undefined: all of its attachments are wanted
   * @throws {GraphError} of a kind that concerns the mailbox or the connection
   */
  async fetch(message: LackingMessage, takers: readonly Destination[] | undefined): Promise<void> {
    const lacking = message.unlisted ? await this.#list(message, takers) : message.attachments;
    await Promise.all(lacking.map((attachment) => this.#stream(message, attachment)));
  }

  /** Lists the attachments, and stores those that came with the list. @returns the others that are wanted */
  async #list(
    message: LackingMessage,
    takers: readonly Destination[] | undefined,
  ): Promise<readonly LackingAttachment[]> {
    const { emailNo, messageId } = message;
    const { budget, signal } = this.#context;
    const contents = !takers || takers.some(mayNeedBytes);
    const reservation = await budget.reserve(GUESS_BYTES, signal);
    try {
      const found = await this.#readList(messageId, contents, reservation);
      const wanted = (row: AttachmentRow): boolean => !takers || takers.some((taker) => needsBytes(taker, known(row)));
      const listed = found.map((one) => ({ ...one, leftOut: leftOut(one.row, wanted) }));
      const toPut = listed.filter(({ leftOut }) => leftOut === undefined);
      const put = pLimit(PUTS_AT_ONCE);
      const settled = await Promise.all(
        toPut.flatMap(({ row, content }) =>
          content ? put(async () => this.#stored(messageId, row.id, await this.#put(content))) : [],
        ),
      );
      const list = { messageId, attachments: listed.map(asListed) };
      await this.#writer.write({ emailNo, list, settled });
      return toPut.filter(({ content }) => !content).map(({ row: { id, kind, size } }) => ({ id, kind, size }));
    } catch (error) {
      const { fault, error: cause } = await faultOf(error, this.#context, this.#context.givesUp);
      if (fault === 'later') this.#failure ??= cause;
      else {
        const { code: reason, requestId } = cause;
        await this.#writer.write({ emailNo, unlisted: { messageId, reason, requestId } });
      }
      return [];
    } finally {
      reservation.release();
    }
  }

  async #readList(messageId: string, contents: boolean, reservation: Reservation): Promise<FoundRow[]> {
    const { mailbox, signal } = this.#context;
    const ask = (options: { contents: boolean }) =>
      this.#requests(() => mailbox.attachments(messageId, options, signal));
    const { attachments, bytes, suspicious } = await ask({ contents }).catch((error: unknown) => {
      // One of them may be too much, or broken; without the bytes the others can be told of.
      if (contents && error instanceof GraphError && mayBeContent(error)) return ask({ contents: false });
      throw error;
    });
    reservation.resize(bytes);
    return attachments.map((found) => rowOf(found, suspicious));
  }

  /** Fetches the bytes of one attachment, however many. */
  async #stream({ emailNo, messageId }: LackingMessage, { id }: LackingAttachment): Promise<void> {
    const { mailbox, signal } = this.#context;
    const place = { messageId, attachmentId: id };
    try {
      const blob = await this.#streams(() =>
        this.#requests(() => mailbox.attachmentContent(place, (bytes) => this.#putAll(bytes), signal)),
      );
      await this.#writer.write({ emailNo, settled: [await this.#stored(messageId, id, blob)] });
    } catch (error) {
      const { fault, error: cause } = await faultOf(error, this.#context, this.#context.givesUp);
      if (fault === 'later') this.#failure ??= cause;
      else {
        const { code: reason, requestId } = cause;
        await this.#writer.write({ emailNo, settled: [{ messageId, id, state: 'quarantined', reason, requestId }] });
      }
    }
  }

  #put(content: Buffer): Promise<PutResult> {
    return this.#putAll(Readable.from([content]), content.length);
  }

  #putAll(bytes: Readable, size?: number): Promise<PutResult> {
    const { db, organization, blobs, signal } = this.#context;
    return putBlob(db, organization, blobs, bytes, { signal, ...(size !== undefined && { expected: { size } }) });
  }

  async #stored(messageId: string, id: string, { head, ...blob }: PutResult): Promise<SettledAttachment> {
    return { messageId, id, state: 'stored', blob, sniffedType: await sniffType(head) };
  }
}

interface FoundRow {
  readonly row: AttachmentRow;
  readonly content?: Buffer | undefined;
}

const rowOf = ({ attachment, content }: FoundAttachment, suspicious: boolean): FoundRow => ({
  row: toAttachmentRow(attachment, suspicious),
  content,
});

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
