/**
 * Mixes two integers into 31 well-spread bits (a positive small integer).
 * Everything generated is a pure function of such hashes, so any message can be made at any time, in any order.
 */
export function hash(seed: number, index: number): number {
  let mixed = Math.imul(seed ^ 0x5bd1e995, 0x85ebca6b) ^ Math.imul(index + 0x7ed55d16, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) & 0x7fffffff;
}

/** Derives a seed for one purpose (`users`, `ids`, …) from the tenant's seed. */
export function seedFor(seed: number, purpose: string): number {
  let derived = seed;
  for (let at = 0; at < purpose.length; at++) derived = hash(derived, purpose.charCodeAt(at));
  return derived;
}

/** The element of `list` that `number` falls on; `list` must not be empty. */
export function pick<T>(list: readonly T[], number: number): T {
  return list[number % list.length] as T;
}

/** A GUID (version 4 in form) that depends on `seed` and `index` only. */
export function guidFrom(seed: number, index: number): string {
  let hex = '';
  for (let part = 0; hex.length < 32; part++)
    hex += (hash(hash(seed, index), part) & 0xffffff).toString(16).padStart(6, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** `length` letters and digits that depend on `seed` only. */
export function lettersFrom(seed: number, length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  let letters = '';
  for (let at = 0; at < length; at++) letters += alphabet[hash(seed, at) % alphabet.length];
  return letters;
}

/** Shares `total` out over `weights`: whole numbers, in proportion, and exactly `total` together. */
export function shareOut(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  if (sum === 0) return weights.map(() => 0);
  let passed = 0;
  let given = 0;
  return weights.map((weight) => {
    passed += weight;
    const share = Math.floor((total * passed) / sum) - given;
    given += share;
    return share;
  });
}
