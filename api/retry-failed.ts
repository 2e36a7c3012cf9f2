import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Logger } from 'pino';
import { isFinal, type ScanStatus } from '../model/scan.ts';
import { reopenScan, unreadMailboxes } from '../store/scan-controls.ts';
import { scanByNo, type Scan } from '../store/scans.ts';
import type { ScanAdmission } from '../workflows/messages.ts';
import { admit, turnedDown } from './admission.ts';
import { conflict } from './errors.ts';
import type { ApiParts } from './parts.ts';
import { refuseWhereImpossible } from './scan-controls.ts';

/** How long the workflow of a scan that has just ended may take to close. */
const CLOSING_MS = 10_000;
const LOOK_MS = 200;

/**
 * Opens a scan again that has ended, and has read what it has not: mailboxes that failed or were denied, and those that
 * an early end left over. Temporal lets one workflow of a scan run, so that of several who ask at once one opens it and
 * the others find it open.
 * @returns how the scan stands
 * @throws {HttpError} 409 where nothing can be tried again, 422 the credential is refused, 503 something is away
 */
export async function retryFailed(parts: ApiParts, scan: Scan, log: Logger): Promise<ScanStatus> {
  const { db } = parts;
  const { scanId, scanNo, stepNo } = scan;
  refuseWhereImpossible('retry-failed', scan);
  if (!isFinal(scan.status)) return scan.status;
  if (scan.status === 'completed_with_errors' && (await unreadMailboxes(db, scanNo)) === 0) {
    throw conflict(`Scan ${scanId} has read every mailbox; its coverage says what is missing in them`);
  }
  const admission = await admitAgain(parts, scan, log);
  if (admission?.status === 'refused' || admission?.status === 'unreachable') throw turnedDown(admission, scan, log);
  // The workflow does the same as soon as a worker is there: the step is taken once.
  if (admission) await reopenScan(db, { scanNo, step: stepNo + 1 });
  log.info({ organizationId: scan.organizationId, scanId, scanNo }, 'Scan opened again');
  return (await scanByNo(db, scanNo)).status;
}

/** Undefined where somebody else has opened the scan meanwhile. */
async function admitAgain(parts: ApiParts, scan: Scan, log: Logger): Promise<ScanAdmission | undefined> {
  const end = performance.now() + CLOSING_MS;
  for (;;) {
    try {
      return await admit(parts, { ...scan, reopensAfter: scan.stepNo }, log);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    if ((await scanByNo(parts.db, scan.scanNo)).stepNo > scan.stepNo) return undefined;
    if (performance.now() > end || parts.closing.aborted) {
      throw conflict(`The workflow of scan ${scan.scanId} is still ending: try again in a moment`);
    }
    await delay(LOOK_MS);
  }
}
