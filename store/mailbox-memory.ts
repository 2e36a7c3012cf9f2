import { query, type Database } from './database.ts';

export interface MailboxName {
  readonly organizationId: string;
  readonly mailboxId: string;
}

/** What earlier reads have left behind for the next one. */
export interface MailboxMemory {
  /** The most messages that Graph could answer in one page lately; null: as many as it was asked for. */
  readonly pageLimit: number | null;
  /** Messages in quarantine. */
  readonly quarantined: number;
  /** The mailbox's address, as it was when it was last discovered. */
  readonly address: string | null;
}

/** The memory as columns of a statement on the mailbox's row; the parameters hold the organization's and the mailbox's id. */
export const memoryColumns = (organizationId: string, mailboxId: string): string => `
  (SELECT messages FROM outhaul.page_limits
    WHERE organization_id = ${organizationId} AND mailbox_id = ${mailboxId}) AS "pageLimit",
  (SELECT count(*) FROM outhaul.quarantine
    WHERE organization_id = ${organizationId} AND mailbox_id = ${mailboxId} AND resolved_at IS NULL) AS quarantined,
  _user_email AS address`;

/** Remembers how large a page may be, or that pages of any size come. */
export async function rememberPageLimit(
  db: Database,
  { organizationId, mailboxId, pageLimit }: MailboxName & Pick<MailboxMemory, 'pageLimit'>,
): Promise<void> {
  const forget = 'DELETE FROM outhaul.page_limits WHERE organization_id = $1 AND mailbox_id = $2';
  const remember = `INSERT INTO outhaul.page_limits (organization_id, mailbox_id, messages) VALUES ($1, $2, $3)
    ON CONFLICT (organization_id, mailbox_id) DO UPDATE SET messages = excluded.messages, updated_at = now()`;
  await query(
    db,
    pageLimit === null
      ? { text: forget, values: [organizationId, mailboxId] }
      : { text: remember, values: [organizationId, mailboxId, pageLimit] },
  );
}
