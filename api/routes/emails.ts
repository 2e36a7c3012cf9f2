import { attachmentById, attachmentsOfMessage, type StoredAttachment } from '../../store/attachment-lookup.ts';
import type { BlobRef } from '../../store/blobs/blob-store.ts';
import { deliveriesOfEmail, findEmail, wholeEmail, type EmailPlace } from '../../store/email-details.ts';
import type { WholeEmail } from '../../store/email-lookup.ts';
import { attachmentLost } from '../../store/lost-attachments.ts';
import type { Organization } from '../../store/organizations.ts';
import { recentResults } from '../../store/recent-results.ts';
import { BLOB_ANSWERS, blobAnswer } from '../blob-answer.ts';
import { attachmentEntry, deliveryEntry, detailsOf, resultOf } from '../email-form.ts';
import { notFound, type HttpError } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import type { Principal } from '../principal.ts';
import { route, type Route } from '../route.ts';
import {
  AttachmentParams,
  EmailDetails,
  EmailJson,
  MessageParams,
  MessageQuery,
  RecentQuery,
  RecentResults,
} from '../schemas/emails.ts';
import { organizationMeant } from '../scope.ts';

export const emailRoutes = (parts: ApiParts): readonly Route[] => [
  recentRoute(parts),
  detailsRoute(parts),
  jsonRoute(parts),
  contentRoute(parts),
];

const recentRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/recent-results',
    tag: 'Messages',
    summary: 'The messages that were stored last, and how far they have come',
    access: 'key',
    query: RecentQuery,
    answers: { 200: { description: 'The newest first', schema: RecentResults } },
    errors: [404],
    async handle({ query: { organizationId: named, limit }, principal }) {
      const organization = await organizationMeant(db, principal, named);
      const results = (await recentResults(db, organization, { limit })).map(resultOf);
      const { organizationId: organization_id } = organization;
      return { status: 200, body: { success: true, organization_id, count: results.length, results } };
    },
  });

const detailsRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/email-details/{message_id}',
    tag: 'Messages',
    summary: 'A message in short, its attachments, and what became of it',
    access: 'key',
    params: MessageParams,
    query: MessageQuery,
    answers: { 200: { description: 'As it is stored', schema: EmailDetails } },
    errors: [404],
    async handle(call) {
      const { organization, place, row } = await found(db, call);
      const [attachments, deliveries] = await Promise.all([
        attachmentsOf(db, organization, place, row),
        deliveriesOfEmail(db, organization, place.emailNo),
      ]);
      return {
        status: 200,
        body: {
          success: true,
          organization_id: organization.organizationId,
          ...detailsOf(place, row),
          attachments,
          deliveries: deliveries.map(deliveryEntry),
        },
      };
    },
  });

const jsonRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/email-json/{message_id}',
    tag: 'Messages',
    summary: 'A message as it is stored, whole',
    access: 'key',
    params: MessageParams,
    query: MessageQuery,
    answers: { 200: { description: 'All columns, and what is known of its attachments', schema: EmailJson } },
    errors: [404],
    async handle(call) {
      const { organization, place, row } = await found(db, call);
      const { organizationId: organization_id } = organization;
      const attachments = await attachmentsOf(db, organization, place, row);
      return {
        status: 200,
        body: { success: true, organization_id, mailbox_id: place.mailboxId, message: row, attachments },
      };
    },
  });

const contentRoute = (parts: ApiParts): Route =>
  route({
    method: 'get',
    path: '/email-details/{message_id}/attachments/{attachment_id}',
    tag: 'Messages',
    summary: "An attachment's bytes",
    description:
      'To be saved, never to be shown: it comes as a file, under no type that a browser would run. `Range` asks for a part, `If-None-Match` for what is not known yet; `ETag` is its SHA-256.',
    access: 'key',
    params: AttachmentParams,
    query: MessageQuery,
    answers: BLOB_ANSWERS,
    errors: [404, 416],
    async handle(call) {
      const { params } = call;
      const { organization, place } = await located(parts.db, call);
      const attachment = await attachmentById(parts.db, organization, {
        mailboxId: place.mailboxId,
        messageId: params.message_id,
        id: params.attachment_id,
      });
      if (!attachment)
        throw notFound('The message has no attachment of this id, as far as its attachments were listed');
      const blob = storedBlob(attachment);
      const { emailNo, id: attachmentId } = attachment;
      const lost = { emailNo, attachmentId, sha256: blob.sha256, deliveryNos: [] };
      const noteLost = () => attachmentLost(parts.db, organization, lost);
      return blobAnswer(parts, organization, { blob, file: attachment, noteLost }, call);
    },
  });

interface Call {
  readonly params: { readonly message_id: string };
  readonly query: { readonly organizationId?: string | undefined; readonly mailbox?: string | undefined };
  readonly principal: Principal;
}

/** The message that a call means. @throws {HttpError} 404 */
export async function located(
  db: ApiParts['db'],
  { params, query, principal }: Call,
): Promise<{ readonly organization: Organization; readonly place: EmailPlace }> {
  const organization = await organizationMeant(db, principal, query.organizationId);
  const place = await findEmail(db, organization, { messageId: params.message_id, mailbox: query.mailbox });
  if (!place) throw unknownMessage();
  return { organization, place };
}

/** @throws {HttpError} 404 */
async function found(
  db: ApiParts['db'],
  call: Call,
): Promise<{ readonly organization: Organization; readonly place: EmailPlace; readonly row: WholeEmail }> {
  const at = await located(db, call);
  const row = await wholeEmail(db, at.organization, at.place.emailNo);
  if (!row) throw unknownMessage();
  return { ...at, row };
}

const unknownMessage = (): HttpError => notFound('No message of this id is stored');

async function attachmentsOf(
  db: ApiParts['db'],
  organization: Organization,
  { mailboxId }: EmailPlace,
  row: WholeEmail,
) {
  const messageId = String(row['id']);
  const attachments = await attachmentsOfMessage(db, organization, { mailboxId, messageId });
  return attachments.map((attachment) => attachmentEntry(mailboxId, attachment));
}

/** @throws {HttpError} 404, and why */
function storedBlob({ state, sha256, byteSize, reason }: StoredAttachment): BlobRef {
  if (state === 'stored' && sha256 !== null && byteSize !== null) return { sha256, size: byteSize };
  const words = {
    stored: 'it is not there',
    wanted: 'it is still to be read',
    left_out: `it was left out${reason === null ? '' : ` (${reason})`}`,
    quarantined: `Graph cannot give it${reason === null ? '' : ` (${reason})`}`,
  };
  throw notFound(`The content of this attachment is not stored: ${words[state]}`);
}
