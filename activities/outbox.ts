import type { Destination } from '../store/destinations.ts';
import type { Organization } from '../store/organizations.ts';

/** How old the list of an organization's destinations may be that mail is stored with, ms; `KNOWN_AFTER_SECONDS` counts on it. */
const FRESH_MS = 10_000;

export interface OutboxesOptions {
  /** The destinations of an organization, as they are now. */
  readonly list: (organizationId: string) => Promise<readonly Destination[]>;
  /** Has destinations looked after, unless somebody does. May be called at any time, as often as one likes. */
  readonly wake: (destinationNos: readonly number[]) => Promise<void>;
  readonly log: { warn(details: object, message: string): void };
}

/** The destinations to which a slice of a mailbox's reading owes mail. */
export interface Outbox {
  /** All of the organization's, at most 10 s old. Throws what the store throws: without them nothing can be stored. */
  destinations(): Promise<readonly Destination[]>;
  /** The same, newer than these, which do not hold any more. */
  renewed(outdated: readonly Destination[]): Promise<readonly Destination[]>;
  /**
   * Destinations are owed something that is committed and can be sent. Returns at once: reading waits for no destination.
   */
  wakes(destinationNos: readonly number[]): void;
  /**
   * At the end of a slice: wakes once more, for certainty, whatever was woken, and waits for that. Where it fails the
   * slice has not: upkeep looks every minute at what is due and not attended.
   */
  settled(): Promise<void>;
}

interface Listed {
  readonly destinations: Promise<readonly Destination[]>;
  readonly askedAt: number;
}

/** The outboxes of a worker's organizations: each list is read by one and used by all who store. */
export class Outboxes {
  readonly #options: OutboxesOptions;
  readonly #lists = new Map<string, Listed>();

  constructor(options: OutboxesOptions) {
    this.#options = options;
  }

  of({ organizationId }: Pick<Organization, 'organizationId'>): Outbox {
    const { wake, log } = this.#options;
    const woken = new Set<number>();
    const attempt = (destinationNos: readonly number[]): Promise<void> =>
      wake(destinationNos).catch((err: unknown) =>
        log.warn({ err }, 'Destinations could not be woken: upkeep will do it'),
      );
    return {
      destinations: () => this.#list(organizationId),
      renewed: async (outdated) => {
        const known = this.#lists.get(organizationId);
        if (
          (await known?.destinations.catch(() => outdated)) === outdated &&
          this.#lists.get(organizationId) === known
        ) {
          this.#lists.delete(organizationId);
        }
        return this.#list(organizationId);
      },
      wakes(destinationNos) {
        if (destinationNos.length === 0) return;
        for (const destinationNo of destinationNos) woken.add(destinationNo);
        void attempt(destinationNos);
      },
      async settled() {
        if (woken.size > 0) await attempt([...woken]);
      },
    };
  }

  /** The age counts from before the question. A list that could not be read is asked for again. */
  #list(organizationId: string): Promise<readonly Destination[]> {
    const now = performance.now();
    const known = this.#lists.get(organizationId);
    if (known && now - known.askedAt < FRESH_MS) return known.destinations;
    const destinations = this.#options.list(organizationId);
    this.#lists.set(organizationId, { destinations, askedAt: now });
    destinations.catch(() => {
      if (this.#lists.get(organizationId)?.destinations === destinations) this.#lists.delete(organizationId);
    });
    return destinations;
  }
}
