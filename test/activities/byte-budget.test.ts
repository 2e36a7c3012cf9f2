import { describe, expect, it } from 'vitest';
import { Budget, ByteBudget } from '../../activities/byte-budget.ts';

const never = new AbortController().signal;
/** Whether a promise has settled by the time everything that is due has run. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

describe('a budget', () => {
  it('grants what fits and makes the rest wait, first come first served', async () => {
    const budget = new Budget(100);
    const first = await budget.reserve(60, never);
    const second = budget.reserve(50, never);
    const third = budget.reserve(10, never);
    expect(await settled(second)).toBe(false);
    expect(await settled(third)).toBe(false);
    first.release();
    expect((await Promise.all([second, third])).length).toBe(2);
    expect(budget.used).toBe(60);
  });

  it('grants what is larger than the whole budget when it is alone', async () => {
    const budget = new Budget(100);
    const small = await budget.reserve(1, never);
    const huge = budget.reserve(1000, never);
    expect(await settled(huge)).toBe(false);
    small.release();
    (await huge).release();
    expect(budget.used).toBe(0);
  });

  it('lets the next one in when a reservation turns out smaller', async () => {
    const budget = new Budget(100);
    const first = await budget.reserve(100, never);
    const second = budget.reserve(50, never);
    first.resize(50);
    await second;
    expect(budget.used).toBe(100);
  });

  it('forgets who was aborted, and serves those behind', async () => {
    const budget = new Budget(100);
    await budget.reserve(80, never);
    const impatient = new AbortController();
    const second = budget.reserve(90, impatient.signal);
    const third = budget.reserve(20, never);
    impatient.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    await third;
    expect(budget.used).toBe(100);
  });

  it('takes a reservation back once', async () => {
    const budget = new Budget(100);
    const one = await budget.reserve(40, never);
    one.release();
    one.release();
    expect(budget.used).toBe(0);
  });
});

describe('the byte budget of a worker', () => {
  const inTurn = async (budget: ByteBudget, readers: ReturnType<ByteBudget['forReader']>[]): Promise<number[]> => {
    const order: number[] = [];
    const full = await budget.forReader(0).reserve(100, never);
    const pages = readers.map(async (reader, index) => {
      const page = await reader.reserve(100, never);
      order.push(index);
      page.release();
    });
    full.release();
    await Promise.all(pages);
    return order;
  };

  it('has the page of a reader that began earlier go first, whoever asked first', async () => {
    const budget = new ByteBudget(100);
    const [first, second] = [budget.forReader(3), budget.forReader(3)];
    expect(await inTurn(budget, [second, first, second, first])).toEqual([1, 3, 0, 2]);
  });

  it('has the more urgent go first, whenever it began', async () => {
    const budget = new ByteBudget(100);
    const [scan, live] = [budget.forReader(3), budget.forReader(1)];
    expect(await inTurn(budget, [scan, live])).toEqual([1, 0]);
  });

  it('knows how large messages are, by what all its readers have seen', () => {
    const budget = new ByteBudget(100);
    const [first, second] = [budget.forReader(3), budget.forReader(3)];
    const before = second.bytesEach;
    first.learn(10, 10 * (before + 100));
    expect(second.bytesEach).toBeCloseTo(before + 10);
    first.learn(0, 1000);
    expect(second.bytesEach).toBeCloseTo(before + 10);
  });
});
