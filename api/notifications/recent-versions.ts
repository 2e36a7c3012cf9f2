import { createHash } from 'node:crypto';

/** Remembers what was seen last, by hash: at least `size` of it, at most twice as many. */
export class RecentVersions {
  readonly #size: number;
  #current = new Set<string>();
  #before = new Set<string>();

  /** @param size default: 100,000, about 15 MB in all */
  constructor(size = 100_000) {
    this.#size = size;
  }

  has(version: string): boolean {
    const key = keyOf(version);
    return this.#current.has(key) || this.#before.has(key);
  }

  add(version: string): void {
    if (this.#current.size >= this.#size) {
      this.#before = this.#current;
      this.#current = new Set();
    }
    this.#current.add(keyOf(version));
  }
}

const keyOf = (version: string): string => createHash('sha256').update(version).digest('base64').slice(0, 22);
