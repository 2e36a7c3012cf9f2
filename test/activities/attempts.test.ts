import { describe, expect, it } from 'vitest';
import { afterFailure, BUSY_PATIENCE_MS, isFinal, pauseAfter, type AttemptHistory } from '../../activities/attempts.ts';
import { GraphError, type GraphErrorKind } from '../../graph/errors.ts';
import { LeaseLost, RoundLost, StoreUnavailable } from '../../store/errors.ts';

const graphError = (kind: GraphErrorKind, retryAfterMs?: number): GraphError =>
  new GraphError(kind, { kind, code: 'X', retryAfterMs });
const FRESH: AttemptHistory = { failures: 0 };
const LIMITS = { attempts: 3 };
const NOW = 1_700_000_000_000;
const MINUTE = 60_000;

describe('the history of an activity', () => {
  it.each([
    ['the store was away', new StoreUnavailable('x')],
    ['the lease was lost', new LeaseLost('x')],
    ['the round was lost', new RoundLost('x')],
    ['Graph throttled', graphError('throttled')],
  ])('does not count an attempt in which %s', (_what, error) => {
    const history = { failures: 2, busySince: NOW };
    expect(afterFailure(history, error, NOW)).toBe(history);
  });

  it('counts failures of Graph, and faults of ours', () => {
    const once = afterFailure(FRESH, graphError('unavailable'), NOW);
    expect(once).toEqual({ failures: 1 });
    expect(afterFailure(once, new TypeError('x'), NOW)).toEqual({ failures: 2 });
  });

  it('remembers since when a mailbox is busy, until something else happens', () => {
    const busy = afterFailure(FRESH, graphError('mailbox_busy'), NOW);
    expect(busy).toEqual({ failures: 0, busySince: NOW });
    expect(afterFailure(busy, graphError('mailbox_busy'), NOW + MINUTE)).toEqual(busy);
    expect(afterFailure(busy, graphError('unavailable'), NOW)).toEqual({ failures: 1 });
  });
});

describe('an activity', () => {
  it('is given up after the allowed number of failures, and at once where no retry helps', () => {
    const error = graphError('unavailable');
    expect(isFinal(error, { failures: 2 }, LIMITS, NOW)).toBe(false);
    expect(isFinal(error, { failures: 3 }, LIMITS, NOW)).toBe(true);
    expect(isFinal(new TypeError('x'), { failures: 3 }, LIMITS, NOW)).toBe(true);
    expect(isFinal(graphError('bad_request'), { failures: 1 }, LIMITS, NOW)).toBe(true);
  });

  it('is never given up because Graph throttles', () => {
    expect(isFinal(graphError('throttled'), { failures: 9 }, LIMITS, NOW)).toBe(false);
  });

  it('waits half an hour for a busy mailbox, however often it fails', () => {
    const error = graphError('mailbox_busy');
    const history = { failures: 9, busySince: NOW };
    expect(isFinal(error, history, LIMITS, NOW + BUSY_PATIENCE_MS - 1)).toBe(false);
    expect(isFinal(error, history, LIMITS, NOW + BUSY_PATIENCE_MS)).toBe(true);
  });
});

describe('the pause before the next attempt', () => {
  it('doubles with each failure that counts, up to five minutes', () => {
    const pauses = [1, 2, 3, 8, 20].map((failures) => pauseAfter(graphError('unavailable'), { failures }, NOW));
    expect(pauses).toEqual([2_000, 4_000, 8_000, 256_000, 5 * MINUTE]);
  });

  it('is never shorter than Graph asks for', () => {
    expect(pauseAfter(graphError('unavailable', 600_000), { failures: 1 }, NOW)).toBe(600_000);
    expect(pauseAfter(graphError('mailbox_busy', 600_000), { failures: 0, busySince: NOW }, NOW)).toBe(600_000);
  });

  it('grows with the time a mailbox has been busy', () => {
    const pauses = [0, 1, 4, 25].map((minutes) =>
      pauseAfter(graphError('mailbox_busy'), { failures: 0, busySince: NOW }, NOW + minutes * MINUTE),
    );
    expect(pauses).toEqual([15_000, 30_000, 2 * MINUTE, 5 * MINUTE]);
  });
});
