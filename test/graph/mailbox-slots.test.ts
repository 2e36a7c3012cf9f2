import { describe, expect, test } from 'vitest';
import { MailboxSlots } from '../../graph/mailbox-slots.ts';
import { unhurried } from './support.ts';

/** Takes turns of the event loop until everything that can happen has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('The slots of a mailbox', () => {
  test('are never taken by more than the limit, and all who ask get one', async () => {
    const slots = new MailboxSlots(3);
    let underWay = 0;
    let peak = 0;
    const work = async (): Promise<void> => {
      const release = await slots.acquire(1, unhurried());
      underWay += 1;
      peak = Math.max(peak, underWay);
      await settle();
      underWay -= 1;
      release();
    };
    await Promise.all(Array.from({ length: 40 }, work));
    expect(peak).toBe(3);
    expect(slots.idle).toBe(true);
  });

  test('are granted in the order they were asked for, so that a heavy request is not passed by for ever', async () => {
    const slots = new MailboxSlots(3);
    const order: string[] = [];
    const first = await slots.acquire(1, unhurried());
    const heavy = slots.acquire(3, unhurried()).then((release) => {
      order.push('heavy');
      return release;
    });
    const light = slots.acquire(1, unhurried()).then((release) => {
      order.push('light');
      return release;
    });
    await settle();
    expect(order).toEqual([]);
    first();
    (await heavy)();
    (await light)();
    expect(order).toEqual(['heavy', 'light']);
  });

  test('are given to the next one when one who waited goes away', async () => {
    const slots = new MailboxSlots(1);
    const held = await slots.acquire(1, unhurried());
    const leaving = new AbortController();
    const left = slots.acquire(1, leaving.signal);
    const next = slots.acquire(1, unhurried());
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    held();
    (await next)();
    expect(slots.idle).toBe(true);
  });

  test('are held back during a pause, and granted after it', async () => {
    const slots = new MailboxSlots(3);
    const startedAt = performance.now();
    slots.pause(120);
    const release = await slots.acquire(1, unhurried());
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(120);
    release();
  });

  test('are refused at once during a long pause, to those who waited too, with the time that is left', async () => {
    const slots = new MailboxSlots(1);
    await slots.acquire(1, unhurried());
    const waiting = Array.from({ length: 200 }, () => slots.acquire(1, unhurried()));
    slots.pause(60_000);
    const refusal = { kind: 'throttled', retryable: true, retryAfterMs: expect.closeTo(60_000, -3) as number };
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: refusal });
    }
    await expect(slots.acquire(1, unhurried())).rejects.toMatchObject(refusal);
    expect(slots.idle).toBe(false);
  });
});
