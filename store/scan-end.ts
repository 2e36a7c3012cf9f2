import { contentOf, keepsAttachments } from '../model/content.ts';
import { FINAL_SCAN_STATUSES, isFinal, type FinalScanStatus, type ScanStatus } from '../model/scan.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { ScanEnded, UnknownScan } from './errors.ts';
import { dropPartition } from './partitions.ts';
import { QUARANTINED_IN_SCAN } from './quarantine-list.ts';
import { organizationOf } from './organizations.ts';
import { contentsWithin, NO_CONTENTS, type ScanContents } from './scan-contents.ts';
import { RUNS_AGAIN, scanByNo, SLOTS_HELD } from './scans.ts';

export interface ScanEnd {
  /** `ran`: to the end of its list; the final status follows from its mailboxes. */
  readonly end: 'ran' | 'cancelled' | 'failed';
  /** Why it failed, without personal data. */
  readonly message?: string | undefined;
  readonly maxConcurrent: number;
  /** The step of the scan's workflow that ends it; absent where its workflow has ended without. */
  readonly step?: number | undefined;
}

export interface EndedScan {
  readonly status: FinalScanStatus;
  /** Scans that may take their turn now, in order. */
  readonly waiting: readonly { readonly organizationId: string; readonly scanId: string }[];
}

/** Reasons to leave a mailbox out that are no fault: there is nothing to read, or a policy of ours says so. */
export const HARMLESS = ['guest', 'no_mailbox', 'excluded', 'not_included'];

/**
 * Ends a scan. The first end stays, except that a scan taken for crashed may still report how it really ended. What it
 * brought as a candidate and never proved is forgotten. An end that comes late, when the scan was opened again
 * meanwhile, changes nothing.
 * @throws {ScanEnded} for such a late end
 * @throws {UnknownScan}
 */
export async function finishScan(db: Database, scanNo: number, ending: ScanEnd): Promise<EndedScan> {
  const { organizationId, filters } = await scanByNo(db, scanNo);
  const keptIn = keepsAttachments(contentOf(filters)) ? await organizationOf(db, organizationId) : undefined;
  return transaction(db, async (client) => {
    const [scan] = await run<{ status: ScanStatus; stepNo: number }>(client, {
      text: 'SELECT status, step_no AS "stepNo" FROM outhaul.scans WHERE scan_no = $1 FOR NO KEY UPDATE',
      values: [scanNo],
    });
    if (!scan) throw new UnknownScan(scanNo);
    const { end, message, maxConcurrent, step = scan.stepNo } = ending;
    if (scan.stepNo > step) throw new ScanEnded(scanNo, 'its workflow has gone on meanwhile');
    if (isFinal(scan.status) && scan.status !== 'crashed') {
      return { status: scan.status, waiting: await nextInLine(client, maxConcurrent) };
    }
    const contents = keptIn && (await contentsWithin(client, keptIn, scanNo));
    const faults = end === 'ran' ? await faultsOf(client, scanNo, contents) : undefined;
    const ran = faults ? 'completed_with_errors' : 'completed';
    const status = end === 'ran' ? ran : end;
    await close(client, { scanNo, status, message: message ?? faults, step });
    return { status, waiting: await nextInLine(client, maxConcurrent) };
  });
}

/**
 * What kept a scan from being complete, in words: mailboxes neither read nor left out for a harmless reason, folders and
 * messages that failed, and what was to be kept beside these. Undefined where nothing did.
 */
async function faultsOf(
  client: Client,
  scanNo: number,
  contents: ScanContents = NO_CONTENTS,
): Promise<string | undefined> {
  const mailboxes = await run<{ state: string; reason: string | null; count: number }>(client, {
    text: `SELECT state, reason, count(*) FROM outhaul.scan_mailboxes WHERE scan_no = $1
        AND state <> 'completed' AND NOT (state = 'skipped' AND reason IS NOT NULL AND reason = ANY($2))
      GROUP BY state, reason ORDER BY state, reason`,
    values: [scanNo, HARMLESS],
  });
  const [folders] = await run<{ failed: number; unexplained: number; quarantined: number }>(client, {
    text: `SELECT (SELECT count(*) FROM outhaul.scan_folders WHERE scan_no = $1 AND state = 'failed') AS failed,
        (SELECT coalesce(sum(unexplained), 0) FROM outhaul.scan_folders WHERE scan_no = $1) AS unexplained,
        (SELECT count(*) ${QUARANTINED_IN_SCAN}) AS quarantined`,
    values: [scanNo],
  });
  const faults = [
    ...mailboxes.map(({ state, reason, count }) => `mailboxes ${state}${reason ? ` (${reason})` : ''}: ${count}`),
    ...(folders?.failed ? [`folders failed: ${folders.failed}`] : []),
    ...(Number(folders?.unexplained) ? [`messages unexplained: ${folders?.unexplained}`] : []),
    ...(folders?.quarantined ? [`messages in quarantine: ${folders.quarantined}`] : []),
    ...(contents.attachmentsQuarantined ? [`attachments in quarantine: ${contents.attachmentsQuarantined}`] : []),
    ...(contents.originalsQuarantined ? [`originals in quarantine: ${contents.originalsQuarantined}`] : []),
  ];
  return faults.length > 0 ? faults.join('; ') : undefined;
}

async function close(
  client: Client,
  end: { scanNo: number; status: FinalScanStatus; message?: string | undefined; step?: number },
): Promise<void> {
  const { scanNo, status, message, step = 0 } = end;
  await run(client, {
    text: `UPDATE outhaul.scans SET status = $2, error_message = $3, ended_at = now(), ${RUNS_AGAIN},
        step_no = greatest(step_no, $4),
        records = (SELECT coalesce(sum(records), 0) FROM outhaul.scan_mailboxes WHERE scan_no = $1)
      WHERE scan_no = $1`,
    values: [scanNo, status, message, step],
  });
  await run(client, {
    text: `UPDATE outhaul.scan_mailboxes SET state = 'cancelled', current_folder = NULL, ended_at = now(), updated_at = now()
      WHERE scan_no = $1 AND state = 'running'`,
    values: [scanNo],
  });
  await run(client, { text: 'DELETE FROM outhaul.connections WHERE scan_no = $1', values: [scanNo] });
}

/** The scans that may take their turn now, in order. */
export const nextInLine = (
  client: Client,
  maxConcurrent: number,
): Promise<{ organizationId: string; scanId: string }[]> =>
  run(client, {
    text: `SELECT organization_id AS "organizationId", scan_id AS "scanId" FROM outhaul.scans
      WHERE status = 'pending' AND ended_at IS NULL AND turn_asked_at IS NOT NULL
      ORDER BY turn_asked_at LIMIT greatest(0, $1 - ${SLOTS_HELD})`,
    values: [maxConcurrent],
  });

/**
 * Forgets a scan that was refused: its row, its candidate and whatever it has recorded. Its id can be used again. What
 * is not there (any more) needs no forgetting.
 */
export async function discardScan(db: Database, scanNo: number): Promise<void> {
  await query(db, { text: 'DELETE FROM outhaul.scans WHERE scan_no = $1', values: [scanNo] });
  await dropPartition(db, scanNo);
}

/** The scan is taken for crashed; undefined where it has ended already. */
export const markCrashed = (
  db: Database,
  scanNo: number,
  { message, maxConcurrent }: { readonly message: string; readonly maxConcurrent: number },
): Promise<EndedScan | undefined> =>
  transaction(db, async (client) => {
    const [scan] = await run<{ scan_no: number }>(client, {
      text: 'SELECT scan_no FROM outhaul.scans WHERE scan_no = $1 AND NOT status = ANY($2) FOR NO KEY UPDATE',
      values: [scanNo, FINAL_SCAN_STATUSES],
    });
    if (!scan) return undefined;
    await close(client, { scanNo, status: 'crashed', message });
    return { status: 'crashed', waiting: await nextInLine(client, maxConcurrent) };
  });
