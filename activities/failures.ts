import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common';
import { GraphError } from '../graph/errors.ts';
import { SealError } from '../model/sealing.ts';
import { ClaimLost, LeaseLost, RoundLost, ScanEnded, StoreUnavailable, Unknown } from '../store/errors.ts';
import { isFinal, pauseAfter, type AttemptHistory, type AttemptLimits } from './attempts.ts';

/** Where Graph throttles and does not say for how long; the request itself has waited some seconds already. */
const UNSAID_THROTTLING_MS = 30_000;
/** Between attempts while the store is away: soon enough to go on when it is back, and not all at once. */
const STORE_PAUSE_MS = { least: 2_000, spread: 3_000 };
const LOST_PAUSE_MS = 1_000;
/** When the app as a whole is throttled its mailboxes come back one after the other, within this long. */
const RETURN_SPREAD_MS = 5_000;

/**
 * The activities' border: every error that leaves one becomes an `ApplicationFailure` whose type names the cause, and
 * which says whether, and when, to try again. Called by the activity interceptor.
 *
 * Types: `CredentialRefused`, `PermissionMissing`, `MailboxBusy`, `GraphFailed`, `Throttled`, `KeyMissing`, `InternalError`, and the
 * names of the store's errors.
 *
 * @param history what the attempts came to, this one included
 * @param now `Date.now()`
 */
export function toFailure(error: unknown, history: AttemptHistory, limits: AttemptLimits, now = Date.now()): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  if (error instanceof StoreUnavailable) {
    return waiting('StoreUnavailable', error, STORE_PAUSE_MS.least + Math.random() * STORE_PAUSE_MS.spread);
  }
  if (error instanceof LeaseLost || error instanceof RoundLost || error instanceof ClaimLost) {
    return waiting(error.name, error, LOST_PAUSE_MS);
  }
  if (error instanceof SealError) return final('KeyMissing', error);
  if (error instanceof ScanEnded || error instanceof Unknown) return final(error.name, error);
  if (error instanceof GraphError && error.kind === 'throttled') {
    return waiting('Throttled', error, throttledFor(error));
  }
  const cause = error instanceof Error ? error : new Error(String(error));
  const type = error instanceof GraphError ? typeOf(error) : 'InternalError';
  if (isFinal(error, history, limits, now)) return final(type, cause);
  return ApplicationFailure.create({
    type,
    message: cause.message,
    cause,
    nextRetryDelay: pauseAfter(error, history, now),
  });
}

/** How long Graph wants a single mailbox to be left alone; undefined where it is not that, or nobody waits for it any more. */
export function mailboxWait(
  error: unknown,
  history: AttemptHistory,
  limits: AttemptLimits,
  now = Date.now(),
): number | undefined {
  if (!(error instanceof GraphError)) return undefined;
  if (error.kind === 'throttled') return error.scope === 'mailbox' ? throttledFor(error) : undefined;
  if (error.kind !== 'mailbox_busy' || isFinal(error, history, limits, now)) return undefined;
  return pauseAfter(error, history, now);
}

function throttledFor({ retryAfterMs = UNSAID_THROTTLING_MS, scope }: GraphError): number {
  return retryAfterMs + (scope === 'connection' ? Math.random() * RETURN_SPREAD_MS : 0);
}

function typeOf({ kind }: GraphError): string {
  if (kind === 'credential_refused') return 'CredentialRefused';
  if (kind === 'mailbox_busy') return 'MailboxBusy';
  return kind === 'permission_missing' ? 'PermissionMissing' : 'GraphFailed';
}

/** No failure, but a reason to wait: tried again without limit. */
const waiting = (type: string, cause: Error, nextRetryDelay: number): ApplicationFailure =>
  ApplicationFailure.create({
    type,
    message: cause.message,
    cause,
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: Math.round(nextRetryDelay),
  });

const final = (type: string, cause: Error): ApplicationFailure =>
  ApplicationFailure.create({ type, message: cause.message, cause, nonRetryable: true });
