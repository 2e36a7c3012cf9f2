import type { Json, JsonObject } from './bytes.ts';
import type { AttachmentRecord } from './record.ts';

const MIXED = '=_outer_part_of_the_message';

/** Composes the RFC 5322 text of a message from what Graph shows of it, as Exchange does from its own store. */
export function composeMime(message: JsonObject, attachments: readonly AttachmentRecord[]): Uint8Array {
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
  const parts = [body, ...attachments.map(attachmentPart)].map((part) => `--${MIXED}\r\n${part}\r\n`);
  return Buffer.from(
    `${headers}Content-Type: multipart/mixed; boundary="${MIXED}"\r\n\r\n${parts.join('')}--${MIXED}--\r\n`,
  );
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

function attachmentPart(attachment: AttachmentRecord): string {
  const name = encodeWords(attachment.name);
  if (attachment.kind === 'item') {
    return `Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${Buffer.from(attachment.mime).toString('latin1')}\r\n`;
  }
  const content = attachment.kind === 'file' ? attachment.content : new Uint8Array(0);
  const id =
    attachment.kind === 'file' && attachment.contentId !== null ? `Content-ID: <${attachment.contentId}>\r\n` : '';
  return `Content-Type: ${attachment.contentType ?? 'application/octet-stream'}\r\n${id}Content-Disposition: ${attachment.isInline ? 'inline' : 'attachment'}; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64Lines(content)}\r\n`;
}

/** RFC 2047 words where a text is not plain ASCII; line breaks and controls never reach a header. */
function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const words: string[] = [];
  for (let at = 0; at < text.length;) {
    const code = text.codePointAt(at + 12) ?? 0;
    const end = at + (code >= 0xdc00 && code <= 0xdfff ? 14 : 13);
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
