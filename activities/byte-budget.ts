/** Bytes of a message, until pages tell. */
const FIRST_GUESS = 4096;
/** How much a page counts for in the average of all before it. */
const WEIGHT = 0.1;

/** Whose turn it is where several wait: the more urgent first, and of these who began first. */
interface Turn {
  /** 0 is the most urgent. */
  readonly urgency: number;
  readonly no: number;
}

interface Waiter {
  readonly amount: number;
  readonly turn: Turn;
  readonly grant: () => void;
}

const ANY_TURN: Turn = { urgency: 0, no: 0 };

/**
 * Bounds what is held at a time. Whoever wants some of it waits while it is used up, first come first served unless some
 * have an earlier turn.
 */
export class Budget {
  readonly #limit: number;
  #used = 0;
  readonly #waiting: Waiter[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves with a reservation once there is room. One that is larger than the whole budget is granted when it is
   * alone, so that nothing waits for ever.
   */
  async reserve(amount: number, signal: AbortSignal, turn = ANY_TURN): Promise<Reservation> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const grant = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waiter = { amount, turn, grant };
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason as Error);
        this.#grant();
      };
      signal.addEventListener('abort', abort, { once: true });
      const behind = this.#waiting.findIndex((other) => isBefore(turn, other.turn));
      this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter);
      this.#grant();
    });
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

const isBefore = (one: Turn, other: Turn): boolean =>
  one.urgency < other.urgency || (one.urgency === other.urgency && one.no < other.no);

/**
 * Bounds the memory that pages take: the bodies being fetched, parsed and stored, in bytes, over all slices of a worker.
 * A parsed page takes about four times as much as its body.
 */
export class ByteBudget {
  readonly #bytes: Budget;
  #bytesEach = FIRST_GUESS;
  #readers = 0;

  constructor(limit: number) {
    this.#bytes = new Budget(limit);
  }

  /**
   * The budget as a reader uses it that begins now. While it is used up, pages of urgent readers come first, and of these
   * pages of who began first: mailboxes end one by one, and others begin, where all of them would end at the same time.
   * @param urgency 0 is the most urgent
   */
  forReader(urgency: number): PageBudget {
    const turn = { urgency, no: ++this.#readers };
    const bytesEach = (): number => this.#bytesEach;
    return {
      reserve: (amount, signal) => this.#bytes.reserve(amount, signal, turn),
      learn: (messages, bytes) => this.#learn(messages, bytes),
      get bytesEach() {
        return bytesEach();
      },
    };
  }

  #learn(messages: number, bytes: number): void {
    if (messages > 0) this.#bytesEach += WEIGHT * (bytes / messages - this.#bytesEach);
  }
}

/** What one reader sees of the budget for pages. */
export interface PageBudget extends Pick<Budget, 'reserve'> {
  /** Bytes of a message, by the pages that this worker has seen lately. */
  readonly bytesEach: number;
  /** Takes a page into the average. */
  learn(messages: number, bytes: number): void;
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
