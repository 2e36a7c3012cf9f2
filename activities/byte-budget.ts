/** Bytes of a message, until pages tell. */
const FIRST_GUESS = 4096;
/** How much a page counts for in the average of all before it. */
const WEIGHT = 0.1;

/**
 * Bounds the memory that pages take: the bodies being fetched, parsed and stored, over all slices of a worker. Whoever
 * wants a page reserves its expected size first and waits while the budget is used up, first come first served.
 */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;
  #bytesEach = FIRST_GUESS;
  readonly #waiting: { bytes: number; grant: () => void }[] = [];

  /** @param limit bytes of response bodies; a parsed page takes about four times as much */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves with a reservation once there is room. One that is larger than the whole budget is granted when it is
   * alone, so that nothing waits for ever.
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((resolve, reject) => {
        const waiter = {
          bytes,
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
      this.#used += bytes;
    }
    return new Reservation(bytes, (change) => {
      this.#used += change;
      this.#grant();
    });
  }

  get used(): number {
    return this.#used;
  }

  /** Bytes of a message, by the pages that this worker has seen lately. */
  get bytesEach(): number {
    return this.#bytesEach;
  }

  /** Takes a page into the average. */
  learn(messages: number, bytes: number): void {
    if (messages > 0) this.#bytesEach += WEIGHT * (bytes / messages - this.#bytesEach);
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.grant();
    }
  }
}

/** Bytes of the budget held for one page. */
export class Reservation {
  #bytes: number;
  readonly #change: (bytes: number) => void;

  constructor(bytes: number, change: (bytes: number) => void) {
    this.#bytes = bytes;
    this.#change = change;
  }

  /** Corrects the reservation once the real size is known. */
  resize(bytes: number): void {
    this.#change(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** Gives the bytes back; more than once does no harm. */
  release(): void {
    this.resize(0);
  }
}
