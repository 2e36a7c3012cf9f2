import { describe, expect, test } from 'vitest';
import { GraphError, type GraphErrorKind } from '../../graph/errors.ts';
import { pauseBefore } from '../../graph/middleware/throttling.ts';

function failure(kind: GraphErrorKind, retryAfterMs?: number): GraphError {
  return new GraphError('x', { kind, code: 'x', retryAfterMs });
}

/** The least and the most of many draws. */
function range(retry: number, error: GraphError): [number, number] {
  const draws = Array.from({ length: 500 }, () => pauseBefore(retry, error) ?? NaN);
  return [Math.min(...draws), Math.max(...draws)];
}

describe('The pause before a retry', () => {
  test('is at least what Graph asked for, with jitter on top', () => {
    const [least, most] = range(1, failure('throttled', 2_128));
    expect(least).toBeGreaterThanOrEqual(2_128);
    expect(most).toBeGreaterThan(least);
    expect(most).toBeLessThanOrEqual(2_628);
  });

  test('doubles where Graph asks for nothing, or for one second every time', () => {
    for (const error of [failure('throttled'), failure('throttled', 1_000)]) {
      const steps = [1, 2, 3, 4].map((retry) => range(retry, error)[1]);
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      expect(range(4, error)[0]).toBeGreaterThanOrEqual(4_000);
      expect(range(9, error)[1]).toBeLessThanOrEqual(10_000);
    }
  });

  test('is short after a network or server error', () => {
    expect(range(1, failure('unavailable'))[1]).toBeLessThanOrEqual(250);
    expect(range(3, failure('mailbox_busy'))[1]).toBeLessThanOrEqual(1_000);
  });

  test('is left to the caller when Graph asks for more than 10 s', () => {
    expect(pauseBefore(1, failure('throttled', 10_000))).toBeGreaterThanOrEqual(10_000);
    expect(pauseBefore(1, failure('throttled', 10_001))).toBeUndefined();
    expect(pauseBefore(1, failure('unavailable', 60_000))).toBeUndefined();
  });

  test('comes once for an item that cannot be read, never for what no retry mends', () => {
    expect(pauseBefore(1, failure('poison'))).toBeGreaterThan(0);
    expect(pauseBefore(2, failure('poison'))).toBeUndefined();
    for (const kind of [
      'bad_request',
      'mailbox_denied',
      'sync_state_lost',
      'body_too_large',
      'item_missing',
    ] as const) {
      expect(pauseBefore(1, failure(kind))).toBeUndefined();
    }
  });
});
