import { describe, expect, it } from 'vitest';
import { hasWaitedTooLong, idempotencyKey, pauseAfter, retryIn } from '../../model/delivery.ts';
import { SETTINGS_DEFAULTS, withDefaults } from '../../model/destination.ts';

describe('the pause after an attempt', () => {
  it('grows, up to five minutes, and is up to a half shorter by chance', () => {
    for (let seed = 1; seed < 200; seed++) {
      const pauses = [1, 2, 3, 4, 5, 6, 50].map((attempts) => pauseAfter(attempts, seed));
      for (const [at, whole] of [1_000, 4_000, 16_000, 64_000, 256_000, 300_000, 300_000].entries()) {
        expect(pauses[at]).toBeLessThanOrEqual(whole);
        expect(pauses[at]).toBeGreaterThanOrEqual(whole / 2);
      }
    }
  });

  it('is the same for the same delivery, and spread over all', () => {
    expect(pauseAfter(2, 77)).toBe(pauseAfter(2, 77));
    const pauses = Array.from({ length: 1000 }, (_, seed) => pauseAfter(1, seed));
    expect(new Set(pauses.map((ms) => Math.floor(ms / 50))).size).toBeGreaterThanOrEqual(10);
  });
});

describe('a delivery that was refused', () => {
  const refusal = { deliveryNo: 7, attempts: 0, retry: true };

  it('is tried again until its attempts are used up', () => {
    expect(retryIn(refusal, 3)).toBe(pauseAfter(1, 7));
    expect(retryIn({ ...refusal, attempts: 1 }, 3)).toBe(pauseAfter(2, 7));
    expect(retryIn({ ...refusal, attempts: 2 }, 3)).toBeNull();
  });

  it('is not tried again where that is no use', () => {
    expect(retryIn({ ...refusal, retry: false }, 3)).toBeNull();
  });

  it('waits as long as the destination has asked for, and not less than it would have', () => {
    expect(retryIn({ ...refusal, retryAfterMs: 30_000 }, 3)).toBe(30_000);
    expect(retryIn({ ...refusal, retryAfterMs: 1 }, 3)).toBe(pauseAfter(1, 7));
  });
});

describe('a delivery that is owed', () => {
  it('has waited too long after seven days, unless the destination says otherwise', () => {
    const day = 24 * 3600 * 1000;
    const { maxWaitSeconds } = withDefaults('utility', { endpoint: 'https://utility.example' });
    expect(hasWaitedTooLong(0, 7 * day, maxWaitSeconds)).toBe(false);
    expect(hasWaitedTooLong(0, 7 * day + 1, maxWaitSeconds)).toBe(true);
    expect(hasWaitedTooLong(0, 61_000, 60)).toBe(true);
  });

  it('has one idempotency key for all attempts, and another one when it is replayed', () => {
    const delivery = { destinationId: 'd', deliveryNo: 3, replays: 0 };
    expect(idempotencyKey(delivery)).toBe(idempotencyKey({ ...delivery }));
    expect(idempotencyKey({ ...delivery, replays: 1 })).not.toBe(idempotencyKey(delivery));
  });
});

it('a utility is called as the document says unless told otherwise', () => {
  expect(SETTINGS_DEFAULTS.utility).toMatchObject({ concurrency: 25, timeoutSeconds: 30, attempts: 3 });
  expect(SETTINGS_DEFAULTS.batch).toMatchObject({ batchItems: 100, allowPrivate: false, batchWaitSeconds: 2 });
  const given = withDefaults('utility', { endpoint: 'https://utility.example', concurrency: 2, filters: {} });
  expect(given).toMatchObject({ concurrency: 2, timeoutSeconds: 30, endpoint: 'https://utility.example' });
});
