import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { EMAIL_COLUMNS, EXTRACTION_COLUMNS } from './email-columns.ts';
import type { WholeEmail } from './email-lookup.ts';
import type { Organization } from './organizations.ts';

/** Where a stored message is. */
export interface EmailPlace {
  readonly emailNo: number;
  readonly mailboxId: string;
  readonly mailbox: string | null;
}

/**
 * A message of an organization by Graph's id. Ids are a mailbox's own, so that several may have the same: of these the one
 * that was received last.
 * @param mailbox the mailbox's id or address, where only that one is meant
 */
export async function findEmail(
  db: Database,
  { schema }: Organization,
  { messageId, mailbox }: { readonly messageId: string; readonly mailbox?: string | undefined },
): Promise<EmailPlace | undefined> {
  const [place] = await query<EmailPlace>(db, {
    text: `SELECT e._no AS "emailNo", m.id AS "mailboxId", coalesce(m.mail, m.user_principal_name) AS mailbox
      FROM ${schema}.mailboxes m CROSS JOIN LATERAL (
        SELECT _no, received_date_time FROM ${schema}.emails WHERE _mailbox_no = m.mailbox_no AND id = $1 OFFSET 0) e
      WHERE $2::text IS NULL OR $2 IN (m.id, lower(m.mail), lower(m.user_principal_name))
      ORDER BY received_date_time DESC NULLS LAST, _no DESC LIMIT 1`,
    values: [storableText(messageId), mailbox?.toLowerCase()],
  });
  return place;
}

/** What stands on every row of `emails` beside what Graph said. */
const OURS = [...EXTRACTION_COLUMNS, '_content', '_deleted_at'];

/** A message as it is stored, with all its columns but internal numbers. */
export async function wholeEmail(
  db: Database,
  { schema }: Organization,
  emailNo: number,
): Promise<WholeEmail | undefined> {
  const [row] = await query<WholeEmail>(db, {
    text: `SELECT ${[...EMAIL_COLUMNS, ...OURS].join(', ')} FROM ${schema}.emails WHERE _no = $1`,
    values: [emailNo],
  });
  return row;
}

/** What became of a message, or one of its attachments, at a destination. */
export interface EmailDelivery {
  readonly destinationId: string;
  readonly destination: string;
  readonly kind: string;
  /** Null where the message itself is owed, or its attachments are not known yet. */
  readonly attachmentId: string | null;
  readonly status: string;
  readonly attempts: number;
  /** Why the last attempt was refused, as a code and in words. */
  readonly cause: string | null;
  readonly lastError: string | null;
  readonly owedAt: string;
  readonly deliveredAt: string | null;
  readonly deadAt: string | null;
}

/** The deliveries of a message, destination after destination; those made long ago are forgotten. */
export const deliveriesOfEmail = (
  db: Database,
  { organizationId }: Organization,
  emailNo: number,
): Promise<EmailDelivery[]> =>
  query(db, {
    text: `SELECT t.destination_id AS "destinationId", t.name AS destination, t.kind,
        nullif(d.attachment_id, '') AS "attachmentId", d.status, d.attempts, d.cause, d.last_error AS "lastError",
        d.owed_at AS "owedAt", d.delivered_at AS "deliveredAt", d.dead_at AS "deadAt"
      FROM outhaul.destinations t CROSS JOIN LATERAL (
        SELECT * FROM outhaul.deliveries WHERE destination_no = t.destination_no AND email_no = $2 OFFSET 0) d
      WHERE t.organization_id = $1 ORDER BY t.destination_no, d.part, d.delivery_no`,
    values: [organizationId, emailNo],
  });
