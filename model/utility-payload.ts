import { authorOf, type AttachmentMetadata, type DeliveredMessage } from './delivered-message.ts';
import type { Recipient } from './member-reader.ts';
import { toZonelessMicroseconds } from './payload-times.ts';

interface AttachmentEntry {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly content_type: string;
  readonly is_inline: boolean;
}

/** What a utility gets of an attachment that goes along: its content twice, since clients read either name. */
export interface AttachmentWithContent<Content> extends AttachmentEntry {
  readonly content_bytes: Content;
  readonly content: Content;
}

/** A message in a batch: all but the body's whole text and the attachments' content. */
export interface EmailMetadata {
  readonly message_id: string;
  readonly internet_message_id: string;
  readonly conversation_id: string;
  readonly conversation_index: string;
  readonly subject: string;
  readonly body_preview: string;
  readonly body_type: string;
  readonly from_address: string;
  readonly from_name: string;
  readonly to_recipients: readonly Addressee[];
  readonly cc_recipients: readonly Addressee[];
  readonly bcc_recipients: readonly Addressee[];
  /** UTC without a zone, as in `2025-12-23T09:45:12.000000`. */
  readonly received_datetime: string;
  readonly sent_datetime: string;
  readonly has_attachments: boolean;
  readonly attachment_metadata: readonly AttachmentEntry[];
  readonly mailbox: string;
  readonly folder: string;
  readonly direction: 'received' | 'sent';
}

/** The body of a utility's `/process`. Every field is always there: absent values are `""`, `[]` or `false`. */
export interface UtilityPayload<Content = string> extends EmailMetadata {
  readonly body_content: string;
  readonly attachments: readonly AttachmentWithContent<Content>[];
}

interface Addressee {
  readonly address: string;
  readonly name: string;
}

/**
 * The payload of a message.
 * @param attachments those that go along with their content: base64 text, or what stands for it
 */
export function toUtilityPayload<Content>(
  message: DeliveredMessage,
  attachments: readonly { readonly metadata: AttachmentMetadata; readonly content: Content }[],
): UtilityPayload<Content> {
  const { mailbox, folder, direction, ...metadata } = toEmailMetadata(message);
  return {
    ...metadata,
    body_content: message.email.body_content ?? '',
    attachments: attachments.map(({ metadata, content }) => ({
      ...toEntry(metadata),
      content_bytes: content,
      content,
    })),
    mailbox,
    folder,
    direction,
  };
}

export function toEmailMetadata(message: DeliveredMessage): EmailMetadata {
  const { email } = message;
  const author = authorOf(message);
  return {
    message_id: email.id,
    internet_message_id: email.internet_message_id ?? '',
    conversation_id: email.conversation_id ?? '',
    conversation_index: email.conversation_index ?? '',
    subject: email.subject ?? '',
    body_preview: email.body_preview ?? '',
    body_type: email.body_content_type?.toLowerCase() ?? '',
    from_address: author.address,
    from_name: author.name,
    to_recipients: toAddressees(email.to_recipients),
    cc_recipients: toAddressees(email.cc_recipients),
    bcc_recipients: toAddressees(email.bcc_recipients),
    received_datetime: toZonelessMicroseconds(email.received_date_time),
    sent_datetime: toZonelessMicroseconds(email.sent_date_time),
    has_attachments: email.has_attachments ?? false,
    attachment_metadata: message.attachments.map(toEntry),
    mailbox: message.mailbox,
    folder: message.folder,
    direction: message.direction,
  };
}

const toAddressees = (recipients: readonly Recipient[] | null): Addressee[] =>
  (recipients ?? []).map(({ address, name }) => ({ address: address ?? '', name: name ?? '' }));

const toEntry = ({ id, name, size, contentType, isInline }: AttachmentMetadata): AttachmentEntry => ({
  id,
  name: name ?? '',
  size,
  content_type: contentType ?? '',
  is_inline: isInline,
});
