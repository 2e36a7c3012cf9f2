import type { EmailRow } from './email.ts';

/**
 * An attachment as its message tells of it: named and typed as a file (`asFile`). `id` is Graph's, and so is `size`, which
 * counts more than the content.
 */
export interface AttachmentMetadata {
  readonly id: string;
  readonly name: string | null;
  /** Bytes. */
  readonly size: number;
  readonly contentType: string | null;
  readonly isInline: boolean;
}

/** Of a stored message what destinations hear. */
export type DeliveredEmail = Pick<
  EmailRow,
  | 'id'
  | 'internet_message_id'
  | 'conversation_id'
  | 'conversation_index'
  | 'subject'
  | 'body_preview'
  | 'body_content'
  | 'body_content_type'
  | 'sender_address'
  | 'sender_name'
  | 'from_address'
  | 'from_name'
  | 'to_recipients'
  | 'cc_recipients'
  | 'bcc_recipients'
  | 'received_date_time'
  | 'sent_date_time'
  | 'has_attachments'
>;

/** A message as it is handed on, whatever the kind of destination. */
export interface DeliveredMessage {
  readonly email: DeliveredEmail;
  /** All that the message has, also those whose content does not go along. */
  readonly attachments: readonly AttachmentMetadata[];
  /** The mailbox's address. */
  readonly mailbox: string;
  /** The folder's display name. */
  readonly folder: string;
  readonly direction: 'received' | 'sent';
}

/** Who a message is from: Graph's `from`, or else its `sender`. Both strings are empty where neither is known. */
export function authorOf({ email }: DeliveredMessage): { readonly address: string; readonly name: string } {
  return email.from_address === null && email.from_name === null
    ? { address: email.sender_address ?? '', name: email.sender_name ?? '' }
    : { address: email.from_address ?? '', name: email.from_name ?? '' };
}
