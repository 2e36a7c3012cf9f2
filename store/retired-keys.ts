import { query, transaction, run, type Database } from './database.ts';

/** Writes down that one key seals and the others of the ring do so no more; those that did before keep their time. */
export const recordSealingKey = (db: Database, keyId: string, others: readonly string[]): Promise<void> =>
  transaction(db, async (client) => {
    await run(client, { text: 'DELETE FROM outhaul.retired_keys WHERE key_id = $1', values: [keyId] });
    await run(client, {
      text: 'INSERT INTO outhaul.retired_keys (key_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING',
      values: [others],
    });
  });

/** Since when each retired key seals no more, by the key's id. */
export async function retiredKeys(db: Database): Promise<Map<string, string>> {
  const rows = await query<{ keyId: string; retiredAt: string }>(db, {
    text: 'SELECT key_id AS "keyId", retired_at AS "retiredAt" FROM outhaul.retired_keys',
  });
  return new Map(rows.map(({ keyId, retiredAt }) => [keyId, retiredAt]));
}
