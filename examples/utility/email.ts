import { z } from 'zod';

const person = z.object({ address: z.string(), name: z.string() });

/** UTC without a zone: `2025-12-23T09:45:12.000000`; empty where it is not known. */
const time = z.string().regex(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})?$/, 'must be like 2025-12-23T09:45:12.000000');

const attachmentMetadata = z.object({
  id: z.string(),
  name: z.string(),
  /** Bytes, as the mail server counts them: somewhat more than the content. */
  size: z.number(),
  content_type: z.string(),
  is_inline: z.boolean(),
});

/** A message as it comes to `POST /process`. Every field is always there; what is not known is `""`, `[]` or `false`. */
export const emailSchema = z.object({
  message_id: z.string().min(1),
  internet_message_id: z.string(),
  conversation_id: z.string(),
  conversation_index: z.string(),
  subject: z.string(),
  body_preview: z.string(),
  body_content: z.string(),
  body_type: z.enum(['html', 'text', '']),
  from_address: z.string(),
  from_name: z.string(),
  to_recipients: z.array(person),
  cc_recipients: z.array(person),
  bcc_recipients: z.array(person),
  received_datetime: time,
  sent_datetime: time,
  has_attachments: z.boolean(),
  /** All attachments of the message. */
  attachment_metadata: z.array(attachmentMetadata),
  /** Those whose content goes along, as base64, under two names: the same twice. */
  attachments: z.array(attachmentMetadata.extend({ content_bytes: z.string(), content: z.string() })),
  mailbox: z.string(),
  folder: z.string(),
  direction: z.enum(['received', 'sent']),
});

export type Email = z.infer<typeof emailSchema>;
