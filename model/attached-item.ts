import type { AttachmentKind } from './attachment.ts';
import type { NamedType } from './file-types.ts';

/** What is known of an attachment, of any kind, that says what file it is. */
export interface KnownAttachment extends NamedType {
  readonly kind: AttachmentKind;
  /** The MIME type that the first bytes show, where they do. */
  readonly sniffedType: string | null;
}

/** What Graph makes of an item: of a mail its MIME text, of a contact a vCard, of an event iCalendar. */
interface Form {
  readonly type: string;
  readonly extension: string;
}

const MAIL: Form = { type: 'message/rfc822', extension: '.eml' };
const CONTACT: Form = { type: 'text/vcard', extension: '.vcf' };
const EVENT: Form = { type: 'text/calendar', extension: '.ics' };
const FORMS: ReadonlyMap<string, Form> = new Map([
  [MAIL.type, MAIL],
  [CONTACT.type, CONTACT],
  ['text/x-vcard', CONTACT],
  [EVENT.type, EVENT],
]);

/**
 * The name and the MIME type under which an attachment is handed on. Those of a file or a link are as they came. An item is
 * called by a subject and mostly of no type that Graph would say: its first bytes tell a contact or an event, and anything
 * else is a mail. A name that has the extension already keeps it.
 * Source: https://learn.microsoft.com/graph/api/attachment-get
 */
export function asFile({ kind, name, contentType, sniffedType }: KnownAttachment): NamedType {
  if (kind !== 'item') return { name, contentType };
  return named(name, formOf(sniffedType) ?? formOf(contentType) ?? MAIL);
}

/** All that an attachment may turn out to be once its bytes are there: an item without a type any of three. */
export function possibleFiles({ kind, name, contentType }: Omit<KnownAttachment, 'sniffedType'>): readonly NamedType[] {
  if (kind !== 'item') return [{ name, contentType }];
  const said = formOf(contentType);
  return (said ? [said] : [MAIL, CONTACT, EVENT]).map((form) => named(name, form));
}

function formOf(type: string | null): Form | undefined {
  const [essence = ''] = (type ?? '').toLowerCase().split(';');
  return FORMS.get(essence.trim());
}

function named(name: string | null, { type, extension }: Form): NamedType {
  const subject = (name ?? '').replace(/[\s.]+$/, '') || 'attachment';
  const isNamed = subject.toLowerCase().endsWith(extension);
  return { name: isNamed ? subject : `${subject}${extension}`, contentType: type };
}
