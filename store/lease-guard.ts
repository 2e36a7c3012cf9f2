import { query, type Database, type Statement } from './database.ts';
import { LeaseLost } from './errors.ts';
import type { Organization } from './organizations.ts';

/** What every statement that changes a mailbox's rows needs to know. */
export interface HeldMailbox {
  readonly mailboxId: string;
  readonly leaseToken: string;
}

/**
 * One statement that changes rows of a mailbox, under its lease. `text` continues a `WITH` in which `lease` is the
 * mailbox's row if the token is right, and no row otherwise; it must read from it, so that without the lease it changes
 * nothing. Parameters 1 and 2 are the mailbox and the token, `values` the ones after. The row stays locked against
 * whoever wants the lease until all is committed.
 */
export const heldStatement = (
  { schema }: Organization,
  { mailboxId, leaseToken }: HeldMailbox,
  { text, values = [], prepared = false }: Statement,
): Statement => ({
  text: `WITH lease AS MATERIALIZED (
      SELECT mailbox_no, id, _tenant_id, _user_email, display_name FROM ${schema}.mailboxes
      WHERE id = $1 AND _lease_token = $2 FOR SHARE
    ), ${text}
    SELECT lease.mailbox_no AS held, answer.* FROM (SELECT) one LEFT JOIN lease ON true LEFT JOIN answer ON true`,
  values: [mailboxId, leaseToken, ...values],
  prepared,
});

/**
 * Runs a `heldStatement`.
 * @returns the rows that the last part, `answer`, selects
 * @throws {LeaseLost}
 */
export async function queryHeld<Row extends object = never>(
  db: Database,
  organization: Organization,
  held: HeldMailbox,
  statement: Statement,
): Promise<Row[]> {
  const rows = await query<Row & { held: number | null }>(db, heldStatement(organization, held, statement));
  if (rows[0]?.held == null) throw new LeaseLost(held.mailboxId);
  return rows;
}
