import { HOLD_SECONDS } from '../model/delivery.ts';
import { looseBlobs } from './blob-rows.ts';
import { run, transaction, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { messageKey } from './quarantine.ts';

/** An attachment whose bytes are missing from the blob store, or are not what they were. */
export interface LostAttachment {
  readonly emailNo: number;
  readonly attachmentId: string;
}

/**
 * The bytes of an attachment are lost: they are to be read from Graph once more, and deliveries that need them wait until
 * they are there again, or cannot be read. Whoever has claimed these has lost the claim. Does nothing where the attachment
 * refers to other bytes by now.
 * @param sha256 the blob that was found missing or altered
 * @param deliveryNos what was to be sent with it; kept in its place in the order
 * @returns the mailbox whose reader has to be woken; undefined where there is nothing to read
 */
export const attachmentLost = (
  db: Database,
  organization: Organization,
  {
    emailNo,
    attachmentId,
    sha256,
    deliveryNos,
  }: LostAttachment & { readonly sha256: string; readonly deliveryNos: readonly number[] },
): Promise<{ readonly mailboxId: string } | undefined> =>
  transaction(db, async (client) => {
    const { schema } = organization;
    const [lost] = await run<{ mailboxId: string }>(client, {
      text: `WITH lost AS (
          UPDATE ${schema}.attachments SET state = 'wanted', sha256 = NULL, byte_size = NULL, sniffed_type = NULL
          WHERE _email_no = $1 AND _key = $2 AND state = 'stored' AND sha256 = $3 RETURNING _mailbox_no
        ), dropped AS (SELECT $3::text AS sha256 FROM lost), ${looseBlobs(organization, 'dropped')}, reads AS (
          UPDATE ${schema}.attachment_reads
          SET state = CASE state WHEN 'done' THEN 'listed' ELSE 'wanted' END, reason = NULL, request_id = NULL, updated_at = now()
          WHERE email_no = $1 AND state IN ('done', 'quarantined') AND EXISTS (SELECT FROM lost)
        )
        SELECT m.id AS "mailboxId" FROM lost JOIN ${schema}.mailboxes m ON m.mailbox_no = lost._mailbox_no`,
      values: [emailNo, messageKey(attachmentId), sha256],
    });
    if (!lost) return undefined;
    await run(client, {
      text: `UPDATE outhaul.deliveries
        SET status = 'waiting', claim_token = NULL, next_at = now() + interval '${HOLD_SECONDS} s'
        WHERE delivery_no = ANY($1::bigint[]) AND email_no = $2 AND status IN ('owed', 'claimed')`,
      values: [deliveryNos, emailNo],
    });
    return lost;
  });
