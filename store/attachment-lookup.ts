import type { AttachmentKind } from '../model/attachment.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { messageKey } from './quarantine.ts';

/** `wanted`: the bytes are to come. `left_out`: nobody wants them. `quarantined`: they cannot be read. */
export type AttachmentState = 'wanted' | 'stored' | 'left_out' | 'quarantined';

/** An attachment as it is stored. */
export interface StoredAttachment {
  readonly emailNo: number;
  readonly messageId: string;
  readonly id: string;
  readonly kind: AttachmentKind;
  readonly name: string | null;
  readonly contentType: string | null;
  /** As Graph says it: somewhat more than `byteSize`. */
  readonly size: number | null;
  readonly isInline: boolean | null;
  readonly contentId: string | null;
  readonly sourceUrl: string | null;
  /** From 0, in Graph's order. */
  readonly position: number;
  readonly state: AttachmentState;
  /** Why it is not stored. */
  readonly reason: string | null;
  readonly requestId: string | null;
  /** Its blob; null unless stored. */
  readonly sha256: string | null;
  readonly byteSize: number | null;
  /** The MIME type that the first bytes show, where they do. */
  readonly sniffedType: string | null;
}

const ATTACHMENT = `a._email_no AS "emailNo", a.message_id AS "messageId", a.id, a.kind, a.name,
  a.content_type AS "contentType", a.size, a.is_inline AS "isInline", a.content_id AS "contentId",
  a.source_url AS "sourceUrl", a.position, a.state, a.reason, a.request_id AS "requestId", a.sha256,
  a.byte_size AS "byteSize", a.sniffed_type AS "sniffedType"`;

/** The attachments of messages by the numbers of their rows, message after message, each in Graph's order. */
export const attachmentsOfEmails = (
  db: Database,
  { schema }: Organization,
  emailNos: readonly number[],
): Promise<StoredAttachment[]> =>
  query(db, {
    text: `SELECT ${ATTACHMENT} FROM ${schema}.attachments a WHERE a._email_no = ANY($1::bigint[])
      ORDER BY a._email_no, a.position`,
    values: [emailNos],
    prepared: true,
  });

/** The attachments of one message, in Graph's order; none where the message is not stored or was not listed yet. */
export const attachmentsOfMessage = (
  db: Database,
  { schema }: Organization,
  { mailboxId, messageId }: { readonly mailboxId: string; readonly messageId: string },
): Promise<StoredAttachment[]> =>
  query(db, {
    text: `SELECT ${ATTACHMENT} ${attachments(schema)} ORDER BY a.position`,
    values: [mailboxId, storableText(messageId)],
  });

/** One attachment of a message, or undefined where it is not known. */
export async function attachmentById(
  db: Database,
  { schema }: Organization,
  { mailboxId, messageId, id }: { readonly mailboxId: string; readonly messageId: string; readonly id: string },
): Promise<StoredAttachment | undefined> {
  const [attachment] = await query<StoredAttachment>(db, {
    text: `SELECT ${ATTACHMENT} ${attachments(schema)} AND a._key = $3`,
    values: [mailboxId, storableText(messageId), messageKey(id)],
  });
  return attachment;
}

const attachments = (schema: string): string => `FROM ${schema}.mailboxes m
  JOIN ${schema}.emails e ON e._mailbox_no = m.mailbox_no AND e.id = $2
  JOIN ${schema}.attachments a ON a._email_no = e._no WHERE m.id = $1`;
