import type { RequestWindow } from './request-window.ts';
import type { RouteKind } from './route.ts';

/** What one mailbox was asked. */
export interface MailboxStats {
  requests: number;
  inFlight: number;
  /** Requests at a time at most, refused ones included. */
  peakConcurrency: number;
  /** Requests in the throttling window (10 minutes): now, and at most. */
  inWindow: number;
  peakInWindow: number;
  /** Refused by the simulator's limits. */
  throttled: number;
}

/** What the simulator was asked since its start or the last reset. */
export interface Stats {
  requests: number;
  byKind: Partial<Record<RouteKind, number>>;
  /** By HTTP status; 0 where no answer was sent. */
  byStatus: Record<string, number>;
  /** How often each effect of the fault rules struck. */
  faults: Record<string, number>;
  /** Refused by the simulator's limits. */
  throttled: number;
  tokens: number;
  bytes: number;
  inFlight: number;
  peakConcurrency: number;
  /** The highest of the mailboxes. */
  peakMailboxConcurrency: number;
  peakMailboxWindow: number;
  /** By user id. */
  mailboxes: Record<string, MailboxStats>;
}

/** The use that is made of one mailbox now and was made of it. */
export interface MailboxUse extends Omit<MailboxStats, 'inWindow'> {
  window: RequestWindow;
}

type Counts = Omit<Stats, 'mailboxes' | 'faults' | 'peakMailboxConcurrency' | 'peakMailboxWindow'>;

/** Counts requests. What is in flight and in the throttling windows outlives a reset. */
export class StatsCounter {
  readonly #windowFor: () => RequestWindow;
  readonly #mailboxes = new Map<string, MailboxUse>();
  #counts = emptyCounts();

  constructor(windowFor: () => RequestWindow) {
    this.#windowFor = windowFor;
  }

  /** The counts so far, as a copy. */
  read(faults: Record<string, number>): Stats {
    const stats: Stats = {
      ...structuredClone(this.#counts),
      faults,
      peakMailboxConcurrency: 0,
      peakMailboxWindow: 0,
      mailboxes: {},
    };
    const now = Date.now();
    for (const [id, { window, ...use }] of this.#mailboxes) {
      if (use.requests === 0 && use.inFlight === 0) continue;
      stats.mailboxes[id] = { ...use, inWindow: window.count(now) };
      stats.peakMailboxConcurrency = Math.max(stats.peakMailboxConcurrency, use.peakConcurrency);
      stats.peakMailboxWindow = Math.max(stats.peakMailboxWindow, use.peakInWindow);
    }
    return stats;
  }

  /** Begins anew. */
  reset(): void {
    const { inFlight } = this.#counts;
    this.#counts = { ...emptyCounts(), inFlight, peakConcurrency: inFlight };
    const now = Date.now();
    for (const use of this.#mailboxes.values()) {
      Object.assign(use, {
        requests: 0,
        peakConcurrency: use.inFlight,
        peakInWindow: use.inFlight > 0 ? use.window.count(now) : 0,
        throttled: 0,
      });
    }
  }

  /** Begins new throttling windows, of the length that is in force now. */
  resetWindows(): void {
    for (const use of this.#mailboxes.values()) use.window = this.#windowFor();
  }

  token(): void {
    this.#counts.tokens++;
  }

  /** The use of a mailbox. */
  useOf(userId: string): MailboxUse {
    let use = this.#mailboxes.get(userId);
    if (!use) {
      const window = this.#windowFor();
      use = { requests: 0, inFlight: 0, peakConcurrency: 0, peakInWindow: 0, throttled: 0, window };
      this.#mailboxes.set(userId, use);
    }
    return use;
  }

  /** A request arrives, at `at` milliseconds since 1970. */
  begin(kind: RouteKind, use: MailboxUse | undefined, at: number): void {
    const counts = this.#counts;
    counts.requests++;
    counts.byKind[kind] = (counts.byKind[kind] ?? 0) + 1;
    counts.peakConcurrency = Math.max(counts.peakConcurrency, ++counts.inFlight);
    if (!use) return;
    use.requests++;
    use.peakConcurrency = Math.max(use.peakConcurrency, ++use.inFlight);
    use.peakInWindow = Math.max(use.peakInWindow, use.window.add(at));
  }

  /** A request is refused by a limit. */
  refuse(use: MailboxUse | undefined): void {
    this.#counts.throttled++;
    if (use) use.throttled++;
  }

  /** An answer is ready. */
  answer(status: number, bytes: number): void {
    const counts = this.#counts;
    counts.bytes += bytes;
    counts.byStatus[status] = (counts.byStatus[status] ?? 0) + 1;
  }

  /** The answer of a request is sent to its end, or its client is gone. */
  end(use: MailboxUse | undefined): void {
    this.#counts.inFlight--;
    if (use) use.inFlight--;
  }
}

function emptyCounts(): Counts {
  return {
    requests: 0,
    byKind: {},
    byStatus: {},
    throttled: 0,
    tokens: 0,
    bytes: 0,
    inFlight: 0,
    peakConcurrency: 0,
  };
}
