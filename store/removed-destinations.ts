import { query, run, transaction, type Client, type Database } from './database.ts';

/** The status of a destination that nobody knows any more, while what it was sent is being forgotten. */
export const REMOVED = 'removed';

/** Deliveries that are forgotten in one statement. */
const STRETCH = 2_000;

/** What a destination is owed still, dead letters included; by the indexes of what is open, whatever was delivered. */
export async function countOwing(client: Client, destinationNo: number): Promise<number> {
  const [row] = await run<{ owing: number }>(client, {
    text: `SELECT (SELECT count(*) FROM outhaul.deliveries d WHERE d.organization_id = t.organization_id
          AND d.status = 'waiting' AND d.destination_no = t.destination_no)
        + (SELECT count(*) FROM outhaul.deliveries d WHERE d.organization_id = t.organization_id
          AND d.status = 'dead' AND d.destination_no = t.destination_no)
        + (SELECT count(*) FROM outhaul.deliveries d WHERE d.destination_no = t.destination_no
          AND d.ordered AND d.status = 'owed')
        + (SELECT count(*) FROM outhaul.deliveries d WHERE d.destination_no = t.destination_no
          AND NOT d.ordered AND d.status IN ('owed', 'claimed')) AS owing
      FROM outhaul.destinations t WHERE destination_no = $1`,
    values: [destinationNo],
  });
  return row?.owing ?? 0;
}

/** Destinations whose removal has begun, and is not over. */
export async function removedDestinations(db: Pick<Database, 'pool'>): Promise<number[]> {
  const rows = await query<{ no: number }>(db, {
    text: `SELECT destination_no AS no FROM outhaul.destinations WHERE status = '${REMOVED}' ORDER BY destination_no`,
  });
  return rows.map(({ no }) => no);
}

/**
 * Forgets what a removed destination was sent, and then the destination, at which pages that still owe to it are waited
 * for. Several may do so at once.
 * @param stretches how many at most, each of 2,000 deliveries; the next call goes on
 */
export async function finishRemoval(
  db: Database,
  destinationNo: number,
  { stretches = Infinity }: { readonly stretches?: number } = {},
): Promise<void> {
  for (let stretch = 0; stretch < stretches; stretch++) {
    const gone = await query(db, {
      text: `DELETE FROM outhaul.deliveries WHERE delivery_no = ANY(ARRAY(SELECT delivery_no FROM outhaul.deliveries
          WHERE destination_no = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
        RETURNING 1 AS one`,
      values: [destinationNo, STRETCH],
    });
    if (gone.length === STRETCH) continue;
    return transaction(db, async (client) => {
      const [row] = await run(client, {
        text: `SELECT FROM outhaul.destinations WHERE destination_no = $1 AND status = '${REMOVED}' FOR UPDATE`,
        values: [destinationNo],
      });
      if (!row) return;
      await run(client, { text: 'DELETE FROM outhaul.deliveries WHERE destination_no = $1', values: [destinationNo] });
      await run(client, {
        text: 'DELETE FROM outhaul.destinations WHERE destination_no = $1',
        values: [destinationNo],
      });
    });
  }
}
