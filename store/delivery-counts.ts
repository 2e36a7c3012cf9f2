import { query, type Database } from './database.ts';

/** How a destination stands. */
export interface DeliveryCounts {
  readonly destinationNo: number;
  readonly organizationId: string;
  /** For attachments. */
  readonly waiting: number;
  /** To be sent, now or later. */
  readonly owed: number;
  readonly claimed: number;
  readonly dead: number;
  /** Ever. */
  readonly delivered: number;
  /** Of those delivered: answered that something is wrong. */
  readonly answered: number;
  /** Since when the oldest of what is to be sent is owed, or claimed; null: nothing is. */
  readonly oldestOwedAt: string | null;
  /** In the last minute, and how long that took from being owed on average, ms. */
  readonly lastMinute: number;
  readonly lastMinuteMs: number | null;
}

/** The figures of an organization's destinations, or of all (`null`). */
export const deliveryCounts = (db: Database, organizationId: string | null): Promise<DeliveryCounts[]> =>
  query<DeliveryCounts>(db, {
    text: `SELECT t.destination_no AS "destinationNo", t.organization_id AS "organizationId", delivered, answered,
        (SELECT count(*) FROM outhaul.deliveries d WHERE d.organization_id = t.organization_id AND d.status = 'waiting'
          AND d.destination_no = t.destination_no) AS waiting,
        (SELECT count(*) FROM outhaul.deliveries d WHERE d.organization_id = t.organization_id AND d.status = 'dead'
          AND d.destination_no = t.destination_no) AS dead,
        line.owed + due.owed AS owed, due.claimed, least(line.oldest, due.oldest) AS "oldestOwedAt",
        recent.count AS "lastMinute", recent.ms AS "lastMinuteMs"
      FROM outhaul.destinations t CROSS JOIN LATERAL (
        SELECT count(*) AS owed, min(owed_at) AS oldest FROM outhaul.deliveries d
        WHERE d.destination_no = t.destination_no AND d.ordered AND d.status = 'owed') line
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.status = 'owed') AS owed, count(*) FILTER (WHERE d.status = 'claimed') AS claimed,
          min(owed_at) AS oldest FROM outhaul.deliveries d
        WHERE d.destination_no = t.destination_no AND NOT d.ordered AND d.status IN ('owed', 'claimed')) due
      CROSS JOIN LATERAL (
        SELECT count(*) AS count, round(avg(extract(epoch FROM delivered_at - owed_at)) * 1000) AS ms
        FROM outhaul.deliveries d WHERE d.destination_no = t.destination_no AND d.status = 'delivered'
          AND d.delivered_at > now() - interval '1 minute') recent
      WHERE ($1::text IS NULL OR t.organization_id = $1) ORDER BY t.destination_no`,
    values: [organizationId],
  });

/**
 * Forgets what was delivered before a moment (ISO 8601), so many at a time; what was answered with an error as well.
 * @returns how many
 */
export async function dropDelivered(
  db: Database,
  { destinationNo, before, limit }: { readonly destinationNo: number; readonly before: string; readonly limit: number },
): Promise<number> {
  const rows = await query(db, {
    text: `DELETE FROM outhaul.deliveries WHERE delivery_no = ANY(ARRAY(SELECT delivery_no FROM outhaul.deliveries
        WHERE destination_no = $1 AND status = 'delivered' AND delivered_at < $2 ORDER BY delivered_at LIMIT $3))
        AND status = 'delivered'
      RETURNING 1 AS one`,
    values: [destinationNo, before, limit],
  });
  return rows.length;
}
