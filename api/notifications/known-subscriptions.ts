import { setTimeout as delay } from 'node:timers/promises';
import type { KnownSubscription } from '../../store/subscription-lookup.ts';
import { HttpError } from '../errors.ts';
import type { Allowance } from './allowance.ts';

export interface KnownSubscriptionsOptions {
  readonly find: (subscriptionIds: readonly string[]) => Promise<ReadonlyMap<string, KnownSubscription>>;
  /** How many ids that turn out to be nobody's may be asked for. */
  readonly foreign: Allowance;
  /** How long a subscription is known. Default: 10,000 ms. */
  readonly trustedMs?: number;
  /** How long an id is known to be nobody's. Default: 2,000 ms. */
  readonly foreignMs?: number;
  /** Graph may notify of a subscription before whoever made it has told the store: time until a second look. Default: 300 ms. */
  readonly secondLookMs?: number;
  /** By `performance.now()`. */
  readonly now?: () => number;
}

type Found = KnownSubscription | undefined;

/** Ids remembered at most, of either kind; then all of them are forgotten. */
const MOST = 100_000;

/** The subscriptions of running sessions. The store is asked for many at a time, and for one of them not again for a while. */
export class KnownSubscriptions {
  readonly #known = new Map<string, { readonly found: KnownSubscription; readonly until: number }>();
  readonly #foreign = new Map<string, { readonly until: number }>();
  readonly #open = new Map<string, Promise<Found>>();
  readonly #options: Required<KnownSubscriptionsOptions>;
  #next: { readonly ids: string[]; readonly answer: Promise<ReadonlyMap<string, KnownSubscription>> } | undefined;

  constructor(options: KnownSubscriptionsOptions) {
    this.#options = {
      trustedMs: 10_000,
      foreignMs: 2_000,
      secondLookMs: 300,
      now: () => performance.now(),
      ...options,
    };
  }

  /**
   * Those of the ids that belong to a session that runs.
   * @throws {HttpError} 429 where an id is new and too many were nobody's lately
   * @throws {StoreUnavailable}
   */
  async of(subscriptionIds: Iterable<string>): Promise<ReadonlyMap<string, KnownSubscription>> {
    const ids = [...new Set(subscriptionIds)];
    if (ids.some((id) => this.#isNew(id)) && this.#options.foreign.isSpent) throw tooManyForeign();
    const found = await Promise.all(ids.map(async (id) => [id, await this.#one(id)] as const));
    return new Map(found.filter((entry): entry is [string, KnownSubscription] => entry[1] !== undefined));
  }

  /** Its next notification makes the store be asked. */
  forget(subscriptionId: string): void {
    this.#known.delete(subscriptionId);
  }

  #isNew(id: string): boolean {
    return !this.#known.has(id) && !this.#foreign.has(id) && !this.#open.has(id);
  }

  #one(id: string): Found | Promise<Found> {
    const now = this.#options.now();
    const known = this.#known.get(id);
    if (known && known.until > now) return known.found;
    if ((this.#foreign.get(id)?.until ?? 0) > now) return undefined;
    const open = this.#open.get(id) ?? this.#look(id).finally(() => this.#open.delete(id));
    this.#open.set(id, open);
    return open;
  }

  async #look(id: string): Promise<Found> {
    const { secondLookMs, trustedMs, foreignMs, foreign, now } = this.#options;
    const isNew = this.#isNew(id);
    let found = await this.#find(id);
    if (!found && isNew) {
      foreign.spend(1);
      await delay(secondLookMs);
      found = await this.#find(id);
    }
    this.#known.delete(id);
    this.#foreign.delete(id);
    if (found) remember(this.#known, id, { found, until: now() + trustedMs });
    else remember(this.#foreign, id, { until: now() + foreignMs });
    return found;
  }

  /** Joins what is asked for in one turn of the event loop. */
  async #find(id: string): Promise<Found> {
    if (!this.#next) {
      const ids: string[] = [];
      const answer = Promise.resolve().then(() => {
        this.#next = undefined;
        return this.#options.find(ids);
      });
      this.#next = { ids, answer };
    }
    this.#next.ids.push(id);
    return (await this.#next.answer).get(id);
  }
}

function remember<Answer>(answers: Map<string, Answer>, id: string, answer: Answer): void {
  if (answers.size >= MOST) answers.clear();
  answers.set(id, answer);
}

const tooManyForeign = (): HttpError =>
  new HttpError(429, 'Too many notifications of subscriptions that nobody here has made: slow down', {
    headers: { 'Retry-After': '1' },
  });
