import type { Connection } from '../model/connection.ts';
import { ID_PATTERN } from '../model/ids.ts';
import { isFinal, type ScanFilters, type ScanMode, type ScanStatus } from '../model/scan.ts';
import { addCandidate } from './connections.ts';
import { query, run, transaction, type Database } from './database.ts';
import { ScanEnded, ScanExists, UnknownOrganization, UnknownScan, sqlState } from './errors.ts';
import { addPartition } from './partitions.ts';

export interface Scan {
  /** What the store calls it; unique over all organizations. */
  readonly scanNo: number;
  readonly organizationId: string;
  /** What its organization calls it. */
  readonly scanId: string;
  readonly mode: ScanMode;
  readonly status: ScanStatus;
  readonly filters: ScanFilters;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Why it failed. */
  readonly errorMessage: string | null;
  /** The latest step of its workflow (`scan-controls.ts`). */
  readonly stepNo: number;
  /** When it was last opened again after an end. */
  readonly retriedAt: string | null;
  /** Since when it stands still, though it was started; null while it runs. */
  readonly idleSince: string | null;
  /** How long it stood still before that, ms. */
  readonly idleMs: number;
}

export interface NewScan {
  readonly organizationId: string;
  readonly scanId: string;
  readonly mode: ScanMode;
  readonly filters: ScanFilters;
  readonly status: 'pending' | 'running';
  /** The credential it brings, kept apart from the active one until it has worked. */
  readonly candidate?: Connection | undefined;
}

/** The columns of a `Scan`. */
export const SCAN = `scan_no AS "scanNo", organization_id AS "organizationId", scan_id AS "scanId", mode, status, filters,
  requested_at AS "requestedAt", started_at AS "startedAt", ended_at AS "endedAt", error_message AS "errorMessage",
  step_no AS "stepNo", retried_at AS "retriedAt", idle_since AS "idleSince", idle_ms AS "idleMs"`;

/**
 * Records a scan of an organization that is there already, and what it brings, or nothing.
 * @throws {ScanExists}
 * @throws {UnknownOrganization}
 */
export const addScan = (
  db: Database,
  { organizationId, scanId, mode, filters, status, candidate }: NewScan,
): Promise<{ readonly scanNo: number; readonly requestedAt: string }> =>
  transaction(db, async (client) => {
    const [scan] = await run<{ scanNo: number; requestedAt: string }>(client, {
      text: `INSERT INTO outhaul.scans (organization_id, scan_id, mode, filters, status, started_at)
        VALUES ($1, $2, $3, $4, $5, CASE WHEN $5 = 'running' THEN now() END)
        ON CONFLICT (organization_id, scan_id) DO NOTHING
        RETURNING scan_no AS "scanNo", requested_at AS "requestedAt"`,
      values: [organizationId, scanId, mode, JSON.stringify(filters), status],
    }).catch((error: unknown) => {
      throw isMissingReference(error) ? new UnknownOrganization(organizationId) : error;
    });
    if (!scan) throw new ScanExists(scanId);
    if (candidate) await addCandidate(db, client, { scanNo: scan.scanNo, organizationId, connection: candidate });
    if (status === 'running') await addPartition(client, scan.scanNo);
    return scan;
  });

/** A scan by the names that its organization uses; what a session sees under such a name is none. */
export async function scanOf(db: Database, organizationId: string, scanId: string): Promise<Scan | undefined> {
  if (!ID_PATTERN.test(organizationId) || !ID_PATTERN.test(scanId)) return undefined;
  const [scan] = await query<Scan>(db, {
    text: `SELECT ${SCAN} FROM outhaul.scans WHERE organization_id = $1 AND scan_id = $2 AND kind = 'scan'`,
    values: [organizationId, scanId],
  });
  return scan;
}

/** @throws {UnknownScan} */
export async function scanByNo(db: Database, scanNo: number): Promise<Scan> {
  const [scan] = await scansOf(db, [scanNo]);
  if (!scan) throw new UnknownScan(scanNo);
  return scan;
}

/**
 * Scans in the order asked for.
 * @throws {UnknownScan}
 */
export async function scansOf(db: Database, scanNos: readonly number[]): Promise<Scan[]> {
  const scans = await query<Scan>(db, {
    text: `SELECT ${SCAN} FROM outhaul.scans WHERE scan_no = ANY($1)`,
    values: [scanNos],
    prepared: true,
  });
  return scanNos.map((scanNo) => {
    const scan = scans.find((candidate) => candidate.scanNo === scanNo);
    if (!scan) throw new UnknownScan(scanNo);
    return scan;
  });
}

/**
 * Lets a scan run if fewer than `maxConcurrent` hold a slot; otherwise it goes on waiting. First come, first served, by
 * the time of the first ask: a scan gets no slot that one before it waits for. A row whose workflow never asked (the API
 * died between the two) stands in nobody's way. A scan that runs already keeps its slot.
 * @throws {ScanEnded}
 * @throws {UnknownScan}
 */
export const takeSlot = (db: Database, scanNo: number, maxConcurrent: number): Promise<'running' | 'pending'> =>
  transaction(db, async (client) => {
    await run(client, { text: `SELECT pg_advisory_xact_lock(hashtextextended('outhaul/slots', 0))` });
    const [scan] = await run<{ status: ScanStatus; free: boolean }>(client, {
      text: `UPDATE outhaul.scans SET turn_asked_at = coalesce(turn_asked_at, clock_timestamp()) WHERE scan_no = $1
        RETURNING status, ${SLOTS_HELD} + (SELECT count(*) FROM outhaul.scans earlier
          WHERE earlier.status = 'pending' AND earlier.ended_at IS NULL AND earlier.turn_asked_at < scans.turn_asked_at) < $2 AS free`,
      values: [scanNo, maxConcurrent],
    });
    if (!scan) throw new UnknownScan(scanNo);
    if (isFinal(scan.status)) throw new ScanEnded(scanNo, scan.status);
    if (scan.status !== 'pending') return 'running';
    if (!scan.free) return 'pending';
    await run(client, {
      text: `UPDATE outhaul.scans SET status = 'running', started_at = coalesce(started_at, now()), ${RUNS_AGAIN}
        WHERE scan_no = $1`,
      values: [scanNo],
    });
    await addPartition(client, scanNo);
    return 'running';
  });

/** How many scans hold a slot. */
export const SLOTS_HELD = `(SELECT count(*) FROM outhaul.scans held
  WHERE held.status IN ('running', 'cancelling') AND held.started_at IS NOT NULL AND held.ended_at IS NULL)`;

/** Adds the time that the scan stood still to what it has stood still before. */
export const RUNS_AGAIN = `idle_since = NULL,
  idle_ms = idle_ms + coalesce(extract(epoch FROM now() - idle_since) * 1000, 0)::bigint`;

/** `foreign_key_violation` */
const isMissingReference = (error: unknown): boolean => sqlState(error) === '23503';
