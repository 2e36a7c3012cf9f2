import { describe, expect, test } from 'vitest';
import { parseRetryAfter } from '../../model/retry-after.ts';

const DATE = 'Fri, 20 Nov 2026 10:00:00 GMT';

describe('Retry-After', () => {
  test.each([
    ['1', 1_000],
    ['0', 0],
    ['2.128', 2_128],
    ['0.0001', 1],
    [' 30 ', 30_000],
    ['120.', 120_000],
    ['99999999999', 24 * 60 * 60 * 1_000],
  ])('%j seconds are %i ms', (value, expected) => {
    expect(parseRetryAfter(value)).toBe(expected);
  });

  test.each([[undefined], [''], ['soon'], ['-5'], ['1e9'], ['1,5'], ['NaN'], ['Infinity'], ['Someday']])(
    '%j is no wait at all',
    (value) => {
      expect(parseRetryAfter(value)).toBeUndefined();
    },
  );

  test('a date counts from the date of the answer', () => {
    expect(parseRetryAfter('Fri, 20 Nov 2026 10:00:17 GMT', DATE)).toBe(17_000);
  });

  test('a date in the past is no wait, one far away is a day', () => {
    expect(parseRetryAfter('Fri, 20 Nov 2026 09:00:00 GMT', DATE)).toBe(0);
    expect(parseRetryAfter('Fri, 20 Nov 2099 09:00:00 GMT', DATE)).toBe(24 * 60 * 60 * 1_000);
  });

  test('a date counts from now where the answer has none', () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    expect(parseRetryAfter(inAMinute)).toBeGreaterThan(57_000);
    expect(parseRetryAfter(inAMinute)).toBeLessThanOrEqual(60_000);
  });
});
