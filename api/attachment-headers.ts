import { asFile, type KnownAttachment } from '../model/attached-item.ts';
import { safeFileName } from '../model/file-names.ts';

/**
 * Headers under which no browser takes an attachment for a page of ours, or opens it by itself: whoever sends a mail says
 * what its attachments are called and of what type they are.
 */
export function attachmentHeaders(attachment: KnownAttachment): Record<string, string> {
  return {
    'Content-Type': contentTypeOf(attachment),
    'Content-Disposition': contentDisposition(safeFileName(asFile(attachment).name ?? '', 'attachment')),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
  };
}

const UNKNOWN_TYPE = 'application/octet-stream';
const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;
/** What browsers run or render as a page. */
const ACTIVE = /html|xml|script|svg|xsl|flash|^multipart\/|^text\/(vbs|css|event-stream)|^application\/(java|hta|x-ms)/;

/** The type as which it is handed on, else what the bytes show; never one that a browser would run. */
export function contentTypeOf(attachment: KnownAttachment): string {
  const said = [asFile(attachment).contentType, attachment.sniffedType].map(essenceOf);
  const type = said.find((type) => type !== '' && type !== UNKNOWN_TYPE) ?? UNKNOWN_TYPE;
  return ACTIVE.test(type) ? UNKNOWN_TYPE : type;
}

/** Without parameters; empty where it is no type. */
function essenceOf(type: string | null): string {
  const essence = (type ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return TYPE.test(essence) ? essence : '';
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
