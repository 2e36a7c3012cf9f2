import { SealError, sealedUnder } from '../model/sealing.ts';
import { clientStateContext } from './client-state-key.ts';
import { contextOf } from './connections.ts';
import { airtableKeyContext } from './contact-settings.ts';
import { query, type Database } from './database.ts';
import { secretContext } from './destination-secrets.ts';

/**
 * Where sealed credentials lie, and the keys of client states, of Airtable and the secrets of destinations, which are sealed
 * as those are: each in a column of a numbered row, for a context that follows from the organization and another column. They are
 * gone through in this order, for a credential moves from the first to the second.
 */
const PLACES = [
  {
    ...{ table: 'outhaul.connection_checks', number: 'check_no', sealed: 'sealed_credential', owner: 'connection_no' },
    context: ({ organizationId, owner }: SealedRow) => contextOf(organizationId, Number(owner)),
  },
  {
    ...{ table: 'outhaul.connections', number: 'connection_no', sealed: 'sealed_credential', owner: 'connection_no' },
    context: ({ organizationId, owner }: SealedRow) => contextOf(organizationId, Number(owner)),
  },
  {
    ...{ table: 'outhaul.sessions', number: 'session_no', sealed: 'sealed_client_state_key', owner: 'session_id' },
    context: ({ organizationId, owner }: SealedRow) => clientStateContext({ organizationId, sessionId: owner }),
  },
  {
    ...{ table: 'outhaul.destinations', number: 'destination_no', sealed: 'sealed_secret', owner: 'destination_id' },
    context: ({ organizationId, owner }: SealedRow) => secretContext(organizationId, owner),
  },
  {
    ...{ table: 'outhaul.contact_settings', number: 'settings_no', sealed: 'sealed_api_key', owner: 'settings_no' },
    context: ({ organizationId }: SealedRow) => airtableKeyContext(organizationId),
  },
] as const;
type Place = (typeof PLACES)[number];

/** How many credentials are sealed under each key, by the key's id. */
export async function credentialsByKey(db: Database): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { table, number, sealed } of PLACES) {
    // The id is at most 255 bytes long; the credential itself is not asked for.
    const rows = await query<{ head: Buffer }>(db, {
      text: `SELECT substring(${sealed} FOR 256) AS head FROM ${table}
        WHERE ${sealed} IS NOT NULL ORDER BY ${number}`,
    });
    for (const { head } of rows) counts.set(sealedUnder(head), (counts.get(sealedUnder(head)) ?? 0) + 1);
  }
  return counts;
}

interface SealedRow {
  readonly no: number;
  readonly organizationId: string;
  readonly owner: string;
  readonly sealed: Buffer;
}

/**
 * Seals every credential that another key has sealed under this one, which is the ring's newest, in batches. A
 * credential that changes meanwhile stays as it was changed to; one that no key of the ring opens stays as it is.
 * Returns how many were sealed anew.
 */
export async function resealCredentials(
  db: Database,
  keyId: string,
  { batch = 200 }: { batch?: number } = {},
): Promise<number> {
  let resealed = 0;
  for (const place of PLACES) {
    for (let after = 0; ;) {
      const rows = await nextRows(db, place, { after, batch });
      const last = rows.at(-1);
      if (!last) break;
      after = last.no;
      const stale = rows.filter(({ sealed }) => sealedUnder(sealed) !== keyId);
      if (stale.length > 0) resealed += await resealRows(db, place, stale);
    }
  }
  return resealed;
}

const nextRows = (db: Database, { table, number, sealed, owner }: Place, page: { after: number; batch: number }) =>
  query<SealedRow>(db, {
    text: `SELECT ${number} AS no, organization_id AS "organizationId", ${owner}::text AS owner, ${sealed} AS sealed
      FROM ${table} WHERE ${number} > $1 AND ${sealed} IS NOT NULL ORDER BY ${number} LIMIT $2`,
    values: [page.after, page.batch],
  });

async function resealRows(db: Database, place: Place, rows: readonly SealedRow[]): Promise<number> {
  const { table, number, sealed: column } = place;
  const anew = rows.flatMap((row) => {
    const sealed = sealedAnew(db, place, row);
    return sealed ? [{ no: row.no, was: row.sealed, sealed }] : [];
  });
  const changed = await query<{ no: number }>(db, {
    text: `UPDATE ${table} t SET ${column} = anew.sealed
      FROM unnest($1::int[], $2::bytea[], $3::bytea[]) AS anew (no, was, sealed)
      WHERE t.${number} = anew.no AND t.${column} = anew.was RETURNING anew.no`,
    values: [anew.map(({ no }) => no), anew.map(({ was }) => was), anew.map(({ sealed }) => sealed)],
  });
  return changed.length;
}

function sealedAnew({ sealer }: Database, place: Place, row: SealedRow): Buffer | undefined {
  const context = place.context(row);
  try {
    return sealer.seal(sealer.open(row.sealed, context), context);
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}
