import { ID_PATTERN } from '../model/ids.ts';
import { query, type Database } from './database.ts';
import { SCAN, type Scan } from './scans.ts';

/** A scan as lists show it. */
export interface ListedScan extends Scan {
  /** Messages that it has seen. */
  readonly records: number;
}

const LISTED = `${SCAN}, coalesce(records,
    (SELECT sum(m.records) FROM outhaul.scan_mailboxes m WHERE m.scan_no = s.scan_no), 0)::bigint AS records`;

/** One page of the scans of an organization, or of all (`null`), newest first, and how many there are. */
export async function listScans(
  db: Database,
  { organizationId, limit, offset }: { organizationId: string | null; limit: number; offset: number },
): Promise<{ readonly scans: readonly ListedScan[]; readonly total: number }> {
  const [count] = await query<{ total: number }>(db, {
    text: `SELECT count(*) AS total FROM outhaul.scans WHERE kind = 'scan' AND ($1::text IS NULL OR organization_id = $1)`,
    values: [organizationId],
  });
  const scans = await query<ListedScan>(db, {
    text: `SELECT ${LISTED} FROM outhaul.scans s WHERE kind = 'scan' AND ($1::text IS NULL OR organization_id = $1)
      ORDER BY scan_no DESC LIMIT $2 OFFSET $3`,
    values: [organizationId, limit, offset],
  });
  return { scans, total: count?.total ?? 0 };
}

/** Every organization's scan of that id, in the order of the organizations' ids. */
export async function scansNamed(db: Database, scanId: string): Promise<ListedScan[]> {
  if (!ID_PATTERN.test(scanId)) return [];
  return query<ListedScan>(db, {
    text: `SELECT ${LISTED} FROM outhaul.scans s WHERE kind = 'scan' AND scan_id = $1 ORDER BY organization_id`,
    values: [scanId],
  });
}
