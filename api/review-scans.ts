import pLimit from 'p-limit';
import type { ScanStatus } from '../model/scan.ts';
import { finishScan, markCrashed } from '../store/scan-end.ts';
import { openScans, staleScans, type OpenScan } from '../store/scan-figures.ts';
import { scanByNo } from '../store/scans.ts';
import type { ApiParts } from './parts.ts';
import type { WorkflowState } from './scan-workflows.ts';

/** A scan that something was wrong with, and what was done about it. */
export interface ReviewedScan {
  readonly scanId: string;
  readonly organizationId: string;
  readonly status: ScanStatus;
  readonly lastProgressAt: string;
  readonly action: string;
}

export interface Review {
  readonly checked: number;
  readonly crashed: readonly ReviewedScan[];
  readonly stalled: readonly ReviewedScan[];
}

export const NOT_IN_TEMPORAL = 'Temporal does not know its workflow';
/** A scan is recorded just before its workflow starts: younger than this, it may not be there yet. */
const STARTING_MS = 30_000;
/** Questions to Temporal at a time. */
const AT_ONCE = 10;

/**
 * Compares the scans that have not ended with what Temporal runs. A scan whose workflow is gone, or ended without
 * saying so, is set right; one that runs but has not moved for `timeoutMinutes` is told to look again at what it waits
 * for. A scan that only waits for its turn is not stalled.
 */
export async function reviewScans(
  parts: ApiParts,
  { organizationId, timeoutMinutes }: { organizationId: string | null; timeoutMinutes: number },
): Promise<Review> {
  const { db, workflows } = parts;
  const limit = pLimit(AT_ONCE);
  const open = await openScans(db, organizationId);
  const states = await Promise.all(open.map((scan) => limit(() => workflows.describe(scan))));
  const stale = new Set(
    (await staleScans(db, { minutes: timeoutMinutes, organizationId })).map(({ scanNo }) => scanNo),
  );
  const crashed: ReviewedScan[] = [];
  const stalled: ReviewedScan[] = [];
  for (const [index, scan] of open.entries()) {
    const state = states[index];
    if (state?.status !== 'RUNNING' && state?.status !== 'PAUSED') {
      if (!state && isStarting(scan)) continue;
      const action = await setRight(parts, scan, state);
      if (action !== undefined) crashed.push(await reviewed(parts, scan, action));
    } else if (stale.has(scan.scanNo)) {
      const heard = await workflows.review(scan);
      const action = heard ? 'was told to look again at what it waits for' : 'ended while it was looked at';
      stalled.push(await reviewed(parts, scan, action));
    }
  }
  return { checked: open.length, crashed, stalled };
}

const isStarting = ({ lastProgressAt }: OpenScan): boolean => Date.now() - Date.parse(lastProgressAt) < STARTING_MS;

/** Gives a scan that Temporal does not run its end; undefined when it has ended by itself meanwhile. */
async function setRight(
  { db, workflows, config }: ApiParts,
  scan: OpenScan,
  state: WorkflowState | undefined,
): Promise<string | undefined> {
  if (state?.status === 'CANCELLED') {
    const { waiting } = await finishScan(db, scan.scanNo, {
      end: 'cancelled',
      maxConcurrent: config.maxConcurrentScans,
    });
    await Promise.all(waiting.map((next) => workflows.tellTurnFreed(next)));
    return 'its workflow was cancelled: marked as cancelled';
  }
  const why = state ? `Its workflow has ended in Temporal: ${state.status.toLowerCase()}` : NOT_IN_TEMPORAL;
  return (await markCrashed(db, scan.scanNo, why)) ? `${why}: marked as crashed` : undefined;
}

async function reviewed({ db }: ApiParts, scan: OpenScan, action: string): Promise<ReviewedScan> {
  const { scanId, organizationId, lastProgressAt, scanNo } = scan;
  const { status } = await scanByNo(db, scanNo);
  return { scanId, organizationId, status, lastProgressAt, action };
}
