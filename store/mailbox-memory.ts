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
}

/** What is remembered of a mailbox; most have nothing to be remembered. */
export async function recallMailbox(db: Database, { organizationId, mailboxId }: MailboxName): Promise<MailboxMemory> {
  const [memory] = await query<MailboxMemory>(db, {
    text: `SELECT
        (SELECT messages FROM outhaul.page_limits WHERE organization_id = $1 AND mailbox_id = $2) AS "pageLimit",
        (SELECT count(*) FROM outhaul.quarantine
          WHERE organization_id = $1 AND mailbox_id = $2 AND resolved_at IS NULL) AS quarantined`,
    values: [organizationId, mailboxId],
  });
  return memory ?? { pageLimit: null, quarantined: 0 };
}

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
