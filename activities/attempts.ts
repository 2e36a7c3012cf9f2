import { GraphError } from '../graph/errors.ts';
import { ClaimLost, LeaseLost, RoundLost, StoreUnavailable } from '../store/errors.ts';

/**
 * What the attempts of one activity have come to so far. Temporal's own attempt number counts also those that were lost
 * with their worker and those that only waited: for the store, for a lease, out of throttling. None of these says that
 * the next attempt is hopeless, so they do not count here.
 */
export interface AttemptHistory {
  /** Attempts that ended by a failure of Graph, or of ours. */
  readonly failures: number;
  /** Since when Graph has said, without a page in between, that the mailbox is busy; `Date.now()`. */
  readonly busySince?: number | undefined;
}

/** How patient an activity is with failures that may pass. */
export interface AttemptLimits {
  /** Failures of Graph, or of ours, after which one is final; `MAX_RETRIES`. */
  readonly attempts: number;
}

/**
 * How long a busy mailbox is waited for. A mailbox is busy while Microsoft moves it, which can take half an hour; the
 * rest of the scan goes on meanwhile.
 */
export const BUSY_PATIENCE_MS = 30 * 60_000;
const FIRST_BUSY_PAUSE_MS = 15_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

/** Errors that say to wait, and nothing of the work itself. */
const WAITING = [StoreUnavailable, LeaseLost, RoundLost, ClaimLost];

/** The history with one more attempt, which ended by `error`. */
export function afterFailure(history: AttemptHistory, error: unknown, now: number): AttemptHistory {
  if (WAITING.some((type) => error instanceof type)) return history;
  if (error instanceof GraphError) {
    if (error.kind === 'throttled') return history;
    if (error.kind === 'mailbox_busy') return { ...history, busySince: history.busySince ?? now };
  }
  return { failures: history.failures + 1 };
}

/** Whether an activity whose latest attempt ended by `error` should be given up; `history` includes that attempt. */
export function isFinal(error: unknown, history: AttemptHistory, { attempts }: AttemptLimits, now: number): boolean {
  if (error instanceof GraphError) {
    if (error.kind === 'throttled') return false;
    if (error.kind === 'mailbox_busy') return now - (history.busySince ?? now) >= BUSY_PATIENCE_MS;
    if (!error.retryable) return true;
  }
  return history.failures >= attempts;
}

/** Milliseconds until the next attempt, after a failure that counts: doubling from 2 s, up to 5 min. */
export function pauseAfter(error: unknown, { failures, busySince }: AttemptHistory, now: number): number {
  const asked = error instanceof GraphError ? (error.retryAfterMs ?? 0) : 0;
  const isBusy = error instanceof GraphError && error.kind === 'mailbox_busy';
  const pause = isBusy
    ? Math.max(FIRST_BUSY_PAUSE_MS, (now - (busySince ?? now)) / 2)
    : FIRST_PAUSE_MS * 2 ** Math.max(failures - 1, 0);
  return Math.round(Math.max(asked, Math.min(pause, LONGEST_PAUSE_MS)));
}
