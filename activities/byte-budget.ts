/** Bytes of a message, until pages tell. */
const FIRST_GUESS = 4096;
/** How much a page counts for in the average of all before it. */
const WEIGHT = 0.1;

/**
 * Bounds what is held at a time. Whoever wants some of it waits while it is used up, first come first served.
 */
export class Budget {
  readonly #limit: number;
  #used = 0;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves with a reservation once there is room. One that is larger than the whole budget is granted when it is
   * alone, so that nothing waits for ever.
   */
  async reserve(amount: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || !this.#fits(amount)) {
      await new Promise<void>((resolve, reject) => {
        const waiter = {
          amount,
          grant: () => {
            signal.removeEventListener('abort', abort);
            resolve();
          },
        };
        const abort = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
          reject(signal.reason as Error);
          this.#grant();
        };
        signal.addEventListener('abort', abort, { once: true });
        this.#waiting.push(waiter);
      });
    } else {
      this.#used += amount;
    }
    return new Reservation(amount, (change) => {
      this.#used += change;
      this.#grant();
    });
  }

  get used(): number {
    return this.#used;
  }

  #fits(amount: number): boolean {
    return this.#used === 0 || this.#used + amount <= this.#limit;
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.amount); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.amount;
      next.grant();
    }
  }
}

/**
 * Bounds the memory that pages take: the bodies being fetched, parsed and stored, in bytes, over all slices of a worker.
 * A parsed page takes about four times as much as its body.
 */
export class ByteBudget extends Budget {
  #bytesEach = FIRST_GUESS;

  /** Bytes of a message, by the pages that this worker has seen lately. */
  get bytesEach(): number {
    return this.#bytesEach;
  }

  /** Takes a page into the average. */
  learn(messages: number, bytes: number): void {
    if (messages > 0) this.#bytesEach += WEIGHT * (bytes / messages - this.#bytesEach);
  }
}

/** What of a budget is held for one page. */
export class Reservation {
  #amount: number;
  readonly #change: (amount: number) => void;

  constructor(amount: number, change: (amount: number) => void) {
    this.#amount = amount;
    this.#change = change;
  }

  /** Corrects the reservation once the real size is known. */
  resize(amount: number): void {
    this.#change(amount - this.#amount);
    this.#amount = amount;
  }

  /** Gives it back; more than once does no harm. */
  release(): void {
    this.resize(0);
  }
}
