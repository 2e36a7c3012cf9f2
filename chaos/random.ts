/** Numbers that look random and are the same for the same seed. */
export interface Random {
  /** At least 0, below 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  /** One of several. */
  of<T>(choices: readonly T[]): T;
  /** All of them, in another order. */
  shuffled<T>(items: readonly T[]): T[];
}

/** The generator mulberry32: 32 bits of state, good enough to choose by. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  const of = <T>(choices: readonly T[]): T => choices[between(0, choices.length - 1)] as T;
  return {
    next,
    between,
    of,
    shuffled<T>(items: readonly T[]): T[] {
      const rest = [...items];
      return items.map(() => rest.splice(between(0, rest.length - 1), 1)[0] as T);
    },
  };
}
