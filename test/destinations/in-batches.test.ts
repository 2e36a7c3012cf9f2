import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { inBatches } from '../../destinations/in-batches.ts';
import { mapAhead } from '../../destinations/map-ahead.ts';

const BOUNDS = { count: 3, bytes: 10, waitMs: 60_000, sizeOf: (value: number) => value };

async function* from(...values: readonly number[]): AsyncGenerator<number> {
  yield* values;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const one of source) seen.push(one);
  return seen;
}

/** A source whose values come when they are put there. */
class Tap<T> {
  readonly source: AsyncGenerator<T>;
  asked = 0;
  isLeft = false;
  readonly #there: T[] = [];
  #more: () => void = () => undefined;

  constructor() {
    this.source = this.#values();
  }

  put(...values: readonly T[]): void {
    this.#there.push(...values);
    this.#more();
  }

  async *#values(): AsyncGenerator<T> {
    try {
      for (;;) {
        this.asked++;
        while (this.#there.length === 0) await new Promise<void>((resolve) => (this.#more = resolve));
        yield this.#there.shift()!;
      }
    } finally {
      this.isLeft = true;
    }
  }
}

describe('what comes', () => {
  it('is gathered in order, into batches that are full by count or by bytes', async () => {
    expect(await all(inBatches(from(1, 1, 1, 1, 8, 2, 3, 25, 4), BOUNDS))).toEqual([
      [1, 1, 1],
      [1, 8],
      [2, 3],
      [25],
      [4],
    ]);
  });

  it('is kept together where it belongs together, whatever the bounds, and left out where some of it is missing', async () => {
    // Each hundred is one whole, of as many as it says.
    const sizes: Readonly<Record<number, number>> = { 1: 4, 2: 1, 3: 3 };
    const wholeOf = (value: number): { id: string; size: number } | undefined => {
      const size = sizes[Math.floor(value / 100)];
      return size === undefined ? undefined : { id: String(Math.floor(value / 100)), size };
    };
    const values = [1, 101, 102, 103, 104, 201, 1, 2, 301, 302];
    expect(await all(inBatches(from(...values), { ...BOUNDS, sizeOf: () => 1, wholeOf }))).toEqual([
      [1],
      [101, 102, 103, 104],
      [201],
      [1, 2],
    ]);
  });

  it('makes no batch where there is nothing', async () => {
    expect(await all(inBatches(from(), BOUNDS))).toEqual([]);
  });

  it('does not wait longer than it may for more', async () => {
    const tap = new Tap<number>();
    const batches = inBatches(tap.source, { ...BOUNDS, waitMs: 5 });
    tap.put(1);
    expect((await batches.next()).value).toEqual([1]);
    tap.put(2, 3);
    expect((await batches.next()).value).toEqual([2, 3]);
    await batches.return(undefined);
  });

  it('is gathered while the last batch is being used, one batch and no more', async () => {
    const tap = new Tap<number>();
    const batches = inBatches(tap.source, BOUNDS);
    tap.put(1, 1, 1, 1, 1, 1, 1, 1);
    expect((await batches.next()).value).toEqual([1, 1, 1]);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(tap.asked).toBe(6);
    expect((await batches.next()).value).toEqual([1, 1, 1]);
    await batches.return(undefined);
  });

  it('is given out before the failure of its source', async () => {
    const failing = (async function* () {
      yield 1;
      throw new Error('No more');
    })();
    const batches = inBatches(failing, BOUNDS);
    expect((await batches.next()).value).toEqual([1]);
    await expect(batches.next()).rejects.toThrow('No more');
  });

  it('is not asked for any more once nobody wants it', async () => {
    const tap = new Tap<number>();
    const batches = inBatches(tap.source, BOUNDS);
    tap.put(1, 1, 1, 1);
    await batches.next();
    await batches.return(undefined);
    tap.put(1);
    await vi.waitFor(() => expect(tap.isLeft).toBe(true));
  });
});

describe('what is made of it', () => {
  it('is made in order, of the next while the last is being used, and of none beyond it', async () => {
    const begun: number[] = [];
    const made = mapAhead(from(1, 2, 3, 4), async (value) => {
      begun.push(value);
      return value * 10;
    });
    expect((await made.next()).value).toBe(10);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(begun).toEqual([1, 2]);
    expect(await all(made)).toEqual([20, 30, 40]);
  });

  it('fails where the work fails, after what was made before', async () => {
    const made = mapAhead(from(1, 2), async (value) => {
      if (value === 2) throw new Error('It cannot be made');
      return value;
    });
    expect((await made.next()).value).toBe(1);
    await expect(made.next()).rejects.toThrow('It cannot be made');
  });
});
