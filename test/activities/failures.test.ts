import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { toFailure } from '../../activities/failures.ts';
import { GraphError, type GraphErrorKind } from '../../graph/errors.ts';
import { SealError } from '../../model/sealing.ts';
import { LeaseLost, RoundLost, ScanEnded, StoreUnavailable, UnknownScan } from '../../store/errors.ts';

const graphError = (kind: GraphErrorKind, retryAfterMs?: number): GraphError =>
  new GraphError('the words', { kind, code: 'X', retryAfterMs });

/** The failure of an activity that has failed `failures` times, this one included, and may fail three times. */
function failureOf(error: unknown, failures = 1, busySince?: number): ApplicationFailure {
  const failure = toFailure(error, { failures, busySince }, { attempts: 3 }, 1_000_000);
  if (!(failure instanceof ApplicationFailure)) throw new Error('no ApplicationFailure');
  return failure;
}

describe('the failure of an activity', () => {
  it.each([
    ['the credential is refused', graphError('credential_refused'), 'CredentialRefused'],
    ['a permission is missing', graphError('permission_missing'), 'PermissionMissing'],
    ['Graph does not accept the request', graphError('bad_request'), 'GraphFailed'],
    ['an item cannot be read', graphError('poison'), 'GraphFailed'],
    ['the key is missing', new SealError('x'), 'KeyMissing'],
    ['the scan has ended', new ScanEnded(1, 'cancelled'), 'ScanEnded'],
    ['the scan is not known', new UnknownScan(1), 'UnknownScan'],
  ])('is final at once where %s', (_what, error, type) => {
    expect(failureOf(error)).toMatchObject({ type, nonRetryable: true, message: error.message, cause: error });
  });

  it.each([
    ['Graph', graphError('unavailable'), 'GraphFailed'],
    ['ours', new TypeError('x'), 'InternalError'],
  ])('of %s is final after as many failures as allowed', (_whose, error, type) => {
    expect(failureOf(error, 2)).toMatchObject({ type, nonRetryable: false, nextRetryDelay: 4_000 });
    expect(failureOf(error, 3)).toMatchObject({ type, nonRetryable: true });
  });

  it('of something thrown that is no error is an internal one', () => {
    expect(failureOf('words')).toMatchObject({ type: 'InternalError', message: 'words', nonRetryable: false });
  });

  it.each([
    [600_000, 600_000],
    [undefined, 30_000],
  ])('by throttling is tried again when Graph allows it, without limit (%s ms asked)', (asked, delay) => {
    expect(failureOf(graphError('throttled', asked), 99)).toMatchObject({
      type: 'Throttled',
      nonRetryable: false,
      nextRetryDelay: delay,
      category: ApplicationFailureCategory.BENIGN,
    });
  });

  it('by throttling of the whole app does not come back together with all the others', () => {
    const error = new GraphError('x', { kind: 'throttled', code: 'X', scope: 'connection', retryAfterMs: 60_000 });
    const delays = Array.from({ length: 50 }, () => Number(failureOf(error).nextRetryDelay));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(60_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(65_000);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  it('in a busy mailbox is tried again for half an hour', () => {
    const busy = graphError('mailbox_busy');
    expect(failureOf(busy, 99, 1_000_000 - 29 * 60_000)).toMatchObject({ type: 'MailboxBusy', nonRetryable: false });
    expect(failureOf(busy, 0, 1_000_000 - 30 * 60_000)).toMatchObject({ type: 'MailboxBusy', nonRetryable: true });
  });

  it.each([
    ['the store is away', new StoreUnavailable('x'), 'StoreUnavailable'],
    ['the lease is lost', new LeaseLost('x'), 'LeaseLost'],
    ['the round is lost', new RoundLost('x'), 'RoundLost'],
  ])('because %s is tried again within seconds, without limit', (_what, error, type) => {
    const failure = failureOf(error, 99);
    expect(failure).toMatchObject({ type, nonRetryable: false, category: ApplicationFailureCategory.BENIGN });
    expect(failure.nextRetryDelay).toBeGreaterThanOrEqual(1_000);
    expect(failure.nextRetryDelay).toBeLessThanOrEqual(5_000);
  });

  it('is left alone where it is a cancellation, or one of Temporal already', () => {
    const cancelled = new CancelledFailure('x');
    const failed = ApplicationFailure.nonRetryable('x', 'Own');
    expect(toFailure(cancelled, { failures: 1 }, { attempts: 1 })).toBe(cancelled);
    expect(toFailure(failed, { failures: 1 }, { attempts: 1 })).toBe(failed);
  });
});
