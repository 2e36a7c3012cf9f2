import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { SharedRun, wait, withAnySignal, workOff } from '../../graph/waiting.ts';
import { unhurried, until } from './support.ts';

describe('A shared run', () => {
  test('happens once for all who join it, and again for those who come later', async () => {
    let runs = 0;
    const shared = new SharedRun(async () => {
      runs += 1;
      await new Promise((resolve) => setImmediate(resolve));
      return runs;
    });
    const signal = unhurried();
    expect(await Promise.all(Array.from({ length: 50 }, () => shared.join(signal)))).toEqual(Array(50).fill(1));
    expect(await shared.join(signal)).toBe(2);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('goes on while anyone waits for it, and is aborted when the last one has gone', async () => {
    let aborted = false;
    const shared = new SharedRun(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason as Error);
          });
        }),
    );
    const [one, other] = [new AbortController(), new AbortController()];
    const joined = [shared.join(one.signal), shared.join(other.signal)].map((run) =>
      run.catch((error: Error) => error.message),
    );
    one.abort(new Error('one left'));
    expect(await joined[0]).toBe('one left');
    expect(aborted).toBe(false);
    other.abort(new Error('other left'));
    expect(await joined[1]).toBe('other left');
    expect(aborted).toBe(true);
  });

  test('that failed is not kept', async () => {
    let runs = 0;
    const shared = new SharedRun(async () => {
      runs += 1;
      if (runs === 1) throw new Error('first');
      return runs;
    });
    await expect(shared.join(unhurried())).rejects.toThrow('first');
    expect(await shared.join(unhurried())).toBe(2);
  });
});

describe('Waiting', () => {
  test('ends with the reason of the signal, and leaves nothing on it', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = wait(60_000, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(wait(1, controller.signal)).rejects.toBe(reason);
    const calm = unhurried();
    await wait(1, calm);
    expect(getEventListeners(calm, 'abort')).toHaveLength(0);
  });

  test('on any of two signals ends with the reason of the one that aborts', async () => {
    const [calm, hasty] = [unhurried(), new AbortController()];
    const task = withAnySignal([calm, hasty.signal], (signal) => wait(60_000, signal));
    hasty.abort(new Error('hasty'));
    await expect(task).rejects.toThrow('hasty');
    expect(getEventListeners(calm, 'abort')).toHaveLength(0);
  });
});

describe('Working a queue off', () => {
  test('takes what tasks add to it, no more at a time than allowed', async () => {
    const queue = [1];
    const done: number[] = [];
    let underWay = 0;
    let peak = 0;
    await workOff(queue, 3, unhurried(), async (item) => {
      underWay += 1;
      peak = Math.max(peak, underWay);
      await new Promise((resolve) => setImmediate(resolve));
      if (item < 200) queue.push(item * 2, item * 2 + 1);
      done.push(item);
      underWay -= 1;
    });
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 399 }, (_, index) => index + 1));
    expect(peak).toBe(3);
  });

  test('stops at the first failure, after the tasks under way have ended', async () => {
    const ended: string[] = [];
    const queue = ['later', 'slow', 'bad'];
    const work = workOff(queue, 2, unhurried(), async (item, signal) => {
      if (item === 'bad') throw new Error('bad item');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended.push(item);
    });
    await expect(work).rejects.toThrow('bad item');
    expect(ended).toEqual(['slow']);
  });

  test('is over at once when there is nothing to do', async () => {
    let over = false;
    void workOff([], 3, unhurried(), async () => undefined).then(() => (over = true));
    await until(() => over);
  });
});
