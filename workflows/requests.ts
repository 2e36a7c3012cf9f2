/** How urgent a read is, most urgent first. */
const URGENCIES = ['live', 'incremental', 'full'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** A scan that waits for the outcome of a read. */
export interface Waiter {
  readonly scanId: string;
  readonly scanNo: number;
  /** Tells the report awaited from a late one of an earlier ask. */
  readonly ask: number;
  /** Has started the reader as its child, and is told by its end, which costs no signal. Default: by a signal. */
  readonly byEnd?: boolean;
}

/** What someone asks of a mailbox's reader. */
export interface ReadRequest {
  readonly urgency: Urgency;
  /**
   * The scan that waits for a report; folders and filters are looked up in the store by its number. Absent: nobody waits,
   * and what there is to read stands in the store.
   */
  readonly waiter?: Waiter;
}

/** One read that answers several requests at once. */
export interface PendingRead {
  readonly urgency: Urgency;
  readonly waiters: readonly Waiter[];
  /** Whether someone has asked who waits for no report, so that it is due whoever withdraws. Default false. */
  readonly unattended?: boolean;
}

/** Whether anyone still wants the read. */
export const isWanted = ({ waiters, unattended = false }: PendingRead): boolean => waiters.length > 0 || unattended;

/** The read with one more request in it. */
export const withRequest = (read: PendingRead, { waiter }: ReadRequest): PendingRead =>
  waiter ? { ...read, waiters: withWaiter(read.waiters, waiter) } : { ...read, unattended: true };

/** What a queue holds, as it travels through continue-as-new: at most one read of each urgency in either list. */
export interface WaitingReads {
  readonly begun: readonly PendingRead[];
  readonly asked: readonly PendingRead[];
}

/** Whether a waiting read may interrupt the one that runs. */
export const isMoreUrgent = (waiting: Urgency | undefined, running: Urgency): boolean =>
  waiting !== undefined && URGENCIES.indexOf(waiting) < URGENCIES.indexOf(running);

/** The waiters with `waiter` among them; a scan waits once, with its latest ask. */
const withWaiter = (waiters: readonly Waiter[], waiter: Waiter): readonly Waiter[] => [
  ...waiters.filter(({ scanId }) => scanId !== waiter.scanId),
  waiter,
];

/** The waiters without those of a scan. */
export const withoutScan = (waiters: readonly Waiter[], scanId: string): readonly Waiter[] =>
  waiters.filter((waiter) => waiter.scanId !== scanId);

/** The waiters without those that were told of the very ask they wait for. */
export const withoutTold = (waiters: readonly Waiter[], told: readonly Waiter[]): readonly Waiter[] =>
  waiters.filter(({ scanId, ask }) => !told.some((one) => one.scanId === scanId && one.ask === ask));

/**
 * What one mailbox has been asked and not yet answered. Bounded: requests of one urgency become one read, however many
 * arrive. A read that was begun and put back stays apart from what was asked since: who joins it late would otherwise
 * make its folders start anew.
 */
export class RequestQueue {
  readonly #begun = new Map<Urgency, PendingRead>();
  readonly #asked = new Map<Urgency, PendingRead>();

  constructor({ begun, asked }: WaitingReads) {
    for (const read of begun) this.#begun.set(read.urgency, read);
    for (const read of asked) this.#asked.set(read.urgency, read);
  }

  /** Everything that waits, as the constructor takes it. */
  get waiting(): WaitingReads {
    return { begun: [...this.#begun.values()], asked: [...this.#asked.values()] };
  }

  get isEmpty(): boolean {
    return this.#begun.size + this.#asked.size === 0;
  }

  get mostUrgent(): Urgency | undefined {
    return URGENCIES.find((urgency) => this.#begun.has(urgency) || this.#asked.has(urgency));
  }

  add(request: ReadRequest): void {
    const { urgency, waiter } = request;
    const begun = this.#begun.get(urgency);
    if (begun && waiter && begun.waiters.some(({ scanId }) => scanId === waiter.scanId)) {
      this.#begun.set(urgency, withRequest(begun, request));
      return;
    }
    this.#asked.set(urgency, withRequest(this.#asked.get(urgency) ?? { urgency, waiters: [] }, request));
  }

  /** Puts a read back that was interrupted or has more to do. */
  putBack(read: PendingRead): void {
    this.#begun.set(read.urgency, read);
  }

  /** Forgets what a scan asked. A read that nobody wants any more goes with it. */
  withdraw(scanId: string): void {
    for (const reads of [this.#begun, this.#asked]) {
      for (const [urgency, read] of reads) {
        const rest = { ...read, waiters: withoutScan(read.waiters, scanId) };
        if (isWanted(rest)) reads.set(urgency, rest);
        else reads.delete(urgency);
      }
    }
  }

  /** Removes and returns the most urgent read, one that was begun before one that was not; undefined when none waits. */
  take(): PendingRead | undefined {
    const urgency = this.mostUrgent;
    if (!urgency) return undefined;
    const from = this.#begun.has(urgency) ? this.#begun : this.#asked;
    const read = from.get(urgency);
    from.delete(urgency);
    return read;
  }
}
