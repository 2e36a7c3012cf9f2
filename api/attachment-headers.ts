import type { AttachmentKind } from '../model/attachment.ts';
import { safeName } from '../model/file-names.ts';

/** What is known of an attachment that is sent to a client. */
export interface SentAttachment {
  readonly kind: AttachmentKind;
  readonly name: string | null;
  readonly contentType: string | null;
  readonly sniffedType: string | null;
}

/**
 * Headers under which no browser takes an attachment for a page of ours, or opens it by itself: whoever sends a mail says
 * what its attachments are called and of what type they are.
 */
export function attachmentHeaders(attachment: SentAttachment): Record<string, string> {
  const type = contentTypeOf(attachment);
  return {
    'Content-Type': type,
    'Content-Disposition': contentDisposition(fileNameOf(attachment, type)),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
  };
}

const UNKNOWN_TYPE = 'application/octet-stream';
const MAIL_TYPE = 'message/rfc822';
const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;
/** What browsers run or render as a page. */
const ACTIVE = /html|xml|script|svg|xsl|flash|^multipart\/|^text\/(vbs|css|event-stream)|^application\/(java|hta|x-ms)/;

/** The type that was said, else what the bytes show; never one that a browser would run. */
export function contentTypeOf({ kind, contentType, sniffedType }: SentAttachment): string {
  const said = [contentType, sniffedType].map(essenceOf).find((type) => type !== '' && type !== UNKNOWN_TYPE);
  const type = said ?? (kind === 'item' ? MAIL_TYPE : UNKNOWN_TYPE);
  return ACTIVE.test(type) ? UNKNOWN_TYPE : type;
}

/** Without parameters; empty where it is no type. */
function essenceOf(type: string | null): string {
  const essence = (type ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return TYPE.test(essence) ? essence : '';
}

function fileNameOf({ name, kind }: SentAttachment, type: string): string {
  const safe = safeName(name ?? '', 'attachment');
  return kind === 'item' && type === MAIL_TYPE && !/\.eml$/i.test(safe) ? `${safe}.eml` : safe;
}

/**
 * Twice the name: in ASCII for old clients, and as it is.
 * Source: https://www.rfc-editor.org/rfc/rfc6266, https://www.rfc-editor.org/rfc/rfc8187
 */
export function contentDisposition(fileName: string): string {
  const plain = fileName.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
