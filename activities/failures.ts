import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common';
import { GraphError } from '../graph/errors.ts';
import { SealError } from '../model/sealing.ts';
import { LeaseLost, RoundLost, ScanEnded, StoreUnavailable, Unknown } from '../store/errors.ts';

/**
 * The activities' border: every error that leaves one becomes an `ApplicationFailure` whose type names the cause, and
 * which says whether, and when, to try again. Called by the activity interceptor.
 *
 * Types: `CredentialRefused`, `PermissionMissing`, `GraphFailed`, `Throttled`, `KeyMissing`, `InternalError`, and the
 * names of the store's errors.
 *
 * @param attempt this attempt's number, from 1
 * @param attempts how many attempts an error of Graph, or of ours, is given before it is final
 */
export function toFailure(error: unknown, attempt: number, attempts: number): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  if (error instanceof GraphError) return graphFailure(error, attempt >= attempts);
  if (error instanceof StoreUnavailable) return retryable('StoreUnavailable', error);
  if (error instanceof LeaseLost || error instanceof RoundLost) return retryable(error.name, error);
  if (error instanceof SealError) return failure('KeyMissing', error, true);
  if (error instanceof ScanEnded || error instanceof Unknown) return failure(error.name, error, true);
  return failure('InternalError', error instanceof Error ? error : new Error(String(error)), attempt >= attempts);
}

function graphFailure(error: GraphError, last: boolean): ApplicationFailure {
  if (error.kind === 'credential_refused') return failure('CredentialRefused', error, true);
  if (error.kind === 'permission_missing') return failure('PermissionMissing', error, true);
  if (error.kind === 'throttled') return retryable('Throttled', error, error.retryAfterMs);
  return failure('GraphFailed', error, last || !error.retryable);
}

const retryable = (type: string, cause: Error, nextRetryDelay?: number): ApplicationFailure =>
  ApplicationFailure.create({
    type,
    message: cause.message,
    cause,
    category: ApplicationFailureCategory.BENIGN,
    ...(nextRetryDelay !== undefined && { nextRetryDelay }),
  });

const failure = (type: string, cause: Error, nonRetryable: boolean): ApplicationFailure =>
  ApplicationFailure.create({ type, message: cause.message, cause, nonRetryable });
