import { attachmentId, numberOf, readAttachmentId } from '../mail/attachment-ids.ts';
import type { JsonObject } from '../mail/bytes.ts';
import { Base64Content } from '../mail/content.ts';
import { looksLikeId } from '../mail/ids.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import { type Answer, bytesAnswer, jsonAnswer } from './answer.ts';
import { attachmentJson, attachmentsJson, INLINE_LIMIT } from './attachment-json.ts';
import { readAttachmentShape } from './attachment-shape.ts';
import { faults } from './fault.ts';
import { listOption, numberOption, onlyOptions, preferenceApplied } from './query.ts';
import { type GraphRequest, type GraphWorld, openMailbox, openMessage } from './request.ts';

type Place = { user: string; folder?: string; message: string };

/** Everything but the first two is taken and changes nothing: Graph gives all attachments on one page, in its order. */
const LIST_OPTIONS = ['$select', '$expand', '$top', '$skip', '$filter', '$orderby', '$search', '$count'];

/** `GET …/attachments`. */
export function listAttachments(world: GraphWorld, request: GraphRequest, place: Place): Answer {
  onlyOptions(request.query, 'Attachments', LIST_OPTIONS);
  const shape = readAttachmentShape(request.query);
  const opened = open(world, request, place);
  const [from, to] = pageOf(request, opened.attachments.length);
  const shown = opened.attachments.slice(from, to);
  request.faults?.checkAttachments(shown.map(({ number }) => number), { inList: true, withBytes: shape.shows('contentBytes') }); // prettier-ignore
  const select = listOption(request.query, '$select');
  const page: JsonObject = { '@odata.context': `${contextOf(request, place)}${select ? `(${select.join()})` : ''}` };
  if (to < opened.attachments.length) page['@odata.nextLink'] = nextLink(request, place, { from, to });
  page.value = attachmentsJson(shown, opened, shape);
  return jsonAnswer(page, preferenceApplied(request.preferences));
}

/** `GET …/attachments/{id}`; with `$expand=microsoft.graph.itemattachment/item` the message inside. */
export function getAttachment(world: GraphWorld, request: GraphRequest, place: Place & { attachment: string }): Answer {
  onlyOptions(request.query, 'Attachments', ['$select', '$expand']);
  const shape = readAttachmentShape(request.query);
  const { attachment, opened } = find(world, request, place);
  request.faults?.checkAttachments([attachment.number], { inList: false, withBytes: shape.shows('contentBytes') });
  const context = contextOf(request, place);
  const { item, ...json } = attachmentJson(attachment, { ...opened, number: attachment.number }, shape);
  const shown: JsonObject = { '@odata.context': `${context}/$entity`, ...json };
  if (item !== undefined) {
    const itself = `('${encodeURIComponent(attachmentId(opened.messageId, attachment.number))}')`;
    shown['item@odata.context'] = `${context}${itself}/microsoft.graph.itemAttachment/item/$entity`;
    shown.item = item;
  }
  const answer = jsonAnswer(shown, preferenceApplied(request.preferences));
  return isLarge(attachment) && shape.shows('contentBytes') ? withBytes(answer, shown, attachment) : answer;
}

/** `GET …/attachments/{id}/$value`: the bytes of a file, the MIME text of a message; 405 for a reference. */
export function getAttachmentValue(
  world: GraphWorld,
  request: GraphRequest,
  place: Place & { attachment: string },
): Answer {
  const { attachment } = find(world, request, place);
  request.faults?.checkAttachments([attachment.number], { inList: false, withBytes: true });
  if (attachment.kind === 'reference') throw faults.valueNotAllowed();
  if (attachment.kind === 'item') return bytesAnswer(attachment.mime, 'text/plain');
  return bytesAnswer(attachment.content, headerOf(attachment.contentType));
}

type Numbered = AttachmentRecord & { number: number };

function open(world: GraphWorld, request: GraphRequest, place: Place) {
  const { mailbox } = openMailbox(world, request, place.user);
  const { ordinal } = openMessage(mailbox, place.message, place.folder);
  request.faults?.checkBelow('attachments');
  return {
    attachments: mailbox
      .attachments(ordinal)
      .map((attachment, index): Numbered => ({ ...attachment, number: numberOf(attachment, index) })),
    messageId: mailbox.idOf(ordinal, request.preferences.immutableIds),
    messageIds: [mailbox.idOf(ordinal, true), mailbox.idOf(ordinal, false)],
    at: mailbox.receivedAt(ordinal),
  };
}

/** Finds an attachment by the id that follows from either form of its message's id. */
function find(world: GraphWorld, request: GraphRequest, place: Place & { attachment: string }) {
  const opened = open(world, request, place);
  const named = readAttachmentId(place.attachment);
  const attachment =
    named && opened.messageIds.includes(named.messageId)
      ? opened.attachments.find(({ number }) => number === named.number)
      : undefined;
  if (!attachment) throw looksLikeId(place.attachment) ? faults.itemNotFound() : faults.malformedId();
  return { attachment, opened };
}

/** Which attachments a page has: all of them, unless a fault gives pages a size. */
function pageOf(request: GraphRequest, count: number): [from: number, to: number] {
  const size = request.faults?.pageSize(count) ?? count;
  if (size >= count) return [0, count];
  const from = numberOption(request.query, '$skip', 0, 0, Number.MAX_SAFE_INTEGER);
  return [from, from + size];
}

function nextLink(request: GraphRequest, place: Place, { from, to }: { from: number; to: number }): string {
  const query = new URLSearchParams([...request.query].filter(([name]) => name !== '$skip'));
  query.set('$skip', String(request.faults?.isSameLink() ? from : to));
  const folder = place.folder === undefined ? '' : `/mailFolders/${encodeURIComponent(place.folder)}`;
  const message = `/messages/${encodeURIComponent(place.message)}`;
  return `${request.base}/users/${encodeURIComponent(place.user)}${folder}${message}/attachments?${query.toString()}`;
}

function isLarge(attachment: AttachmentRecord): attachment is Extract<AttachmentRecord, { kind: 'file' }> {
  return attachment.kind === 'file' && attachment.content.length > INLINE_LIMIT;
}

/** The same answer with the bytes of the file as its last member, made while they are sent. */
function withBytes(answer: Answer, shown: JsonObject, file: Extract<AttachmentRecord, { kind: 'file' }>): Answer {
  const start = Buffer.from(`${JSON.stringify(shown).slice(0, -1)},"contentBytes":"`);
  return { ...answer, body: [start, new Base64Content(file.content, 'inOne'), Buffer.from('"}')] };
}

/** The type of a file as a header may say it. */
function headerOf(contentType: string | null): string {
  return contentType !== null && /^[\x21-\x7e][\x20-\x7e]*$/.test(contentType)
    ? contentType
    : 'application/octet-stream';
}

function contextOf(request: GraphRequest, place: Place): string {
  const [user, message] = [encodeURIComponent(place.user), encodeURIComponent(place.message)];
  return `${request.base}/$metadata#users('${user}')/messages('${message}')/attachments`;
}
