import type { NotificationCounts } from '../../store/notification-counts.ts';

interface Counts extends NotificationCounts {
  taken: number;
  joined: number;
  refused: number;
  readonly mailboxIds: Set<string>;
}

/** Counts for each session, and hands the counts on now and then: one statement for thousands of notifications. */
export class SessionCounts {
  readonly #save: (counts: ReadonlyMap<number, NotificationCounts>) => Promise<void>;
  #counts = new Map<number, Counts>();

  constructor(save: (counts: ReadonlyMap<number, NotificationCounts>) => Promise<void>) {
    this.#save = save;
  }

  taken(sessionNo: number, mailboxId: string): void {
    const counts = this.#of(sessionNo);
    counts.taken++;
    counts.mailboxIds.add(mailboxId);
  }

  joined(sessionNo: number, count: number): void {
    this.#of(sessionNo).joined += count;
  }

  refused(sessionNo: number): void {
    this.#of(sessionNo).refused++;
  }

  /** Counts that could not be saved are kept for the next time. */
  async save(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = this.#counts;
    this.#counts = new Map();
    try {
      await this.#save(counts);
    } catch (error) {
      for (const [sessionNo, { taken, joined, refused, mailboxIds }] of counts) {
        const kept = this.#of(sessionNo);
        kept.taken += taken;
        kept.joined += joined;
        kept.refused += refused;
        for (const id of mailboxIds) kept.mailboxIds.add(id);
      }
      throw error;
    }
  }

  #of(sessionNo: number): Counts {
    const counts = this.#counts.get(sessionNo) ?? { taken: 0, joined: 0, refused: 0, mailboxIds: new Set() };
    this.#counts.set(sessionNo, counts);
    return counts;
  }
}
