import pLimit from 'p-limit';
import type { ScanStatus } from '../model/scan.ts';
import { openScans, staleScans, type OpenScan } from '../store/scan-figures.ts';
import { scanByNo } from '../store/scans.ts';
import type { ApiParts } from './parts.ts';
import { setRight } from './set-right.ts';

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

async function reviewed({ db }: ApiParts, scan: OpenScan, action: string): Promise<ReviewedScan> {
  const { scanId, organizationId, lastProgressAt, scanNo } = scan;
  const { status } = await scanByNo(db, scanNo);
  return { scanId, organizationId, status, lastProgressAt, action };
}
