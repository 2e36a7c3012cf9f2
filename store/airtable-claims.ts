import { query, type Database } from './database.ts';

/** How long a base stays claimed by one who says nothing. */
const CLAIM_SECONDS = 45;
/** Airtable counts requests by the second: who comes next begins with none behind him. */
const PAUSE_SECONDS = 1;

/**
 * The right to ask a base, for some seconds; again, it is kept. Airtable limits the requests to a base whoever sends them,
 * so that of all workers and organizations one does at a time.
 * @returns whether it is ours
 */
export async function claimBase(
  db: Database,
  { baseId, token }: { readonly baseId: string; readonly token: string },
): Promise<boolean> {
  const rows = await query(db, {
    text: `INSERT INTO outhaul.airtable_claims AS c (base_id, claim_token, claim_ends_at)
      VALUES ($1, $2, clock_timestamp() + interval '${CLAIM_SECONDS} s')
      ON CONFLICT (base_id) DO UPDATE SET claim_token = excluded.claim_token, claim_ends_at = excluded.claim_ends_at
        WHERE c.claim_token = excluded.claim_token OR c.claim_ends_at < clock_timestamp()
      RETURNING 1 AS one`,
    values: [baseId, token],
  });
  return rows.length > 0;
}

/** Lets the next one ask the base, in a second. */
export async function releaseBase(
  db: Database,
  { baseId, token }: { readonly baseId: string; readonly token: string },
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.airtable_claims SET claim_ends_at = clock_timestamp() + interval '${PAUSE_SECONDS} s', claim_token = ''
      WHERE base_id = $1 AND claim_token = $2`,
    values: [baseId, token],
  });
}
