/** Seconds' worth that can be owed. */
const MOST_OWED = 5;

/** So much a second; what is spent beyond it has to be made up for before more is given. */
export class Allowance {
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param now ms */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = perSecond;
    this.#at = now();
  }

  get isSpent(): boolean {
    this.#refill();
    return this.#left <= 0;
  }

  spend(count: number): void {
    this.#refill();
    this.#left = Math.max(-MOST_OWED * this.#perSecond, this.#left - count);
  }

  #refill(): void {
    const now = this.#now();
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
  }
}
