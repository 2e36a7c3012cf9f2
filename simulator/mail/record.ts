import { type Bytes, jsonBytes, type Json, type JsonObject } from './bytes.ts';
import { secondsOf } from './clock.ts';
import type { Content, FileContent } from './content.ts';
import type { Envelope } from './generator.ts';
import { DEFAULT_MEMBERS, SELECTED_ONLY_MEMBERS, type Shape } from './shape.ts';

/** An attachment of a stored message. */
export type AttachmentRecord = {
  name: string | null;
  contentType: string | null;
  isInline: boolean;
  /** What its id is made from. Default: its position among the attachments of its message. */
  number?: number;
  /** In seconds since 1970. Default: when the message arrived. */
  changedAt?: number;
} & (
  | { kind: 'file'; content: FileContent; contentId: string | null }
  /** `attachments` are those of the message inside, as far as they are known apart from its MIME text. */
  | { kind: 'item'; item: JsonObject; mime: Content; attachments?: readonly AttachmentRecord[] }
  | { kind: 'reference'; size: number }
);

/**
 * A message that is kept as an object: read from a file, odd on purpose, added or changed through the control API.
 * Records are never changed in place, so several mailboxes may share one.
 */
export interface MessageRecord {
  /** Every member that does not depend on the place in the mailbox; absent members are absent in answers. */
  properties: JsonObject;
  attachments: readonly AttachmentRecord[];
  /** The number that its next attachment gets; no number is given twice. Default: how many attachments it has. */
  nextAttachment?: number;
  /** The bytes that `/$value` gives; composed from the properties where absent. */
  mime?: Uint8Array;
}

/** Members that follow from the message's place and are no part of a record. */
export const PLACED_MEMBERS = ['id', 'changeKey', 'parentFolderId', 'webLink', '@odata.etag'] as const;

const ORDERED: readonly string[] = [...DEFAULT_MEMBERS, ...SELECTED_ONLY_MEMBERS];

/** Where messages without `receivedDateTime` stand in time: before all others. */
export const NO_TIME = Number.MIN_SAFE_INTEGER;

/** When a stored message arrived, for its place in its folder; those without a time come last. */
export function receivedAtOf(record: MessageRecord): number {
  const { receivedDateTime } = record.properties;
  return (typeof receivedDateTime === 'string' ? secondsOf(receivedDateTime) : undefined) ?? NO_TIME;
}

/** The JSON of a stored message as `shape` wants it. */
export function writeRecord(record: MessageRecord, envelope: Envelope, shape: Shape): Bytes {
  const { '@odata.type': type, ...properties } = record.properties;
  const placed: Record<string, Json | undefined> = {
    conversationId: envelope.conversationId,
    conversationIndex: envelope.conversationIndex,
    webLink: envelope.webLink,
    ...(properties.body === undefined ? {} : { uniqueBody: properties.body }),
    ...properties,
    changeKey: envelope.changeKey,
    parentFolderId: envelope.parentFolderId,
  };
  const message: JsonObject = {};
  if (type !== undefined) message['@odata.type'] = type;
  else if (shape.typed) message['@odata.type'] = '#microsoft.graph.message';
  message['@odata.etag'] = `W/"${envelope.changeKey}"`;
  message.id = envelope.id;
  for (const member of [...ORDERED, ...Object.keys(properties).filter((name) => !ORDERED.includes(name))]) {
    const value = placed[member];
    if (value === undefined || !isShown(member, shape)) continue;
    message[member] = (member === 'body' || member === 'uniqueBody') && shape.textBodies ? textBody(value) : value;
  }
  return jsonBytes(message);
}

function isShown(member: string, shape: Shape): boolean {
  if (shape.selected) return shape.selected.has(member);
  return !(SELECTED_ONLY_MEMBERS as readonly string[]).includes(member);
}

/** What is left of an HTML body when its tags are dropped; good enough for a reader that asked for text. */
function textBody(body: Json): Json {
  if (body === null || typeof body !== 'object' || Array.isArray(body) || typeof body.content !== 'string') return body;
  if (body.contentType !== 'html') return body;
  return { contentType: 'text', content: textOfHtml(body.content) };
}

/** The text of an HTML fragment. */
export function textOfHtml(html: string): string {
  return html
    .replace(/<(style|script|head)\b[^]*?<\/\1>/gi, '')
    .replace(/<br[^>]*>\s*/gi, '\r\n')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&nbsp;', ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .trim();
}
