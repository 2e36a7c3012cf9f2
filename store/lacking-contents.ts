import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/**
 * Whether messages of the mailbox wait for their attachments, or lack contents that are wanted. Of most mailboxes none
 * does, and one look is enough.
 */
export async function lacksContents(
  db: Pick<Database, 'pool'>,
  { organizationId, schema }: Organization,
  mailboxId: string,
): Promise<boolean> {
  const [row] = await query<{ lacks: boolean }>(db, {
    text: `SELECT EXISTS (SELECT FROM outhaul.deliveries
          WHERE organization_id = $1 AND mailbox_no = m.mailbox_no AND status = 'waiting')
        OR EXISTS (SELECT FROM ${schema}.attachment_reads r
          WHERE r.mailbox_no = m.mailbox_no AND r.state IN ('wanted', 'listed'))
        OR EXISTS (SELECT FROM ${schema}.originals o WHERE o._mailbox_no = m.mailbox_no AND o.state = 'wanted') AS lacks
      FROM ${schema}.mailboxes m WHERE m.id = $2`,
    values: [organizationId, mailboxId],
    prepared: true,
  });
  return row?.lacks ?? false;
}
