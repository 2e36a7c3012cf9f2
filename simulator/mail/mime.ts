import { createHash } from 'node:crypto';
import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import type { Json, JsonObject } from './bytes.ts';
import { graphTime } from './clock.ts';
import { recipient } from './people.ts';
import { type AttachmentRecord, type MessageRecord, textOfHtml } from './record.ts';

const PREVIEW_LENGTH = 255;

/**
 * Makes a message of an RFC 5322 text as Exchange would on arrival: bodies, people, dates and attachments as Graph
 * shows them, the bytes kept for `/$value`. Never fails: what cannot be parsed becomes a message with that text as body.
 * `name` gives a time to messages that have none.
 */
export async function recordOfMime(mime: Uint8Array, name: string): Promise<MessageRecord> {
  let email: Email;
  try {
    email = await PostalMime.parse(mime, { attachmentEncoding: 'arraybuffer', forceRfc822Attachments: true });
  } catch {
    email = { headers: [], headerLines: [], attachments: [], text: Buffer.from(mime).toString('latin1') };
  }
  const attachments = await Promise.all(email.attachments.map(attachmentOf));
  return { properties: propertiesOf(email, attachments, name), attachments, mime };
}

function propertiesOf(email: Email, attachments: readonly AttachmentRecord[], name: string): JsonObject {
  const arrived = arrivalOf(email, name);
  const text = email.text ?? (email.html === undefined ? '' : textOfHtml(email.html));
  const author = mailboxesOf([email.from])[0];
  const sender = mailboxesOf([email.sender])[0] ?? author;
  return {
    createdDateTime: arrived,
    lastModifiedDateTime: arrived,
    categories: [],
    receivedDateTime: arrived,
    sentDateTime: arrived,
    hasAttachments: attachments.some((attachment) => !attachment.isInline),
    internetMessageId: email.messageId ?? null,
    subject: email.subject ?? null,
    bodyPreview: text.trim().slice(0, PREVIEW_LENGTH),
    importance: importanceOf(email),
    isDeliveryReceiptRequested: headerOf(email, 'return-receipt-to') !== undefined,
    isReadReceiptRequested: headerOf(email, 'disposition-notification-to') !== undefined,
    isRead: false,
    isDraft: false,
    inferenceClassification: 'focused',
    body:
      email.html === undefined ? { contentType: 'text', content: text } : { contentType: 'html', content: email.html },
    ...(sender ? { sender } : {}),
    ...(author ? { from: author } : {}),
    toRecipients: mailboxesOf(email.to),
    ccRecipients: mailboxesOf(email.cc),
    bccRecipients: mailboxesOf(email.bcc),
    replyTo: mailboxesOf(email.replyTo),
    flag: { flagStatus: 'notFlagged' },
    internetMessageHeaders: email.headers.map(({ originalKey, key, value }) => ({ name: originalKey || key, value })),
  };
}

/** The Date header, or a time in 2025 that depends on the name. */
function arrivalOf(email: Email, name: string): string {
  const seconds = Math.floor(Date.parse(email.date ?? '') / 1000);
  const isUsable = seconds >= Date.UTC(1970, 0) / 1000 && seconds < Date.UTC(2100, 0) / 1000;
  if (isUsable) return graphTime(seconds);
  const offset = createHash('sha256').update(name).digest().readUInt32BE(0) % (365 * 86_400);
  return graphTime(Date.UTC(2025, 0) / 1000 + offset);
}

function importanceOf(email: Email): 'low' | 'normal' | 'high' {
  const importance = (headerOf(email, 'importance') ?? headerOf(email, 'x-priority') ?? '').toLowerCase();
  if (/^(high|1|2)/.test(importance)) return 'high';
  return /^(low|4|5)/.test(importance) ? 'low' : 'normal';
}

function headerOf(email: Email, key: string): string | undefined {
  return email.headers.find((header) => header.key === key)?.value;
}

/** Addresses as recipients; the members of a group stand for it. */
function mailboxesOf(addresses: readonly (Address | undefined)[] | undefined): JsonObject[] {
  return (addresses ?? []).flatMap((address) => {
    if (!address) return [];
    if (address.group) return mailboxesOf(address.group);
    return [recipient({ name: address.name || (address.address ?? ''), address: address.address ?? '' })];
  });
}

async function attachmentOf(attachment: Attachment, index: number): Promise<AttachmentRecord> {
  const content =
    typeof attachment.content === 'string' ? Buffer.from(attachment.content) : new Uint8Array(attachment.content);
  const isInline = attachment.disposition === 'inline' && attachment.contentId !== undefined;
  const name = attachment.filename ?? `attachment-${index + 1}`;
  if (attachment.mimeType === 'message/rfc822') {
    const { properties, attachments } = await recordOfMime(content, name);
    const item: Json = { '@odata.type': '#microsoft.graph.message', id: '', ...properties };
    return {
      kind: 'item',
      name: attachment.filename ?? subjectOf(properties),
      contentType: null,
      isInline,
      item,
      attachments,
      mime: content,
    };
  }
  return {
    kind: 'file',
    name,
    contentType: attachment.mimeType || null,
    isInline,
    content,
    contentId: attachment.contentId?.replace(/^<|>$/g, '') ?? null,
  };
}

function subjectOf(properties: JsonObject): string {
  return typeof properties.subject === 'string' && properties.subject !== '' ? properties.subject : 'Attached message';
}
