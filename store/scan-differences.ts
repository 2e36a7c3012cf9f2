import { query, type Database } from './database.ts';

/** What a scan found otherwise than it was stored, in messages. */
export interface ScanDifferences {
  readonly added: number;
  readonly changed: number;
  /** In a folder: from another to this one, or, where the scan does not read that other one, from this one to it. */
  readonly moved: number;
  readonly deleted: number;
  readonly restored: number;
}

/** SQL: the sums over folders of scans. */
export const DIFFERENCES = `coalesce(sum(added), 0) AS added, coalesce(sum(changed), 0) AS changed,
        coalesce(sum(moved), 0) AS moved, coalesce(sum(deleted), 0) AS deleted, coalesce(sum(restored), 0) AS restored`;

export const NO_DIFFERENCES: ScanDifferences = { added: 0, changed: 0, moved: 0, deleted: 0, restored: 0 };

/** The sums over all folders of a scan. */
export async function scanDifferences(db: Database, scanNo: number): Promise<ScanDifferences> {
  const [sums] = await query<ScanDifferences>(db, {
    text: `SELECT ${DIFFERENCES} FROM outhaul.scan_folders WHERE scan_no = $1`,
    values: [scanNo],
  });
  return sums ?? NO_DIFFERENCES;
}
