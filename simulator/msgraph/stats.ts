import type { RouteKind } from './route.ts';

/** What one mailbox was asked. */
export interface MailboxStats {
  requests: number;
  inFlight: number;
  peakConcurrency: number;
}

/** What the simulator was asked since its start or the last reset. */
export interface Stats {
  requests: number;
  byKind: Partial<Record<RouteKind, number>>;
  byStatus: Record<string, number>;
  tokens: number;
  bytes: number;
  inFlight: number;
  peakConcurrency: number;
  /** By user id. */
  mailboxes: Record<string, MailboxStats>;
}

/** Counts requests. */
export class StatsCounter {
  #stats = emptyStats();

  /** The counts so far, as a copy. */
  read(): Stats {
    return structuredClone(this.#stats);
  }

  /** Begins anew; requests in flight stay counted as such. */
  reset(): void {
    const { inFlight, mailboxes } = this.#stats;
    this.#stats = { ...emptyStats(), inFlight, peakConcurrency: inFlight };
    for (const [id, mailbox] of Object.entries(mailboxes)) {
      if (mailbox.inFlight === 0) continue;
      this.#stats.mailboxes[id] = { requests: 0, inFlight: mailbox.inFlight, peakConcurrency: mailbox.inFlight };
    }
  }

  token(): void {
    this.#stats.tokens++;
  }

  begin(kind: RouteKind, userId: string | undefined): void {
    const stats = this.#stats;
    stats.requests++;
    stats.byKind[kind] = (stats.byKind[kind] ?? 0) + 1;
    stats.peakConcurrency = Math.max(stats.peakConcurrency, ++stats.inFlight);
    if (userId === undefined) return;
    const mailbox = (stats.mailboxes[userId] ??= { requests: 0, inFlight: 0, peakConcurrency: 0 });
    mailbox.requests++;
    mailbox.peakConcurrency = Math.max(mailbox.peakConcurrency, ++mailbox.inFlight);
  }

  end(userId: string | undefined, status: number, bytes: number): void {
    const stats = this.#stats;
    stats.inFlight--;
    stats.bytes += bytes;
    stats.byStatus[status] = (stats.byStatus[status] ?? 0) + 1;
    const mailbox = userId === undefined ? undefined : stats.mailboxes[userId];
    if (mailbox) mailbox.inFlight--;
  }
}

function emptyStats(): Stats {
  return {
    requests: 0,
    byKind: {},
    byStatus: {},
    tokens: 0,
    bytes: 0,
    inFlight: 0,
    peakConcurrency: 0,
    mailboxes: {},
  };
}
