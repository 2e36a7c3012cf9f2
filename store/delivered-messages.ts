import type { DeliveredEmail } from '../model/delivered-message.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** A message as it lies in the store, for whoever hands it on. */
export interface MessageToDeliver {
  readonly emailNo: number;
  /** Without the body's text, which may be long: `bodiesOf` has it. */
  readonly email: Omit<DeliveredEmail, 'body_content'>;
  readonly mailbox: { readonly id: string; readonly address: string | null };
  /** As filters know it: a standard folder goes by its well-known name. */
  readonly folderPath: string;
  /** What people call the folder. */
  readonly folderName: string | null;
  /** Length of the body's text, in bytes as it is stored. */
  readonly bodyBytes: number;
}

const EMAIL: readonly (keyof MessageToDeliver['email'])[] = [
  'id',
  'internet_message_id',
  'conversation_id',
  'conversation_index',
  'subject',
  'body_preview',
  'body_content_type',
  'sender_address',
  'sender_name',
  'from_address',
  'from_name',
  'to_recipients',
  'cc_recipients',
  'bcc_recipients',
  'received_date_time',
  'sent_date_time',
  'has_attachments',
];

/** Messages by the numbers of their rows, in no order; also those that Graph has not any more, for they are owed still. */
export async function messagesToDeliver(
  db: Pick<Database, 'pool'>,
  { schema }: Organization,
  emailNos: readonly number[],
): Promise<MessageToDeliver[]> {
  const rows = await query<
    DeliveredEmail & Omit<MessageToDeliver, 'email' | 'mailbox'> & { mailboxId: string; address: string | null }
  >(db, {
    text: `SELECT ${EMAIL.map((column) => `e.${column}`).join(', ')}, e._no AS "emailNo", e._user_id AS "mailboxId",
        e._user_email AS address, coalesce(e._folder, '') AS "folderPath", f.display_name AS "folderName",
        coalesce(octet_length(e.body_content), 0) AS "bodyBytes"
      FROM unnest($1::bigint[]) AS no CROSS JOIN LATERAL (SELECT * FROM ${schema}.emails WHERE _no = no OFFSET 0) e
        LEFT JOIN LATERAL (
          SELECT display_name FROM ${schema}.mail_folders WHERE folder_no = e._folder_no OFFSET 0) f ON true`,
    values: [emailNos],
    prepared: true,
  });
  return rows.map(({ emailNo, mailboxId, address, folderPath, folderName, bodyBytes, ...email }) => ({
    emailNo,
    email,
    mailbox: { id: mailboxId, address },
    folderPath,
    folderName,
    bodyBytes,
  }));
}

/** The texts of messages' bodies, by the numbers of their rows. */
export async function bodiesOf(
  db: Pick<Database, 'pool'>,
  { schema }: Organization,
  emailNos: readonly number[],
): Promise<Map<number, string | null>> {
  const rows = await query<{ no: number; body: string | null }>(db, {
    text: `SELECT no, e.body FROM unnest($1::bigint[]) AS no
      CROSS JOIN LATERAL (SELECT body_content AS body FROM ${schema}.emails WHERE _no = no OFFSET 0) e`,
    values: [emailNos],
    prepared: true,
  });
  return new Map(rows.map(({ no, body }) => [no, body]));
}
