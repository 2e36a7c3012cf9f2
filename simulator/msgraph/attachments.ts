import type { JsonObject } from '../mail/bytes.ts';
import { graphTime } from '../mail/clock.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import { type Answer, bytesAnswer, jsonAnswer } from './answer.ts';
import { faults } from './fault.ts';
import { listOption, onlyOptions, preferenceApplied } from './query.ts';
import { type GraphRequest, type GraphWorld, openMailbox, openMessage } from './request.ts';

type Place = { user: string; folder?: string; message: string };

/** Lists inline bytes only below this size; larger ones must be fetched by themselves. */
const INLINE_LIMIT = 3 << 20;
/** Exchange counts more than the content. */
const OVERHEAD = 168;

/** Where an attachment stands: its id follows from the message's. */
export interface AttachmentPlace {
  messageId: string;
  index: number;
  /** Seconds since 1970. */
  at: number;
}

/** An attachment as Graph shows it. */
export function attachmentJson(attachment: AttachmentRecord, place: AttachmentPlace): JsonObject {
  const common = {
    id: attachmentId(place),
    lastModifiedDateTime: graphTime(Math.max(place.at, 0)),
    name: attachment.name,
    contentType: attachment.contentType,
    size: sizeOf(attachment),
    isInline: attachment.isInline,
  };
  switch (attachment.kind) {
    case 'file':
      return {
        '@odata.type': '#microsoft.graph.fileAttachment',
        '@odata.mediaContentType': attachment.contentType,
        ...common,
        contentId: attachment.contentId,
        contentLocation: null,
        contentBytes: Buffer.from(attachment.content).toString('base64'),
      };
    case 'item':
      return { '@odata.type': '#microsoft.graph.itemAttachment', ...common };
    case 'reference':
      return { '@odata.type': '#microsoft.graph.referenceAttachment', ...common };
  }
}

function attachmentId({ messageId, index }: AttachmentPlace): string {
  return `${messageId.slice(0, -4)}ABEgAQA${String.fromCharCode(65 + (index % 26))}${String(index).padStart(3, '0')}=`;
}

function sizeOf(attachment: AttachmentRecord): number {
  if (attachment.kind === 'reference') return attachment.size;
  return OVERHEAD + (attachment.kind === 'file' ? attachment.content : attachment.mime).length;
}

/** `GET …/attachments`. */
export function listAttachments(world: GraphWorld, request: GraphRequest, place: Place): Answer {
  onlyOptions(request.query, 'Attachments', ['$select', '$top', '$skip', '$filter', '$expand', '$count', '$orderby']);
  const opened = open(world, request, place);
  const select = selectOf(request, true);
  const value = opened.attachments.map((attachment, index) => {
    const json = attachmentJson(attachment, { ...opened, index });
    if (attachment.kind === 'file' && attachment.content.length > INLINE_LIMIT) delete json.contentBytes;
    return selected(json, select);
  });
  const context = `${contextOf(request, place)}${select ? `(${select.join()})` : ''}`;
  return jsonAnswer({ '@odata.context': context, value }, preferenceApplied(request.preferences));
}

/** `GET …/attachments/{id}`; the item of an attached message with `$expand=microsoft.graph.itemattachment/item`. */
export function getAttachment(world: GraphWorld, request: GraphRequest, place: Place & { attachment: string }): Answer {
  onlyOptions(request.query, 'Attachments', ['$select', '$expand']);
  const { attachment, json } = find(world, request, place);
  const context = `${contextOf(request, place)}/$entity`;
  const wantsItem = /^microsoft\.graph\.itemattachment\/item$/i.test(request.query.get('$expand') ?? '');
  const item = wantsItem && attachment.kind === 'item' ? { item: attachment.item } : {};
  const shown = { ...selected(json, selectOf(request, false)), ...item };
  return jsonAnswer({ '@odata.context': context, ...shown }, preferenceApplied(request.preferences));
}

/** `GET …/attachments/{id}/$value`: the bytes of a file, the MIME text of a message; 405 for a reference. */
export function getAttachmentValue(
  world: GraphWorld,
  request: GraphRequest,
  place: Place & { attachment: string },
): Answer {
  const { attachment } = find(world, request, place);
  if (attachment.kind === 'reference') throw faults.valueNotAllowed();
  if (attachment.kind === 'item') return bytesAnswer(attachment.mime, 'text/plain');
  return bytesAnswer(attachment.content, attachment.contentType ?? 'application/octet-stream');
}

function open(world: GraphWorld, request: GraphRequest, place: Place) {
  const { mailbox } = openMailbox(world, request, place.user);
  const { ordinal } = openMessage(mailbox, place.message, place.folder);
  request.faults?.checkBelow('attachments');
  return {
    attachments: mailbox.attachments(ordinal),
    messageId: mailbox.idOf(ordinal, request.preferences.immutableIds),
    messageIds: [mailbox.idOf(ordinal, true), mailbox.idOf(ordinal, false)],
    at: mailbox.receivedAt(ordinal),
  };
}

function find(world: GraphWorld, request: GraphRequest, place: Place & { attachment: string }) {
  const opened = open(world, request, place);
  const index = opened.attachments.findIndex((_, at) =>
    opened.messageIds.some((messageId) => attachmentId({ messageId, index: at, at: 0 }) === place.attachment),
  );
  const attachment = opened.attachments[index];
  if (!attachment) throw faults.itemNotFound();
  return { attachment, json: attachmentJson(attachment, { ...opened, index }) };
}

/** Members of derived types can be selected by their qualified name only, on collections. */
function selectOf(request: GraphRequest, isCollection: boolean): string[] | undefined {
  const names = listOption(request.query, '$select');
  const derived = names?.find((name) => ['contentBytes', 'contentId', 'contentLocation', 'item'].includes(name));
  if (isCollection && derived !== undefined) {
    throw faults.badUri(`Could not find a property named '${derived}' on type 'microsoft.graph.attachment'.`);
  }
  return names;
}

function selected(json: JsonObject, select: readonly string[] | undefined): JsonObject {
  if (!select) return json;
  const names = new Set(['id', ...select.map((name) => name.split('/').at(-1) ?? name)]);
  return Object.fromEntries(Object.entries(json).filter(([name]) => name.startsWith('@') || names.has(name)));
}

function contextOf(request: GraphRequest, place: Place): string {
  const [user, message] = [encodeURIComponent(place.user), encodeURIComponent(place.message)];
  return `${request.base}/$metadata#users('${user}')/messages('${message}')/attachments`;
}
