import type { BlobRef } from '../../store/blobs/blob-store.ts';
import { originalLost, originalOf, type Original } from '../../store/originals.ts';
import { BLOB_ANSWERS, blobAnswer } from '../blob-answer.ts';
import { notFound } from '../errors.ts';
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
    answers: BLOB_ANSWERS,
    errors: [404, 416],
    async handle(call) {
      const { organization, place } = await located(db, call);
      const { mailboxId } = place;
      const original = await originalOf(db, organization, { mailboxId, messageId: call.params.message_id });
      const { emailNo, blob } = stored(original);
      const noteLost = () => originalLost(db, organization, { emailNo, sha256: blob.sha256 });
      return blobAnswer({ blobs, wakeReader }, organization, { blob, file: FILE, noteLost }, call);
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
