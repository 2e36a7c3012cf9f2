import { FINAL_SCAN_STATUSES, isFinal, type ScanStatus } from '../model/scan.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownScan } from './errors.ts';
import { HARMLESS, nextInLine, type EndedScan } from './scan-end.ts';
import { scanByNo } from './scans.ts';

/**
 * A step of a scan's workflow that changes how the scan stands. Steps are numbered from 1, over all runs of the
 * workflow. An activity may be done twice, and its first attempt may wake up minutes later: a step that is older than
 * the latest, or the latest once more, changes nothing.
 */
export interface ScanStep {
  readonly scanNo: number;
  readonly step: number;
}

/**
 * The scan stands still from now on and gives its slot back. The mailboxes that it was reading wait again.
 * @returns how the scan stands now, and who may take the slot
 * @throws {UnknownScan}
 */
export const pauseScan = (
  db: Database,
  { scanNo, step, maxConcurrent }: ScanStep & { readonly maxConcurrent: number },
): Promise<{ readonly status: ScanStatus; readonly waiting: EndedScan['waiting'] }> =>
  transaction(db, async (client) => {
    const status = await takeStep(client, { scanNo, step });
    const pausing = status === 'pending' || status === 'running';
    if (pausing) {
      await run(client, {
        text: `UPDATE outhaul.scans SET status = 'paused',
            idle_since = CASE WHEN started_at IS NOT NULL THEN coalesce(idle_since, now()) END
          WHERE scan_no = $1`,
        values: [scanNo],
      });
      await run(client, {
        text: `UPDATE outhaul.scan_mailboxes SET state = 'waiting', current_folder = NULL, updated_at = now()
          WHERE scan_no = $1 AND state = 'running'`,
        values: [scanNo],
      });
    }
    const now = pausing ? 'paused' : (status ?? (await statusOf(client, scanNo)));
    return { status: now, waiting: await nextInLine(client, maxConcurrent) };
  });

/**
 * A paused scan waits for its turn again. It keeps its place: whoever asked after it waits behind it.
 * @returns how the scan stands now
 * @throws {UnknownScan}
 */
export const resumeScan = (db: Database, { scanNo, step }: ScanStep): Promise<ScanStatus> =>
  transaction(db, async (client) => {
    const status = await takeStep(client, { scanNo, step });
    if (status !== 'paused') return status ?? statusOf(client, scanNo);
    await run(client, { text: `UPDATE outhaul.scans SET status = 'pending' WHERE scan_no = $1`, values: [scanNo] });
    return 'pending';
  });

/**
 * Opens a scan again that has ended: what kept it from being complete waits to be read once more, folders that were
 * completed stay so. The scan waits for its turn, behind those that wait already.
 * @returns whether the tenant's users were listed to the end before
 * @throws {UnknownScan}
 */
export const reopenScan = (db: Database, { scanNo, step }: ScanStep): Promise<{ readonly discovered: boolean }> =>
  transaction(db, async (client) => {
    const status = await takeStep(client, { scanNo, step });
    if (status && isFinal(status)) {
      await run(client, {
        text: `UPDATE outhaul.scan_mailboxes SET state = 'waiting', reason = NULL, error_code = NULL, request_id = NULL,
            current_folder = NULL, ended_at = NULL, updated_at = now()
          WHERE scan_no = $1 AND ${UNREAD}`,
        values: [scanNo, HARMLESS],
      });
      await run(client, {
        text: `UPDATE outhaul.scans SET status = 'pending', error_message = NULL, records = NULL, turn_asked_at = NULL,
            retried_at = now(), idle_since = CASE WHEN started_at IS NOT NULL THEN ended_at END, ended_at = NULL
          WHERE scan_no = $1`,
        values: [scanNo],
      });
    }
    const [scan] = await run<{ discovered: boolean }>(client, {
      text: 'SELECT discovered_at IS NOT NULL AS discovered FROM outhaul.scans WHERE scan_no = $1',
      values: [scanNo],
    });
    if (!scan) throw new UnknownScan(scanNo);
    return scan;
  });

/** The mailbox was not read to its end, for whatever reason but a harmless one. Parameter 2 holds those. */
const UNREAD = `state <> 'completed' AND NOT (state = 'skipped' AND reason IS NOT NULL AND reason = ANY($2))`;

/** How many mailboxes of the scan were not read to their end, and not left out for a harmless reason. */
export async function unreadMailboxes(db: Database, scanNo: number): Promise<number> {
  const [row] = await query<{ count: number }>(db, {
    text: `SELECT count(*) AS count FROM outhaul.scan_mailboxes WHERE scan_no = $1 AND ${UNREAD}`,
    values: [scanNo, HARMLESS],
  });
  return row?.count ?? 0;
}

/**
 * The scan is being cancelled; a final status stays.
 * @returns the status that the scan has now
 * @throws {UnknownScan}
 */
export async function markCancelling(db: Database, scanNo: number): Promise<ScanStatus> {
  const [moved] = await query<{ status: ScanStatus }>(db, {
    text: `UPDATE outhaul.scans SET status = 'cancelling' WHERE scan_no = $1 AND NOT status = ANY($2) RETURNING status`,
    values: [scanNo, FINAL_SCAN_STATUSES],
  });
  return moved?.status ?? (await scanByNo(db, scanNo)).status;
}

/** The tenant's users were listed to the end: a scan that is opened again need not list them. */
export async function markDiscovered(db: Database, scanNo: number): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.scans SET discovered_at = coalesce(discovered_at, now()) WHERE scan_no = $1',
    values: [scanNo],
  });
}

/** Locks the scan and takes the step; returns how the scan stood before, undefined where the step is not a new one. */
async function takeStep(client: Client, { scanNo, step }: ScanStep): Promise<ScanStatus | undefined> {
  const [scan] = await run<{ status: ScanStatus }>(client, {
    text: 'UPDATE outhaul.scans SET step_no = $2 WHERE scan_no = $1 AND step_no < $2 RETURNING status',
    values: [scanNo, step],
  });
  return scan?.status;
}

async function statusOf(client: Client, scanNo: number): Promise<ScanStatus> {
  const [scan] = await run<{ status: ScanStatus }>(client, {
    text: 'SELECT status FROM outhaul.scans WHERE scan_no = $1',
    values: [scanNo],
  });
  if (!scan) throw new UnknownScan(scanNo);
  return scan.status;
}
