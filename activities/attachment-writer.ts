import { quarantineLists, type UnlistedMessage } from '../store/attachment-reads.ts';
import {
  saveAttachments,
  settleAttachments,
  type AttachmentList,
  type SettledAttachment,
} from '../store/attachments.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import { waitingAmong } from '../store/owing.ts';
import { Batches } from './batches.ts';
import type { ReadingContext } from './folder-reader.ts';
import { release, type ReleasingContext } from './releasing.ts';

export type WritingContext = ReleasingContext & Pick<ReadingContext, 'scanId'> & { readonly blobs: BlobStore };

/** What has become known of one message's attachments. */
export interface Known {
  readonly emailNo: number;
  readonly list?: AttachmentList;
  readonly unlisted?: UnlistedMessage;
  readonly settled?: readonly SettledAttachment[];
}

/** Long enough for several messages to come together, ms. */
const PAUSE_MS = 50;

/** Writes what becomes known of attachments, several messages at a time, and releases those of which all is known. */
export class AttachmentWriter {
  readonly #batches: Batches<Known>;

  constructor(context: WritingContext) {
    this.#batches = new Batches((known) => write(context, known), PAUSE_MS);
  }

  /** Resolves when it is committed. @throws {BlobMissing} and what else the store throws: nothing of it counts then */
  write(known: Known): Promise<void> {
    return this.#batches.add(known);
  }
}

/** In this order: an attachment has to be listed before it can be settled, and a message is released when all are. */
async function write(context: WritingContext, known: readonly Known[]): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanId, blobs } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const unlisted = known.flatMap((one) => one.unlisted ?? []);
  const lists = known.flatMap((one) => one.list ?? []);
  const attachments = known.flatMap((one) => one.settled ?? []);
  const over = new Set(unlisted.map(({ messageId }) => messageId));
  if (unlisted.length > 0) await quarantineLists(db, organization, { ...held, messages: unlisted });
  if (lists.length > 0) {
    const { done } = await saveAttachments(db, organization, { ...held, lists, scanId });
    for (const id of done) over.add(id);
  }
  if (attachments.length > 0) {
    const { done } = await settleAttachments(db, organization, blobs, { ...held, attachments, scanId });
    for (const id of done) over.add(id);
  }
  if (over.size > 0) {
    await release(context, await waitingAmong(db, organization, [...new Set(known.map(({ emailNo }) => emailNo))]));
  }
}
