import { asFile, possibleFiles, type KnownAttachment } from './attached-item.ts';
import { sizeVerdict } from './attachment-size.ts';
import { KIND_TRAITS, type KindSettings } from './destination.ts';
import { isOfGroups } from './email-groups.ts';
import type { EmailRow } from './email.ts';
import { fileTypeVerdict, fileTypesOf, isOfFileTypes, type Verdict } from './file-types.ts';
import { parseFolders } from './folders.ts';
import type { Recipient } from './member-reader.ts';

export const DIRECTIONS = ['received', 'sent'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/**
 * Which messages and attachments a destination wants: all that every given filter lets through. Of the values of one
 * filter any will do. Case does not matter.
 */
export interface DestinationFilters {
  /** Addresses or domains (`example.com` or `@example.com`). */
  readonly sender?: readonly string[];
  /** The same, of any recipient, in copy or not. */
  readonly recipient?: readonly string[];
  /** Addresses, domains or ids. */
  readonly mailbox?: readonly string[];
  /** Names as scans take them: well-known ones, display names, paths. */
  readonly folder?: readonly string[];
  readonly direction?: Direction;
  /** Texts of which the subject is to hold one. */
  readonly subject?: readonly string[];
  /** As Graph says: an image in the body is none. */
  readonly hasAttachments?: boolean;
  /** Extensions (`.pdf` or `pdf`) or MIME types (`application/pdf`, `image/*`): a message needs one such attachment. */
  readonly attachmentType?: readonly string[];
  /** Larger attachments are left out. */
  readonly maxAttachmentBytes?: number;
}

/** What the filters look at in a message. */
export type FilteredEmail = Pick<
  EmailRow,
  | 'subject'
  | 'sender_address'
  | 'from_address'
  | 'to_recipients'
  | 'cc_recipients'
  | 'bcc_recipients'
  | 'has_attachments'
  | 'is_draft'
>;

/** A message and where it lies. */
export interface FilteredMessage {
  readonly email: FilteredEmail;
  /** Whether its attachments are to be looked up: `mayHaveAttachments`. */
  readonly mayHaveAttachments: boolean;
  readonly mailbox: { readonly id: string; readonly address: string | null };
  /** As the store has it: a standard folder goes by its well-known name. */
  readonly folderPath: string;
}

/** What the filters look at in an attachment. */
export interface FilteredAttachment extends KnownAttachment {
  readonly id: string;
  /** As Graph says it, which is somewhat more than the bytes. */
  readonly size: number | null;
  /** The bytes themselves; null while they are not there. */
  readonly byteSize: number | null;
}

/** Graph does not count attachments that a body shows, by `cid:`, so that only their list tells. */
export const mayHaveAttachments = (email: Pick<EmailRow, 'has_attachments' | 'body_content'>): boolean =>
  email.has_attachments !== false || (email.body_content?.includes('cid:') ?? false);

/** Whether the filters that concern messages let this one through; those on attachments have not been asked. */
export function matchesMessage(filters: DestinationFilters, message: FilteredMessage): boolean {
  const { email, mailbox, folderPath } = message;
  const { sender, recipient, subject } = filters;
  return (
    (!sender || [email.from_address, email.sender_address].some((address) => isNamed(sender, address))) &&
    (!recipient || recipientsOf(email).some(({ address }) => isNamed(recipient, address))) &&
    (!filters.mailbox || isNamed(filters.mailbox, mailbox.address) || isNamed(filters.mailbox, mailbox.id)) &&
    (!filters.folder || filters.folder.some((name) => liesIn(name, folderPath))) &&
    (!filters.direction || filters.direction === directionOf(message)) &&
    (!subject || subject.some((text) => fold(email.subject ?? '').includes(fold(text)))) &&
    (filters.hasAttachments === undefined || filters.hasAttachments === (email.has_attachments ?? false))
  );
}

/** Whether the filters on attachments let this one through, as far as it is known; where its bytes could tell, they may. */
export function matchesAttachment(filters: DestinationFilters, attachment: FilteredAttachment): boolean {
  const { attachmentType: types, maxAttachmentBytes: most } = filters;
  return (
    sizeVerdict(attachment, most) !== 'unwanted' &&
    (!types || (types.length > 0 && isOfFileTypes(fileTypesOf(types), asFile(attachment), attachment.sniffedType)))
  );
}

/** Whether there may be an attachment of which a destination needs the bytes. */
export const mayNeedBytes = ({ kind, settings: { filters } }: KindSettings): boolean =>
  KIND_TRAITS[kind].owed === 'attachment' ||
  filters.attachmentType !== undefined ||
  (kind === 'utility' && filters.hasAttachments === true);

/**
 * Whether a destination needs the bytes of an attachment: to have them, or to know of what type they are. Of a link there
 * are none.
 */
export function needsBytes(destination: KindSettings, attachment: FilteredAttachment): boolean {
  const { attachmentType: types, maxAttachmentBytes } = destination.settings.filters;
  const byType = types ? typeVerdict(types, attachment) : 'wanted';
  if (attachment.kind === 'reference' || byType === 'unwanted' || !mayNeedBytes(destination)) return false;
  if (sizeVerdict(attachment, maxAttachmentBytes) === 'unwanted') return false;
  return destination.kind !== 'batch' || byType === 'look';
}

/** Whether an attachment is of one of the types, as far as it is known without its bytes. No types let nothing through. */
function typeVerdict(types: readonly string[], attachment: FilteredAttachment): Verdict {
  if (types.length === 0) return 'unwanted';
  const wanted = fileTypesOf(types);
  const [verdict = 'look', ...others] = possibleFiles(attachment).map((file) => fileTypeVerdict(wanted, file));
  return others.every((other) => other === verdict) ? verdict : 'look';
}

/** Whether a message was sent from the mailbox in which it lies. */
export function directionOf({
  email,
  mailbox,
  folderPath,
}: Omit<FilteredMessage, 'email'> & {
  readonly email: Pick<FilteredEmail, 'from_address' | 'sender_address'>;
}): Direction {
  const [top = ''] = fold(folderPath).split('/');
  if (['sentitems', 'outbox', 'drafts'].includes(top)) return 'sent';
  if (['inbox', 'junkemail'].includes(top) || mailbox.address === null) return 'received';
  const address = fold(mailbox.address);
  return [email.from_address, email.sender_address].some((from) => fold(from ?? '') === address) ? 'sent' : 'received';
}

/** What a message that was just stored is to a destination: no matter; owed; or owed once its attachments are there. */
export type Owing = 'nothing' | 'owed' | 'waiting';

/**
 * A message without sender, recipients or subject is one that filters on these leave out. A draft is owed to nobody: it is
 * mail once it is sent, and owed then.
 */
export function owingOf({ kind, settings }: KindSettings, message: FilteredMessage): Owing {
  const { filters } = settings;
  if (message.email.is_draft || !matchesMessage(filters, message)) return 'nothing';
  if (message.mayHaveAttachments) return 'waiting';
  return KIND_TRAITS[kind].owed === 'attachment' || filters.attachmentType ? 'nothing' : 'owed';
}

/** What is owed of a message that waited, now that its attachments are known: itself, some of them by id, or nothing. */
export type OwedOfMessage = 'message' | readonly string[];

/** An attachment of a message that waited. */
export interface AwaitedAttachment extends FilteredAttachment {
  /** Its bytes were wanted, and cannot be had. */
  readonly unreadable: boolean;
}

/**
 * Nothing is no attachments. One that cannot be read is owed also where only its bytes could tell whether it is wanted;
 * `unknown`: whether the message is wanted hangs on such a one.
 */
export function owedOf(
  destination: KindSettings,
  attachments: readonly AwaitedAttachment[],
): OwedOfMessage | 'unknown' {
  const { filters } = destination.settings;
  const isWanted = (one: AwaitedAttachment): boolean => matchesAttachment(filters, one);
  const isUntold = (one: AwaitedAttachment): boolean => one.unreadable && needsBytes(destination, one);
  if (KIND_TRAITS[destination.kind].owed === 'attachment') {
    return attachments.filter((one) => isWanted(one) || isUntold(one)).map(({ id }) => id);
  }
  if (!filters.attachmentType || attachments.some(isWanted)) return 'message';
  return attachments.some(isUntold) ? 'unknown' : [];
}

/**
 * The attachments of which a utility gets the content: those that its filters on attachments let through, and none where
 * it has no such filter. It is told of all.
 */
export const withContent = <Attachment extends FilteredAttachment>(
  filters: DestinationFilters,
  attachments: readonly Attachment[],
): Attachment[] =>
  filters.attachmentType || filters.hasAttachments
    ? attachments.filter((attachment) => matchesAttachment(filters, attachment))
    : [];

const fold = (text: string): string => text.trim().toLowerCase();

const recipientsOf = (email: FilteredEmail): Recipient[] =>
  [email.to_recipients, email.cc_recipients, email.bcc_recipients].flatMap((recipients) => recipients ?? []);

/** Whether one of the names is the address (or id), or its domain. */
function isNamed(names: readonly string[], address: string | null): boolean {
  const groups = names.map((name) => fold(name).replace(/^@/, '')).filter((name) => name !== '');
  return groups.length > 0 && (isOfGroups(groups, [address]) || groups.includes(fold(address ?? '')));
}

function liesIn(name: string, folderPath: string): boolean {
  const path = fold(folderPath);
  const [first = '', ...rest] = name.split('/');
  const [top] = parseFolders([first]);
  if (top?.kind === 'all' && rest.length === 0) return true;
  const wanted = [top?.kind === 'well-known' ? top.name : first, ...rest].map(fold).join('/');
  return path === wanted || (rest.length === 0 && path.slice(path.lastIndexOf('/') + 1) === wanted);
}
