const SLICES = 60;

/**
 * Counts requests of the last so many milliseconds, in sixty slices: what is counted lies within the window for
 * certain, and may miss what lies in its oldest sixtieth.
 */
export class RequestWindow {
  readonly #slice: number;
  readonly #counts = new Uint32Array(SLICES);
  #now = 0;
  #sum = 0;

  constructor(milliseconds: number) {
    this.#slice = milliseconds / SLICES;
  }

  /** Requests in the window that ends at `at` (milliseconds since 1970). */
  count(at: number): number {
    this.#advance(at);
    return this.#sum;
  }

  /** Counts one more; the number with it. */
  add(at: number): number {
    this.#advance(at);
    const slice = this.#now % SLICES;
    this.#counts[slice] = (this.#counts[slice] ?? 0) + 1;
    return ++this.#sum;
  }

  /** Milliseconds until fewer than `most` are left in the window. */
  untilBelow(most: number, at: number): number {
    this.#advance(at);
    let left = this.#sum;
    for (let passed = 1; passed <= SLICES; passed++) {
      left -= this.#counts[(this.#now + passed) % SLICES] ?? 0;
      if (left < most) return (this.#now + passed) * this.#slice - at;
    }
    return 0;
  }

  #advance(at: number): void {
    const now = Math.floor(at / this.#slice);
    if (now <= this.#now) return;
    const steps = Math.min(now - this.#now, SLICES);
    for (let step = 1; step <= steps; step++) {
      const slice = (now - steps + step) % SLICES;
      this.#sum -= this.#counts[slice] ?? 0;
      this.#counts[slice] = 0;
    }
    this.#now = now;
  }
}
