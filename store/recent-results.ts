import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** A stored message, and how far it has come. */
export interface RecentResult {
  readonly messageId: string;
  readonly internetMessageId: string | null;
  readonly mailboxId: string;
  readonly mailbox: string | null;
  readonly folder: string | null;
  readonly subject: string | null;
  readonly fromAddress: string | null;
  readonly fromName: string | null;
  readonly receivedAt: string | null;
  readonly storedAt: string;
  readonly hasAttachments: boolean | null;
  readonly isRead: boolean | null;
  /** By what became of them; a message whose attachments nobody wants has none here. */
  readonly attachments: {
    readonly stored: number;
    readonly wanted: number;
    readonly left_out: number;
    readonly quarantined: number;
  };
  readonly deliveries: {
    readonly waiting: number;
    readonly owed: number;
    readonly delivered: number;
    readonly dead: number;
  };
}

/** The messages that were stored last and that Graph has still, the newest first. */
export const recentResults = (
  db: Database,
  { organizationId, schema }: Organization,
  { limit }: { readonly limit: number },
): Promise<RecentResult[]> =>
  query(db, {
    text: `WITH newest AS MATERIALIZED (
        SELECT _no, _mailbox_no, id, internet_message_id, subject, coalesce(from_address, sender_address) AS from_address,
          coalesce(from_name, sender_name) AS from_name, received_date_time, _extracted_at, has_attachments, is_read, _folder
        FROM ${schema}.emails WHERE _deleted_at IS NULL ORDER BY _no DESC LIMIT ${Math.trunc(limit)}
      )
      SELECT e.id AS "messageId", internet_message_id AS "internetMessageId", m.id AS "mailboxId",
        coalesce(m.mail, m.user_principal_name) AS mailbox, e._folder AS folder, subject, from_address AS "fromAddress",
        from_name AS "fromName", received_date_time AS "receivedAt", e._extracted_at AS "storedAt",
        has_attachments AS "hasAttachments", is_read AS "isRead", attachments, deliveries
      FROM newest e JOIN ${schema}.mailboxes m ON m.mailbox_no = e._mailbox_no
      CROSS JOIN LATERAL (
        SELECT ${counts('state', ['stored', 'wanted', 'left_out', 'quarantined'])} AS attachments
        FROM ${schema}.attachments WHERE _email_no = e._no) a
      CROSS JOIN LATERAL (
        SELECT json_build_object('waiting', count(*) FILTER (WHERE d.status = 'waiting'),
          'owed', count(*) FILTER (WHERE d.status IN ('owed', 'claimed')),
          'delivered', count(*) FILTER (WHERE d.status = 'delivered'),
          'dead', count(*) FILTER (WHERE d.status = 'dead')) AS deliveries
        FROM outhaul.destinations t CROSS JOIN LATERAL (
          SELECT status FROM outhaul.deliveries WHERE destination_no = t.destination_no AND email_no = e._no OFFSET 0) d
        WHERE t.organization_id = $1) o
      ORDER BY e._no DESC`,
    values: [organizationId],
  });

/** JSON that counts rows by the value that a column has. */
const counts = (column: string, values: readonly string[]): string =>
  `json_build_object(${values.map((value) => `'${value}', count(*) FILTER (WHERE ${column} = '${value}')`).join(', ')})`;
