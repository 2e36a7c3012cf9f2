import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, type ScanStatus } from '../model/scan.ts';
import { markCancelling } from '../store/scan-controls.ts';
import { scanByNo, type Scan } from '../store/scans.ts';
import { conflict, type HttpError } from './errors.ts';
import type { ApiParts } from './parts.ts';
import { setRight } from './set-right.ts';

/** What can be done with a scan once it is started. */
export type ScanControl = 'pause' | 'resume' | 'cancel' | 'retry-failed';

/** How long a control waits to see its effect. Without a worker it takes effect when one is there. */
const CONFIRM_MS = 5_000;
const LOOK_MS = 50;
/** A scan is recorded just before its workflow starts: younger than this, it may not be there yet. */
const STARTING_MS = 30_000;

const DONE: Readonly<Record<ScanControl, string>> = {
  pause: 'paused',
  resume: 'resumed',
  cancel: 'cancelled',
  'retry-failed': 'tried again',
};

/**
 * Why the control cannot be used on a scan as it stands, and what can be done instead; undefined where it can. What was
 * done before is no fault: whoever asks twice gets the same answer.
 */
export function refusalOf(
  control: ScanControl,
  { scanId, status, retriedAt }: Pick<Scan, 'scanId' | 'status' | 'retriedAt'>,
): string | undefined {
  if (control === 'retry-failed') {
    if (status === 'completed')
      return `Scan ${scanId} has completed: every mailbox was read, nothing is left to try again`;
    if (status === 'cancelling') return `Scan ${scanId} is being cancelled: try again once it is cancelled`;
    if (isFinal(status) || retriedAt !== null) return undefined;
    return `Scan ${scanId} is ${status}: mailboxes are tried again once it has ended; cancel it to end it now`;
  }
  if (isFinal(status)) {
    const rest = status === 'completed' ? '' : '; retry-failed goes on with what it has not read';
    return `Scan ${scanId} has ended: ${status}${rest}`;
  }
  if (status === 'cancelling' && control !== 'cancel') {
    return `Scan ${scanId} is being cancelled and cannot be ${DONE[control]}; once it is cancelled, retry-failed goes on with it`;
  }
  return undefined;
}

/** What to tell whoever used a control that is allowed, by how the scan stands afterwards. */
export function messageOf(control: ScanControl, scanId: string, status: ScanStatus): string {
  if (control === 'pause') {
    return status === 'paused'
      ? `Scan ${scanId} is paused; resume goes on with it`
      : `Scan ${scanId} pauses as soon as a worker is there`;
  }
  if (status === 'running') return `Scan ${scanId} is running`;
  if (status === 'pending') return `Scan ${scanId} waits for its turn`;
  return control === 'resume'
    ? `Scan ${scanId} goes on as soon as a worker is there`
    : `Scan ${scanId} is open again and ${status}`;
}

/** @throws {HttpError} 409 that says how the scan stands and what can be done */
export function refuseWhereImpossible(control: ScanControl, scan: Scan): void {
  const refusal = refusalOf(control, scan);
  if (refusal !== undefined) throw conflict(refusal);
}

/**
 * Has a scan stand still, or go on. Temporal keeps pauses and resumptions in order, also while no worker is there to act
 * on them; so the workflow is told, and records itself how it stands.
 * @returns how the scan stands, as soon as that can be seen
 * @throws {HttpError} 409
 */
export async function setPaused(parts: ApiParts, scan: Scan, paused: boolean): Promise<ScanStatus> {
  const control = paused ? 'pause' : 'resume';
  refuseWhereImpossible(control, scan);
  if (!(await parts.workflows[control](scan))) throw await whyNotRunning(parts, scan, control);
  const after = await seen(parts, scan, ({ status }) => isFinal(status) || (status === 'paused') === paused);
  refuseWhereImpossible(control, after);
  return after.status;
}

/**
 * Cancels a scan. Its workflow is told first: a scan that is called cancelling is being cancelled.
 * @throws {HttpError} 409
 */
export async function cancelScan(parts: ApiParts, scan: Scan): Promise<void> {
  refuseWhereImpossible('cancel', scan);
  if (!(await parts.workflows.cancel(scan))) throw await whyNotRunning(parts, scan, 'cancel');
  await markCancelling(parts.db, scan.scanNo);
}

/** Temporal does not run the scan's workflow: it has ended meanwhile, or is gone, or not there yet. */
async function whyNotRunning(parts: ApiParts, scan: Scan, control: ScanControl): Promise<HttpError> {
  const { scanId, scanNo, status, requestedAt } = scan;
  const state = await parts.workflows.describe(scan);
  const isStarting = !state && status === 'pending' && Date.now() - Date.parse(requestedAt) < STARTING_MS;
  if (!isStarting && state?.status !== 'RUNNING') {
    const action = await setRight(parts, scan, state);
    if (action) return conflict(`Scan ${scanId} cannot be ${DONE[control]}: ${action}; retry-failed goes on with it`);
  }
  const refusal = refusalOf(control, await scanByNo(parts.db, scanNo));
  return conflict(refusal ?? `Scan ${scanId} is only just starting: try again in a moment`);
}

/** Looks at the scan until `isThere`, or until time is up; returns it as it was last. */
async function seen({ db, closing }: ApiParts, { scanNo }: Scan, isThere: (scan: Scan) => boolean): Promise<Scan> {
  const end = performance.now() + CONFIRM_MS;
  for (;;) {
    const scan = await scanByNo(db, scanNo);
    if (isThere(scan) || performance.now() > end || closing.aborted) return scan;
    await delay(LOOK_MS);
  }
}
