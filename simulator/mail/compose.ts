import type { Json, JsonObject } from './bytes.ts';
import { Base64Content, type Content, JoinedContent } from './content.ts';
import type { AttachmentRecord } from './record.ts';

const MIXED = '=_outer_part_of_the_message';
const LINE_END = Buffer.from('\r\n');

/**
 * Composes the RFC 5322 text of a message from what Graph shows of it, as Exchange does from its own store. Large files
 * are not held. `depth` says how many messages it is inside of.
 */
export function composeMime(message: JsonObject, attachments: readonly AttachmentRecord[], depth = 0): Content {
  const headers = [
    header('From', people(message.from === undefined ? [] : [message.from])),
    header('To', people(message.toRecipients)),
    header('Cc', people(message.ccRecipients)),
    header('Subject', typeof message.subject === 'string' ? encodeWords(message.subject) : ''),
    header('Date', typeof message.sentDateTime === 'string' ? new Date(message.sentDateTime).toUTCString() : ''),
    header('Message-ID', typeof message.internetMessageId === 'string' ? message.internetMessageId : ''),
    'MIME-Version: 1.0\r\n',
  ].join('');
  const body = bodyPart(message.body);
  if (attachments.length === 0) return Buffer.from(`${headers}${body}`);
  const boundary = depth === 0 ? MIXED : `=_part_of_message_${depth}_inside`;
  return new JoinedContent([
    Buffer.from(`${headers}Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n${body}`),
    ...attachments.flatMap((attachment) => [Buffer.from(`\r\n--${boundary}\r\n`), ...attachmentPart(attachment)]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}

function header(name: string, value: string): string {
  return value === '' ? '' : `${name}: ${value}\r\n`;
}

function people(value: Json | undefined): string {
  if (!Array.isArray(value)) return '';
  return value
    .map((person) => {
      const email = isObject(person) ? person.emailAddress : null;
      if (!isObject(email ?? null)) return '';
      const { name, address } = email as JsonObject;
      return `${typeof name === 'string' ? `${encodeWords(name)} ` : ''}<${typeof address === 'string' ? address : ''}>`;
    })
    .filter((person) => person !== '')
    .join(',\r\n ');
}

function bodyPart(body: Json | undefined): string {
  const isHtml = isObject(body ?? null) && (body as JsonObject).contentType === 'html';
  const content = isObject(body ?? null) ? (body as JsonObject).content : '';
  const text = typeof content === 'string' ? content : '';
  return `Content-Type: text/${isHtml ? 'html' : 'plain'}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64Lines(Buffer.from(text))}\r\n`;
}

function attachmentPart(attachment: AttachmentRecord): Content[] {
  const name = encodeWords(attachment.name ?? '').replace(/["\\]/g, '\\$&');
  const disposition = `Content-Disposition: ${attachment.isInline ? 'inline' : 'attachment'}; filename="${name}"\r\n`;
  if (attachment.kind === 'item') {
    return [Buffer.from(`Content-Type: message/rfc822\r\n${disposition}\r\n`), attachment.mime, LINE_END];
  }
  const type = headerText(attachment.contentType ?? 'application/octet-stream');
  const isNamed = attachment.kind === 'file' && attachment.contentId !== null;
  const id = isNamed ? `Content-ID: <${headerText(attachment.contentId ?? '')}>\r\n` : '';
  const headers = `Content-Type: ${type}\r\n${id}${disposition}Content-Transfer-Encoding: base64\r\n\r\n`;
  const content = attachment.kind === 'file' ? attachment.content : new Uint8Array(0);
  return [Buffer.from(headers), new Base64Content(content, 'inLines'), LINE_END];
}

/** Controls and line breaks never reach a header. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

/** RFC 2047 words where a text is not plain ASCII. */
function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const words: string[] = [];
  for (let at = 0; at < text.length;) {
    const next = text.charCodeAt(at + 13);
    const end = at + (next >= 0xdc00 && next <= 0xdfff ? 14 : 13);
    words.push(`=?utf-8?B?${Buffer.from(text.slice(at, end)).toString('base64')}?=`);
    at = end;
  }
  return words.join('\r\n ');
}

function base64Lines(content: Uint8Array): string {
  return Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n');
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
