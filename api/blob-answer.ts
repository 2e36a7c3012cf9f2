import type { KnownAttachment } from '../model/attached-item.ts';
import type { BlobRef } from '../store/blobs/blob-store.ts';
import { BlobMissing, isBlobLost } from '../store/blobs/errors.ts';
import type { Organization } from '../store/organizations.ts';
import { attachmentHeaders } from './attachment-headers.ts';
import { bytesOf } from './byte-range.ts';
import type { ApiParts } from './parts.ts';
import type { Answer, Caller, DocumentedAnswer } from './route.ts';

/** How a route answers that sends a blob. */
export const BLOB_ANSWERS: Readonly<Record<200 | 206 | 304, DocumentedAnswer>> = {
  200: { description: 'All of it', binary: true },
  206: { description: 'The part that `Range` asks for', binary: true },
  304: { description: 'It is what `If-None-Match` names' },
};

/** A blob, and what it is sent as. */
export interface SentBlob {
  readonly blob: BlobRef;
  readonly file: KnownAttachment;
  /** Notes in the store that its bytes are lost; answers whose reader has to be woken, if there is something to read. */
  readonly noteLost: () => Promise<{ readonly mailboxId: string } | undefined>;
}

/**
 * A blob as a file to be saved, as the conditions of a request ask for it. Where its bytes are missing from the blob store,
 * or were altered there, that is noted, and the mailbox's reader is woken to read them from Graph again. Nobody waits for
 * that.
 * @throws {BlobMissing}
 * @throws {HttpError} 416
 */
export async function blobAnswer(
  { blobs, wakeReader }: Pick<ApiParts, 'blobs' | 'wakeReader'>,
  organization: Organization,
  { blob, file, noteLost }: SentBlob,
  { conditions, log }: Pick<Caller, 'conditions' | 'log'>,
): Promise<Answer> {
  const store = blobs.of(organization);
  const tellLoss = (error: unknown): void => {
    if (!isBlobLost(error)) return;
    noteLost()
      .then((read) => read && wakeReader(organization.organizationId, read.mailboxId, 'incremental'))
      .catch((err: unknown) => log.warn({ err }, 'Lost bytes could not be asked for'));
  };
  if (!(await store.has(blob))) {
    const missing = new BlobMissing(blob.sha256);
    tellLoss(missing);
    throw missing;
  }
  const headers = { ...attachmentHeaders(file), ETag: `"${blob.sha256}"`, 'Accept-Ranges': 'bytes' };
  return bytesOf({ size: blob.size, headers, conditions }, async (range) => {
    const bytes = await store.open(blob, range && { range });
    return bytes.once('error', tellLoss);
  });
}
