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

/** A request that is being answered. */
export interface Flight {
  readonly kind: RouteKind;
  /** When it arrived, ms since 1970. */
  readonly at: number;
}

/** When a mailbox was asked the most at a time, and for how long each of these requests had been in flight. */
export interface MailboxPeak {
  /** ISO 8601. */
  readonly at: string;
  readonly requests: readonly { readonly kind: RouteKind; readonly ms: number }[];
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
  /** How that came about; null before the first request. */
  mailboxPeak: MailboxPeak | null;
  peakMailboxWindow: number;
  /** By user id. */
  mailboxes: Record<string, MailboxStats>;
}

/** The use that is made of one mailbox now and was made of it. */
export interface MailboxUse extends Omit<MailboxStats, 'inWindow'> {
  window: RequestWindow;
  readonly flights: Set<Flight>;
}

type Counts = Omit<Stats, 'mailboxes' | 'faults' | 'peakMailboxConcurrency' | 'mailboxPeak' | 'peakMailboxWindow'>;

/** Counts requests. What is in flight and in the throttling windows outlives a reset. */
export class StatsCounter {
  readonly #windowFor: () => RequestWindow;
  readonly #mailboxes = new Map<string, MailboxUse>();
  #counts = emptyCounts();
  #peak: MailboxPeak | null = null;

  constructor(windowFor: () => RequestWindow) {
    this.#windowFor = windowFor;
  }

  /** The counts so far, as a copy. */
  read(faults: Record<string, number>): Stats {
    const stats: Stats = {
      ...structuredClone(this.#counts),
      faults,
      peakMailboxConcurrency: 0,
      mailboxPeak: this.#peak,
      peakMailboxWindow: 0,
      mailboxes: {},
    };
    const now = Date.now();
    for (const [id, { window, flights: _flights, ...use }] of this.#mailboxes) {
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
    this.#peak = null;
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
      const counts = { requests: 0, inFlight: 0, peakConcurrency: 0, peakInWindow: 0, throttled: 0 };
      use = { ...counts, window, flights: new Set() };
      this.#mailboxes.set(userId, use);
    }
    return use;
  }

  /** A request arrives, at `at` milliseconds since 1970. Whoever begins it ends it. */
  begin(kind: RouteKind, use: MailboxUse | undefined, at: number): Flight {
    const flight = { kind, at };
    const counts = this.#counts;
    counts.requests++;
    counts.byKind[kind] = (counts.byKind[kind] ?? 0) + 1;
    counts.peakConcurrency = Math.max(counts.peakConcurrency, ++counts.inFlight);
    if (!use) return flight;
    use.requests++;
    use.flights.add(flight);
    use.peakConcurrency = Math.max(use.peakConcurrency, ++use.inFlight);
    use.peakInWindow = Math.max(use.peakInWindow, use.window.add(at));
    if (use.inFlight > (this.#peak?.requests.length ?? 0)) {
      const requests = [...use.flights].map((one) => ({ kind: one.kind, ms: at - one.at }));
      this.#peak = { at: new Date(at).toISOString(), requests };
    }
    return flight;
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
  end(use: MailboxUse | undefined, flight: Flight): void {
    this.#counts.inFlight--;
    if (!use) return;
    use.inFlight--;
    use.flights.delete(flight);
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
