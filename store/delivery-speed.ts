import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** How well and how fast things went lately, of one destination or of all. */
export interface DeliverySpeed {
  /** Null: of all destinations of the organization together. */
  readonly destinationNo: number | null;
  /** Attempts of what was delivered, or became a dead letter; and those of them that failed. */
  readonly attempts: number;
  readonly failed: number;
  /** From the arrival of new mail in its mailbox to its acceptance, ms; null where there was none. */
  readonly arrivalP50Ms: number | null;
  readonly arrivalP99Ms: number | null;
}

/** Deliveries of a destination that are looked at, at most: the last ones. */
const LOOKED_AT = 1_000;
/** How long before its storing a message has arrived that counts as new; a scan finds older ones. */
const NEW_FOR = '1 hour';

/** Of the last 1,000 deliveries of each destination that were made in the last hour, and the dead letters of that hour. */
export const deliverySpeeds = (db: Database, { organizationId, schema }: Organization): Promise<DeliverySpeed[]> =>
  query(db, {
    text: `WITH ended AS MATERIALIZED (
        SELECT t.destination_no, d.* FROM outhaul.destinations t CROSS JOIN LATERAL (
          (SELECT email_no, attempts, attempts - 1 AS failed, owed_at, delivered_at FROM outhaul.deliveries
            WHERE destination_no = t.destination_no AND status = 'delivered' AND delivered_at > now() - interval '1 hour'
            ORDER BY delivered_at DESC LIMIT ${LOOKED_AT})
          UNION ALL
          (SELECT email_no, attempts, attempts, owed_at, NULL FROM outhaul.deliveries
            WHERE organization_id = $1 AND status = 'dead' AND destination_no = t.destination_no
              AND dead_at > now() - interval '1 hour'
            ORDER BY delivery_no DESC LIMIT ${LOOKED_AT})) d
        WHERE t.organization_id = $1
      ), timed AS (
        SELECT destination_no, attempts, greatest(failed, 0) AS failed,
          CASE WHEN owed_at - received_date_time < interval '${NEW_FOR}'
            THEN extract(epoch FROM delivered_at - received_date_time) * 1000 END AS ms
        FROM ended CROSS JOIN LATERAL (
          SELECT max(received_date_time) AS received_date_time FROM ${schema}.emails WHERE _no = email_no OFFSET 0) e
      )
      SELECT destination_no AS "destinationNo", coalesce(sum(attempts), 0)::bigint AS attempts,
        coalesce(sum(failed), 0)::bigint AS failed,
        round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::float8 AS "arrivalP50Ms",
        round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms))::float8 AS "arrivalP99Ms"
      FROM timed GROUP BY GROUPING SETS ((destination_no), ())`,
    values: [organizationId],
  });
