import pLimit from 'p-limit';
import type { GraphError } from '../graph/errors.ts';
import { putBlob } from '../store/blob-rows.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import { lackingOriginals, settleOriginals, type SettledOriginal } from '../store/originals.ts';
import { faultOf } from './attachment-faults.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';

export interface OriginalReading {
  readonly context: ReadingContext;
  readonly blobs: BlobStore;
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
}

/** Originals that may be large are asked for at a time: one of the mailbox's places stays for new mail. */
const REQUESTS_AT_ONCE = 2;
/** Messages between two writes. */
const STRETCH = 20;

/**
 * Reads the originals that the mailbox lacks into the blob store. What Graph cannot give is put into quarantine, one by
 * one; what may pass is left to another attempt, after all others. It can be interrupted anywhere: bytes are stored before
 * a row says so.
 * @throws {GraphError} of a kind that another attempt may mend
 * @throws {BlobsUnavailable} nothing more can be stored now
 */
export async function readOriginals({ context, blobs, givesUp }: OriginalReading): Promise<FolderEnd> {
  const { db, organization, mailbox, leaseToken, scanId, signal } = context;
  const limit = pLimit(REQUESTS_AT_ONCE);
  let failure: GraphError | undefined;
  const read = async (messageId: string): Promise<SettledOriginal | undefined> => {
    signal.throwIfAborted();
    try {
      const { sha256, size } = await mailbox.original(
        messageId,
        (bytes) => putBlob(db, organization, blobs, bytes, { signal }),
        signal,
      );
      return { messageId, state: 'stored', blob: { sha256, size } };
    } catch (error) {
      const { fault, error: cause } = await faultOf(error, context, givesUp);
      if (fault === 'unreadable') {
        return { messageId, state: 'quarantined', reason: cause.code, requestId: cause.requestId };
      }
      failure ??= cause;
      return undefined;
    }
  };
  // However late it is, each slice gets on.
  for (let after = 0; after === 0 || !context.timeIsUp();) {
    const lacking = await lackingOriginals(db, organization, { mailboxId: mailbox.id, after, limit: STRETCH });
    const last = lacking.at(-1);
    if (!last) {
      if (failure) throw failure;
      return 'finished';
    }
    after = last.emailNo;
    const ends = await Promise.allSettled(lacking.map(({ messageId }) => limit(() => read(messageId))));
    const originals = ends.flatMap((end) => (end.status === 'fulfilled' ? (end.value ?? []) : []));
    const held = { mailboxId: mailbox.id, leaseToken };
    if (originals.length > 0) await settleOriginals(db, organization, blobs, { ...held, originals, scanId });
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
  return 'unfinished';
}
