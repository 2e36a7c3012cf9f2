import { finishScan, markCrashed, type EndedScan } from '../store/scan-end.ts';
import type { ApiParts } from './parts.ts';
import type { ScanName, WorkflowState } from './scan-workflows.ts';

/**
 * Gives a scan that Temporal does not run its end: its readers are told that it no longer waits, and the scans that wait
 * for its turn are told that it is free.
 * @param state what Temporal knows of its workflow
 * @returns what was done, in words; undefined when the scan has ended by itself meanwhile
 */
export async function setRight(
  parts: ApiParts,
  scan: ScanName & { readonly scanNo: number },
  state: WorkflowState | undefined,
): Promise<string | undefined> {
  const { db, workflows, config } = parts;
  const maxConcurrent = config.maxConcurrentScans;
  // First, for whoever finds the scan ended does not come back here.
  await workflows.withdraw(scan);
  if (state?.status === 'CANCELLED') {
    await tellWaiting(parts, await finishScan(db, scan.scanNo, { end: 'cancelled', maxConcurrent }));
    return 'its workflow was cancelled: marked as cancelled';
  }
  const why = state
    ? `Its workflow has ended in Temporal: ${state.status.toLowerCase()}`
    : 'Temporal does not know its workflow';
  const ended = await markCrashed(db, scan.scanNo, { message: why, maxConcurrent });
  if (!ended) return undefined;
  await tellWaiting(parts, ended);
  return `${why}: marked as crashed`;
}

/** One that is not told asks by itself within a minute. */
async function tellWaiting({ workflows }: ApiParts, { waiting }: EndedScan): Promise<void> {
  await Promise.allSettled(waiting.map((next) => workflows.tellTurnFreed(next)));
}
