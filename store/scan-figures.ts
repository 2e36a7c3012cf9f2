import { SCAN_STATUSES, type ScanStatus } from '../model/scan.ts';
import { query, type Database } from './database.ts';

export interface Statistics {
  /** How many scans have each status. */
  readonly scans: Readonly<Record<ScanStatus, number>>;
  readonly total: number;
  /** Messages that all scans together have seen. */
  readonly records: number;
  readonly running: number;
  /** Of the scans requested in the last 24 hours. */
  readonly last24Hours: { readonly scans: number; readonly records: number };
}

/** What the scans of an organization, or of all (`null`), come to. */
export async function statistics(db: Database, organizationId: string | null): Promise<Statistics> {
  const rows = await query<{ status: ScanStatus; scans: number; records: number; recent: number; seen: number }>(db, {
    text: `SELECT status, count(*) AS scans, coalesce(sum(seen), 0) AS records,
        count(*) FILTER (WHERE recent) AS recent, coalesce(sum(seen) FILTER (WHERE recent), 0) AS seen
      FROM (
        SELECT status, requested_at > now() - interval '24 hours' AS recent, coalesce(records,
          (SELECT sum(m.records) FROM outhaul.scan_mailboxes m WHERE m.scan_no = s.scan_no), 0) AS seen
        FROM outhaul.scans s WHERE kind = 'scan' AND ($1::text IS NULL OR organization_id = $1)
      ) scans GROUP BY status`,
    values: [organizationId],
  });
  const scans = Object.fromEntries(SCAN_STATUSES.map((status) => [status, 0])) as Record<ScanStatus, number>;
  let [total, records, recent, seen] = [0, 0, 0, 0];
  for (const row of rows) {
    scans[row.status] = row.scans;
    total += row.scans;
    records += row.records;
    recent += row.recent;
    seen += row.seen;
  }
  return { scans, total, records, running: scans.running, last24Hours: { scans: recent, records: seen } };
}

/** A scan that has not ended, and when it moved last. */
export interface OpenScan {
  readonly scanNo: number;
  readonly organizationId: string;
  readonly scanId: string;
  readonly status: ScanStatus;
  readonly lastProgressAt: string;
}

/** The scans of an organization, or of all (`null`), that have not ended, oldest first. */
export const openScans = (db: Database, organizationId: string | null): Promise<OpenScan[]> =>
  query<OpenScan>(db, { text: `${OPEN} ORDER BY scan_no`, values: [organizationId] });

/** Of those, the running and cancelling ones that have not moved for `minutes`. */
export const staleScans = (
  db: Database,
  { minutes, organizationId = null }: { readonly minutes: number; readonly organizationId?: string | null },
): Promise<OpenScan[]> =>
  query<OpenScan>(db, {
    text: `SELECT * FROM (${OPEN}) open WHERE status IN ('running', 'cancelling')
      AND "lastProgressAt" < now() - make_interval(secs => $2) ORDER BY "scanNo"`,
    values: [organizationId, minutes * 60],
  });

const OPEN = `SELECT scan_no AS "scanNo", organization_id AS "organizationId", scan_id AS "scanId", status,
    greatest(requested_at, started_at,
      (SELECT max(updated_at) FROM outhaul.scan_mailboxes m WHERE m.scan_no = s.scan_no)) AS "lastProgressAt"
  FROM outhaul.scans s WHERE kind = 'scan' AND ended_at IS NULL AND ($1::text IS NULL OR organization_id = $1)`;
