import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { GraphError } from '../graph/errors.ts';
import type { GraphSubscriptions } from '../graph/graph.ts';
import { clientStateHash, clientStateOf } from '../model/client-state.ts';
import type { Database } from '../store/database.ts';
import {
  dueSubscriptions,
  forgetSubscriptions,
  knownSubscriptions,
  saveSubscriptions,
  tryNotReached,
  unsubscribedMailboxes,
  unwantedSubscriptions,
  wantSubscriptions,
  type DueSubscription,
} from '../store/subscriptions.ts';
import { lookAfter, notificationUrls, type Kept, type Lifetime, type Subscribing } from './subscribing.ts';

/** Subscriptions looked after at a time. */
const AT_ONCE = 4;
/** Between two writes: few, for until a new one stands in the store its notifications are taken for foreign. */
const STRETCH = 8;
/** Rows wanted in one statement, and removed between two writes. */
const LARGE_STRETCH = 500;
/** So many failures at least, and nothing else, are Graph's and not the subscriptions'. */
const ALL_FAIL = 8;

export interface SessionSubscriptionsOptions {
  readonly db: Database;
  readonly subscriptions: GraphSubscriptions;
  readonly organizationId: string;
  readonly sessionNo: number;
  /** From which the client states follow. */
  readonly key: Uint8Array;
  readonly publicUrl: string;
  readonly lifetime: Lifetime;
  readonly perSecond: number;
  /** Before Graph is asked once more whether it reaches us, ms. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Has a mailbox read for nobody in particular: its subscription is new. */
  readonly wakeReader: (organizationId: string, mailboxId: string) => Promise<void>;
}

/** What looking after those that were due has come to. */
export interface KeptAll {
  /** How many were looked after. */
  readonly kept: number;
  readonly active: number;
  /** Why Graph creates none that leads to us. */
  readonly unreachable?: string;
}

/** The subscriptions of one session, in the store and at Graph. */
export class SessionSubscriptions {
  readonly #options: SessionSubscriptionsOptions;
  readonly #subscribing: Subscribing;
  readonly #pace: () => Promise<void>;

  constructor(options: SessionSubscriptionsOptions) {
    const { db, subscriptions, sessionNo, key, publicUrl, lifetime, signal } = options;
    this.#options = options;
    this.#pace = pacer(options.perSecond, signal);
    this.#subscribing = {
      ...notificationUrls(publicUrl),
      ...{ subscriptions, lifetime, signal },
      clientStateOf: (mailboxId) => clientStateOf(key, mailboxId),
      isOthers: async (id) => (await knownSubscriptions(db, [id], { except: sessionNo })).has(id),
    };
  }

  /** Wants one for each mailbox that the session follows. */
  async wantAll(): Promise<void> {
    const { db, sessionNo } = this.#options;
    for (;;) {
      const mailboxIds = await unsubscribedMailboxes(db, sessionNo, LARGE_STRETCH);
      const wanted = mailboxIds.map((mailboxId) => ({
        mailboxId,
        clientStateHash: clientStateHash(this.#subscribing.clientStateOf(mailboxId)),
      }));
      if (wanted.length > 0) await wantSubscriptions(db, this.#options, wanted);
      if (mailboxIds.length < LARGE_STRETCH) return;
    }
  }

  /**
   * Looks after everything that is due, or until Graph does not reach us. Where it has taken some, those that wait for it
   * to reach us are tried as well.
   * @throws GraphError that concerns all of them
   */
  async keepAll(): Promise<KeptAll> {
    const { db, sessionNo } = this.#options;
    for (let [kept, active] = [0, 0]; ;) {
      const stretch = await this.keep(STRETCH);
      kept += stretch.kept;
      active += stretch.active;
      const isLast = stretch.kept === 0 && (active === 0 || (await tryNotReached(db, sessionNo)) === 0);
      if (isLast || stretch.unreachable !== undefined) return { ...stretch, kept, active };
    }
  }

  /**
   * The next so many of those that are due. What came of them is saved, whatever else goes wrong. Mailboxes with a new one
   * are read at once; where their readers cannot be asked, the next sweep finds them due.
   */
  async keep(most: number): Promise<KeptAll> {
    const { db, organizationId, sessionNo, wakeReader } = this.#options;
    const due = await dueSubscriptions(db, sessionNo, most);
    const state: { unreachable?: string } = {};
    const { results, failure } = await atOnce(due, async (one) => {
      // No more are created in vain; those that are there are renewed.
      if (state.unreachable !== undefined && one.subscriptionId === null) return undefined;
      const kept = await this.#keepOne(one);
      if (kept.unreachable !== undefined) state.unreachable = kept.unreachable;
      return kept;
    });
    const all = [...results.values()].filter((kept) => kept !== undefined);
    const outcomes = all.map(({ outcome }) => outcome);
    const toRead = await saveSubscriptions(db, sessionNo, outcomes);
    await Promise.all(toRead.map((mailboxId) => wakeReader(organizationId, mailboxId)));
    if (failure !== undefined) throw failure.reason;
    const down = commonFailure(all);
    if (down) throw down;
    return { kept: all.length, active: outcomes.filter((one) => one.state === 'active').length, ...state };
  }

  async #keepOne(due: DueSubscription): Promise<Kept> {
    const { patienceMs, signal } = this.#options;
    await this.#pace();
    const kept = await lookAfter(due, this.#subscribing);
    if (kept.unreachable === undefined) return kept;
    // A moment without an answer, as when the API is started anew, says nothing yet.
    await delay(patienceMs, undefined, { signal });
    return lookAfter(due, this.#subscribing);
  }

  /**
   * Removes those of mailboxes that the session follows no longer, or all. What is removed is forgotten, whatever else
   * goes wrong.
   */
  async remove({ all }: { readonly all: boolean }): Promise<number> {
    const { db, sessionNo } = this.#options;
    for (let [after, removed] = ['', 0]; ;) {
      const stretch = await unwantedSubscriptions(db, sessionNo, { all, after, limit: LARGE_STRETCH });
      const { results, failure } = await atOnce(stretch, ({ subscriptionId }) => this.#removeOne(subscriptionId));
      const gone = [...results.keys()].map(({ mailboxId }) => mailboxId);
      if (gone.length > 0) await forgetSubscriptions(db, sessionNo, gone);
      if (failure !== undefined) throw failure.reason;
      removed += [...results.values()].filter(Boolean).length;
      after = stretch.at(-1)?.mailboxId ?? after;
      if (stretch.length < LARGE_STRETCH) return removed;
    }
  }

  /** Removes what leads to us and no row knows: a run that was lost has left it. */
  async removeOrphans(): Promise<number> {
    const { db, subscriptions, signal } = this.#options;
    const { notificationUrl } = this.#subscribing;
    const ours: string[] = [];
    for await (const page of subscriptions.list(signal)) {
      ours.push(...page.filter((one) => one.notificationUrl === notificationUrl).map(({ id }) => id));
    }
    const known = await knownSubscriptions(db, ours);
    const orphans = ours.filter((id) => !known.has(id));
    const { failure } = await atOnce(orphans, (id) => this.#removeOne(id));
    if (failure !== undefined) throw failure.reason;
    return orphans.length;
  }

  async #removeOne(subscriptionId: string | null): Promise<boolean> {
    if (subscriptionId === null) return false;
    await this.#pace();
    await this.#options.subscriptions.remove(subscriptionId, this.#options.signal);
    return true;
  }
}

/** Where nothing but passing failures came of many, Graph is away: the error of one of them. */
function commonFailure(all: readonly Kept[]): GraphError | undefined {
  const errors = all.flatMap(({ error }) => (error?.retryable ? [error] : []));
  return errors.length >= ALL_FAIL && errors.length === all.length ? errors[0] : undefined;
}

/** Some at a time; what failed is told beside what did not. After a failure no further one is begun. */
async function atOnce<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<{ readonly results: ReadonlyMap<T, R>; readonly failure?: { readonly reason: unknown } }> {
  const limit = pLimit(AT_ONCE);
  const results = new Map<T, R>();
  let failure: { readonly reason: unknown } | undefined;
  await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failure) return;
        try {
          results.set(item, await work(item));
        } catch (reason) {
          failure ??= { reason };
        }
      }),
    ),
  );
  return { results, ...(failure && { failure }) };
}

/** Waits as long as it takes for no more than so many to pass in a second. */
function pacer(perSecond: number, signal: AbortSignal): () => Promise<void> {
  let nextAt = 0;
  return async () => {
    const at = Math.max(performance.now(), nextAt);
    nextAt = at + 1000 / perSecond;
    await delay(at - performance.now(), undefined, { signal });
  };
}
