import { attachmentId, numberOf } from '../mail/attachment-ids.ts';
import type { JsonObject } from '../mail/bytes.ts';
import { graphTime } from '../mail/clock.ts';
import { bytesOf } from '../mail/content.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import type { AttachmentShape } from './attachment-shape.ts';

/** Contents above this size stand in no list; they must be fetched by themselves. */
export const INLINE_LIMIT = 3 << 20;
/** Exchange counts more than the content. */
const OVERHEAD = 168;

/** Where attachments stand. */
export interface AttachmentPlace {
  /** The id of their message; theirs follow from it. */
  messageId: string;
  /** When the message arrived, in seconds since 1970. */
  at: number;
}

/** The attachments of a message as Graph shows them. */
export function attachmentsJson(
  attachments: readonly AttachmentRecord[],
  place: AttachmentPlace,
  shape: AttachmentShape,
): JsonObject[] {
  return attachments.map((attachment, index) =>
    attachmentJson(attachment, { ...place, number: numberOf(attachment, index) }, shape),
  );
}

/** One attachment. The bytes of a large file are left out. */
export function attachmentJson(
  attachment: AttachmentRecord,
  place: AttachmentPlace & { number: number },
  shape: AttachmentShape,
): JsonObject {
  const id = attachmentId(place.messageId, place.number);
  const members: JsonObject = {
    lastModifiedDateTime: graphTime(Math.max(attachment.changedAt ?? place.at, 0)),
    name: attachment.name,
    contentType: attachment.contentType,
    size: sizeOf(attachment),
    isInline: attachment.isInline,
  };
  const json: JsonObject = { '@odata.type': `#microsoft.graph.${attachment.kind}Attachment` };
  if (attachment.kind === 'file') {
    json['@odata.mediaContentType'] = attachment.contentType;
    members.contentId = attachment.contentId;
    members.contentLocation = null;
  }
  json.id = id;
  for (const [member, value] of Object.entries(members)) if (shape.shows(member)) json[member] = value;
  if (attachment.kind === 'item' && shape.item) json.item = itemJson(attachment, id, place.at, shape.item);
  if (attachment.kind === 'file' && shape.shows('contentBytes') && attachment.content.length <= INLINE_LIMIT) {
    const bytes = bytesOf(attachment.content);
    json.contentBytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  }
  return json;
}

/** The size that Graph tells: more than the bytes of the content. */
export function sizeOf(attachment: AttachmentRecord): number {
  if (attachment.kind === 'reference') return attachment.size;
  return OVERHEAD + (attachment.kind === 'file' ? attachment.content : attachment.mime).length;
}

function itemJson(
  { item, attachments = [] }: Extract<AttachmentRecord, { kind: 'item' }>,
  id: string,
  at: number,
  shape: NonNullable<AttachmentShape['item']>,
): JsonObject {
  if (!shape.attachments) return item;
  return {
    ...item,
    attachments: attachmentsJson(attachments, { messageId: `${id.slice(0, -1)}AAA=`, at }, shape.attachments),
  };
}
