import { authorOf, type AttachmentMetadata, type DeliveredMessage } from './delivered-message.ts';
import { toSeconds } from './payload-times.ts';

/** One attachment in a Redis list, in the field names that consumers know. Absent texts are empty, never missing. */
export interface QueueItem<Content = string> {
  /** The same for the same delivery, however often it is sent. */
  readonly task_id: string;
  readonly email_id: string;
  readonly email_subject: string;
  /** The sender's name. */
  readonly email_sender: string;
  readonly email_sender_email: string;
  /** The whole body, HTML or text. */
  readonly email_content: string;
  /** As in `2025-01-19T10:30:00Z`. */
  readonly email_received_date: string;
  readonly attachment_id: string;
  readonly attachment_filename: string;
  readonly attachment_content_b64: Content;
  readonly attachment_mime_type: string;
  /** Bytes of the content. */
  readonly attachment_size: number;
  readonly created_at: string;
}

export interface QueueItemParts<Content> {
  readonly taskId: string;
  readonly message: DeliveredMessage;
  readonly attachment: AttachmentMetadata;
  /** The base64 text, or what stands for it. */
  readonly content: Content;
  /** Length of the content, decoded. */
  readonly bytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** What a consumer takes a file for whose type nobody named. */
const UNKNOWN_TYPE = 'application/octet-stream';

export function toQueueItem<Content>(parts: QueueItemParts<Content>): QueueItem<Content> {
  const { taskId, message, attachment, content, bytes, createdAt } = parts;
  const { email } = message;
  const author = authorOf(message);
  return {
    task_id: taskId,
    email_id: email.id,
    email_subject: email.subject ?? '',
    email_sender: author.name,
    email_sender_email: author.address,
    email_content: email.body_content ?? '',
    email_received_date: toSeconds(email.received_date_time),
    attachment_id: attachment.id,
    attachment_filename: attachment.name ?? '',
    attachment_content_b64: content,
    attachment_mime_type: attachment.contentType ?? UNKNOWN_TYPE,
    attachment_size: bytes,
    created_at: toSeconds(createdAt),
  };
}
