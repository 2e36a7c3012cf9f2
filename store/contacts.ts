import type { Contact } from '../model/contact.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** Whose sent items count: mailboxes by number; null: all. */
export type ContactMailboxes = readonly number[] | null;

/**
 * Mailboxes by id, address or domain, in any case; and which of the names are nobody's.
 * @param names null: all mailboxes
 */
export async function contactMailboxes(
  db: Database,
  { schema }: Organization,
  names: readonly string[] | null,
): Promise<{ readonly mailboxes: ContactMailboxes; readonly unknown: readonly string[] }> {
  if (names === null) return { mailboxes: null, unknown: [] };
  const rows = await query<{ no: number | null; name: string }>(db, {
    text: `SELECT m.mailbox_no AS no, name FROM unnest($1::text[]) AS name LEFT JOIN ${schema}.mailboxes m
      ON lower(name) IN (lower(m.id), lower(m.mail), lower(m.user_principal_name))
        OR ltrim(lower(name), '@') IN (split_part(lower(m.mail), '@', 2), split_part(lower(m.user_principal_name), '@', 2))`,
    values: [names],
  });
  return {
    mailboxes: [...new Set(rows.flatMap(({ no }) => no ?? []))],
    unknown: rows.flatMap(({ no, name }) => (no === null ? [name] : [])),
  };
}

/** Recipients in the order of their addresses, as far as they have been counted. */
export const listContacts = (
  db: Database,
  { schema }: Organization,
  page: {
    readonly mailboxes: ContactMailboxes;
    /** An address; recipients after it. Default: from the first on. */
    readonly after?: string;
    readonly offset?: number;
    readonly limit: number;
  },
): Promise<Contact[]> =>
  query<Contact>(db, {
    text: `SELECT address, min(domain) AS domain, sum(total_mails_sent)::bigint AS "totalMailsSent",
        max(last_interacted_date) AS "lastInteractedDate"
      FROM ${schema}.contacts WHERE address > $1 AND ($2::int[] IS NULL OR mailbox_no = ANY($2))
      GROUP BY address ORDER BY address LIMIT $3 OFFSET $4`,
    values: [page.after ?? '', page.mailboxes, page.limit, page.offset ?? 0],
  });

/** How many recipients there are, and until when mail has been counted; null: never, so far. */
export async function contactTotals(
  db: Database,
  { schema }: Organization,
  mailboxes: ContactMailboxes,
): Promise<{ readonly total: number; readonly countedAt: string | null }> {
  const [row] = await query<{ total: number; countedAt: string | null }>(db, {
    text: `SELECT (SELECT counted_at FROM ${schema}.contact_counting) AS "countedAt", count(DISTINCT address) AS total
      FROM ${schema}.contacts WHERE $1::int[] IS NULL OR mailbox_no = ANY($1)`,
    values: [mailboxes],
  });
  return row ?? { total: 0, countedAt: null };
}
