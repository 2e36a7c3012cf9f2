import { query, type Database } from './database.ts';

/** What a scan found otherwise than it was stored, in messages. */
export interface ScanDifferences {
  readonly added: number;
  readonly changed: number;
  readonly moved: number;
  readonly deleted: number;
  readonly restored: number;
}

/** The sums over all folders of a scan. */
export async function scanDifferences(db: Database, scanNo: number): Promise<ScanDifferences> {
  const [sums] = await query<ScanDifferences>(db, {
    text: `SELECT coalesce(sum(added), 0) AS added, coalesce(sum(changed), 0) AS changed, coalesce(sum(moved), 0) AS moved,
        coalesce(sum(deleted), 0) AS deleted, coalesce(sum(restored), 0) AS restored
      FROM outhaul.scan_folders WHERE scan_no = $1`,
    values: [scanNo],
  });
  return sums ?? { added: 0, changed: 0, moved: 0, deleted: 0, restored: 0 };
}
