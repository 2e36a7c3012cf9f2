import { query, type Database } from './database.ts';

/**
 * Whoever is told that a destination is attended for longer than this need not wake anybody for what is committed already:
 * the promise is kept later than that commit, whoever of the two was quicker.
 */
const MARGIN_SECONDS = 1;

/**
 * Promises to look for deliveries of a destination again after so many seconds, or later; by the database's clock.
 */
export async function attend(
  db: Pick<Database, 'pool'>,
  { destinationNo, seconds }: { readonly destinationNo: number; readonly seconds: number },
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.destinations SET attended_until = clock_timestamp() + make_interval(secs => $2)
      WHERE destination_no = $1`,
    values: [destinationNo, seconds],
    prepared: true,
  });
}

/** Takes the promise back. */
export async function leave(db: Pick<Database, 'pool'>, destinationNo: number): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.destinations SET attended_until = NULL WHERE destination_no = $1',
    values: [destinationNo],
  });
}

/** A destination as whoever wakes its sender needs it. */
export interface Sleeper {
  readonly id: string;
  readonly organizationId: string;
  /** Of a utility; null: it has none. */
  readonly priority: string | null;
}

/**
 * Those of the destinations that somebody has to be woken for: active, and nobody has promised to look again. To be asked
 * after the commit of what they are owed.
 */
export const unattended = (db: Pick<Database, 'pool'>, destinationNos: readonly number[]): Promise<Sleeper[]> =>
  query<Sleeper>(db, {
    text: `SELECT destination_id AS id, organization_id AS "organizationId", settings ->> 'priority' AS priority
      FROM outhaul.destinations WHERE destination_no = ANY($1::int[]) AND status = 'active'
        AND (attended_until IS NULL OR attended_until <= clock_timestamp() + interval '${MARGIN_SECONDS} s')
      ORDER BY destination_no`,
    values: [destinationNos],
    prepared: true,
  });

/** How a destination is. */
export interface DestinationHealth {
  readonly healthy: boolean;
  /** In words, for people; nothing of the mail. */
  readonly detail: string;
  /** Where it takes nothing: out of reach; at its limit; or not to be used as it is set up. */
  readonly reason?: 'away' | 'full' | 'misconfigured';
  readonly latencyMs?: number;
  /** Of a Redis list: the items in it. */
  readonly length?: number;
}

/** Notes how a destination is now. */
export async function noteHealth(
  db: Pick<Database, 'pool'>,
  destinationNo: number,
  health: DestinationHealth,
): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.destinations SET health = $2, health_at = now() WHERE destination_no = $1',
    values: [destinationNo, JSON.stringify(health)],
  });
}
