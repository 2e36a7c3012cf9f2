import { BlobMissing } from '../../store/blobs/errors.ts';
import type { BlobRef } from '../../store/blobs/blob-store.ts';
import { originalLost, originalOf, type Original } from '../../store/originals.ts';
import { attachmentHeaders } from '../attachment-headers.ts';
import { bytesOf } from '../byte-range.ts';
import { notFound } from '../errors.ts';
import { lossTeller } from '../lost-bytes.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { MessageParams, MessageQuery } from '../schemas/emails.ts';
import { located } from './emails.ts';

/** As a file to be saved. The name says nothing of the message, which may be called anything. */
const FILE = { kind: 'item', name: 'message.eml', contentType: 'message/rfc822', sniffedType: null } as const;

export const originalRoute = ({ db, blobs, wakeReader }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/email-details/{message_id}/mime',
    tag: 'Messages',
    summary: 'A message as it was sent, RFC 5322',
    description:
      'The original bytes, for messages that a scan or session with `filters.content` of `mime` has seen. It comes as a file to be saved. `Range` asks for a part, `If-None-Match` for what is not known yet; `ETag` is its SHA-256.',
    access: 'key',
    params: MessageParams,
    query: MessageQuery,
    answers: {
      200: { description: 'All of it', binary: true },
      206: { description: 'The part that `Range` asks for', binary: true },
      304: { description: 'It is what `If-None-Match` names' },
    },
    errors: [404, 416],
    async handle({ params, conditions, log, ...call }) {
      const { organization, place } = await located(db, { ...call, params });
      const { mailboxId } = place;
      const original = await originalOf(db, organization, { mailboxId, messageId: params.message_id });
      const { emailNo, blob } = stored(original);
      const { sha256 } = blob;
      const store = blobs.of(organization);
      const note = () => originalLost(db, organization, { emailNo, sha256 });
      const tellLoss = lossTeller({ wakeReader }, organization, { note, log });
      if (!(await store.has(blob))) {
        const missing = new BlobMissing(sha256);
        tellLoss(missing);
        throw missing;
      }
      const headers = { ...attachmentHeaders(FILE), ETag: `"${sha256}"`, 'Accept-Ranges': 'bytes' };
      return bytesOf({ size: blob.size, headers, conditions }, async (range) => {
        const bytes = await store.open(blob, range && { range });
        return bytes.once('error', tellLoss);
      });
    },
  });

/** @throws {HttpError} 404, and why */
function stored(original: Original | undefined): { readonly emailNo: number; readonly blob: BlobRef } {
  if (original?.blob) return { emailNo: original.emailNo, blob: original.blob };
  const words = {
    none: 'no scan or session with filters.content "mime" has seen it',
    stored: 'it is not there',
    wanted: 'it is still to be read',
    quarantined: `Graph cannot give it (${original?.reason ?? 'for no reason that it told'})`,
  };
  throw notFound(`The original of this message is not stored: ${words[original?.state ?? 'none']}`);
}
