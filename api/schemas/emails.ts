import { z } from 'zod';
import { Count, OrganizationId, OrganizationQuery, Success, Time, text, wholeNumberOr } from './common.ts';

/** Graph's ids have no length of their own; immutable ones have about 150 characters. */
const MESSAGE_ID = 2000;

export const MessageParams = z.object({
  message_id: text(MESSAGE_ID).meta({
    description: "The message's id, percent-encoded: `/`, `+` and `=` may be in it",
    example: 'AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AGnUPtcQC-Eiwmc39SmMpPgAAA8ZAfgAA',
  }),
});

export const AttachmentParams = MessageParams.extend({
  attachment_id: text(MESSAGE_ID).meta({ description: "The attachment's id, percent-encoded" }),
});

export const MessageQuery = OrganizationQuery.extend({
  mailbox: text(320).optional().meta({
    description:
      "Id or address of the mailbox. Ids are a mailbox's own: of several messages with one id, that which was received last is meant",
  }),
});

export const RecentQuery = OrganizationQuery.extend({
  limit: wholeNumberOr(20, 1, 500, 'Messages to answer'),
});

const Text = z.string().nullable();
const Recipients = z.array(z.record(z.string(), z.unknown())).nullable();

const summary = {
  message_id: z.string(),
  internet_message_id: Text,
  mailbox_id: z.string(),
  mailbox: Text.meta({ description: "The mailbox's address" }),
  folder: Text,
  subject: Text,
  from_address: Text,
  from_name: Text,
  received_date_time: Text,
  has_attachments: z.boolean().nullable(),
  is_read: z.boolean().nullable(),
  stored_at: Time,
};

export const RecentResults = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    count: Count,
    results: z.array(
      z.strictObject({
        ...summary,
        attachments: z
          .strictObject({ stored: Count, wanted: Count, left_out: Count, quarantined: Count })
          .meta({ description: 'By what became of them; those that nobody wants are not known' }),
        deliveries: z
          .strictObject({ waiting: Count, owed: Count, delivered: Count, dead: Count })
          .meta({ description: 'Of the message or its attachments; those made long ago are forgotten' }),
      }),
    ),
  })
  .meta({ id: 'RecentResults' });

const Attachment = z
  .strictObject({
    attachment_id: z.string(),
    name: Text,
    kind: z.enum(['file', 'item', 'reference']),
    content_type: Text,
    size: Count.nullable().meta({ description: 'As Graph says it, which is somewhat more than the bytes' }),
    byte_size: Count.nullable(),
    is_inline: z.boolean().nullable(),
    sniffed_type: Text.meta({ description: 'What the first bytes show' }),
    source_url: Text.meta({ description: 'Of a link: where it leads' }),
    sha256: Text,
    state: z.enum(['wanted', 'stored', 'left_out', 'quarantined']),
    reason: Text.meta({ description: 'Why it is not stored' }),
    content: Text.meta({ description: 'Path under which its bytes are; null unless they are stored' }),
  })
  .meta({ id: 'Attachment' });

const Delivery = z
  .strictObject({
    destination_id: z.string(),
    destination: z.string(),
    kind: z.string(),
    attachment_id: Text.meta({ description: 'Null where the message itself is owed' }),
    status: z.enum(['waiting', 'owed', 'claimed', 'delivered', 'dead']),
    attempts: Count,
    cause: Text,
    last_error: Text,
    owed_at: Time,
    delivered_at: Time.nullable(),
    dead_at: Time.nullable(),
  })
  .meta({ id: 'EmailDelivery' });

export const EmailDetails = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    ...summary,
    conversation_id: Text,
    sender_address: Text,
    sender_name: Text,
    to_recipients: Recipients,
    cc_recipients: Recipients,
    bcc_recipients: Recipients,
    sent_date_time: Text,
    importance: Text,
    categories: z.array(z.unknown()).nullable(),
    is_draft: z.boolean().nullable(),
    body_preview: Text,
    web_link: Text,
    deleted_at: Time.nullable().meta({ description: 'Since when Graph has it no more' }),
    attachments: z.array(Attachment),
    deliveries: z.array(Delivery),
  })
  .meta({ id: 'EmailDetails' });

export const EmailJson = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    mailbox_id: z.string(),
    message: z.record(z.string(), z.unknown()).meta({
      description: 'All columns of the table `emails`; `record` holds what Graph said beside them, as received',
    }),
    attachments: z.array(Attachment),
  })
  .meta({ id: 'EmailJson' });
