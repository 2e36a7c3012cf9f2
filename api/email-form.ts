import type { StoredAttachment } from '../store/attachment-lookup.ts';
import type { EmailDelivery, EmailPlace } from '../store/email-details.ts';
import type { WholeEmail } from '../store/email-lookup.ts';
import type { RecentResult } from '../store/recent-results.ts';

export const resultOf = (result: RecentResult) => ({
  message_id: result.messageId,
  internet_message_id: result.internetMessageId,
  mailbox_id: result.mailboxId,
  mailbox: result.mailbox,
  folder: result.folder,
  subject: result.subject,
  from_address: result.fromAddress,
  from_name: result.fromName,
  received_date_time: result.receivedAt,
  has_attachments: result.hasAttachments,
  is_read: result.isRead,
  stored_at: result.storedAt,
  attachments: result.attachments,
  deliveries: result.deliveries,
});

/** Columns that are told in the summary of a message under their own names. */
const TOLD = [
  'internet_message_id',
  'subject',
  'received_date_time',
  'has_attachments',
  'is_read',
  'conversation_id',
  'sender_address',
  'sender_name',
  'to_recipients',
  'cc_recipients',
  'bcc_recipients',
  'sent_date_time',
  'importance',
  'categories',
  'is_draft',
  'body_preview',
  'web_link',
] as const;

/** A message in short. Who it is from is Graph's `from`, else its `sender`. */
export const detailsOf = ({ mailboxId, mailbox }: EmailPlace, row: WholeEmail) => ({
  message_id: row['id'],
  mailbox_id: mailboxId,
  mailbox,
  folder: row['_folder'],
  from_address: row['from_address'] ?? row['sender_address'],
  from_name: row['from_name'] ?? row['sender_name'],
  stored_at: row['_extracted_at'],
  deleted_at: row['_deleted_at'],
  ...Object.fromEntries(TOLD.map((name) => [name, row[name]])),
});

export const attachmentEntry = (mailboxId: string, attachment: StoredAttachment) => ({
  attachment_id: attachment.id,
  name: attachment.name,
  kind: attachment.kind,
  content_type: attachment.contentType,
  size: attachment.size,
  byte_size: attachment.byteSize,
  is_inline: attachment.isInline,
  sniffed_type: attachment.sniffedType,
  source_url: attachment.sourceUrl,
  sha256: attachment.sha256,
  state: attachment.state,
  reason: attachment.reason,
  content: attachment.state === 'stored' ? contentPath(mailboxId, attachment) : null,
});

const contentPath = (mailboxId: string, { messageId, id }: StoredAttachment): string =>
  `/email-details/${encodeURIComponent(messageId)}/attachments/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailboxId)}`;

export const deliveryEntry = (delivery: EmailDelivery) => ({
  destination_id: delivery.destinationId,
  destination: delivery.destination,
  kind: delivery.kind,
  attachment_id: delivery.attachmentId,
  status: delivery.status,
  attempts: delivery.attempts,
  cause: delivery.cause,
  last_error: delivery.lastError,
  owed_at: delivery.owedAt,
  delivered_at: delivery.deliveredAt,
  dead_at: delivery.deadAt,
});
