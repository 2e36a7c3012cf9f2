import { GraphError } from '../graph/errors.ts';
import type { GraphSubscriptions, Subscription } from '../graph/graph.ts';
import { SubscriptionError } from '../graph/subscription-error.ts';
import { isFor } from '../graph/subscriptions.ts';
import { NOT_REACHED, type DueSubscription, type SubscriptionOutcome } from '../store/subscriptions.ts';

const DAY_MS = 24 * 3600_000;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 15 * 60_000;
/** Until Graph, which did not reach us, is asked again; twice as long each time. */
const NOT_REACHED_PAUSES = { firstMs: 15_000, longestMs: 5 * 60_000 };
/** Between two looks at the same subscription, whatever the clocks say. */
const LEAST_MS = 1_000;
/** How often a subscription is tried to be created or renewed, before the rest is left to another time. */
const MOST_TRIES = 10;

/** Where notifications are to go. */
export interface NotificationUrls {
  readonly notificationUrl: string;
  readonly lifecycleUrl: string;
}

/** Under the public URL, where the API takes notifications. */
export const notificationUrls = (publicUrl: string): NotificationUrls => ({
  notificationUrl: `${publicUrl}/webhooks/graph`,
  lifecycleUrl: `${publicUrl}/webhooks/graph/lifecycle`,
});

/** The life to ask for, which shortens where Graph says that it is too long. */
export class Lifetime {
  #minutes: number;

  constructor(minutes: number) {
    this.#minutes = minutes;
  }

  get minutes(): number {
    return this.#minutes;
  }

  endsAt(): Date {
    return new Date(Date.now() + this.#minutes * 60_000);
  }

  /**
   * Graph gives `most` minutes, by its own clock; where it has refused no more than that the clocks disagree.
   * @param asked what was refused: others may have shortened it since
   */
  shorten(asked: number, most: number): void {
    if (asked !== this.#minutes) return;
    this.#minutes = most < asked ? most - 1 : asked * 0.9;
  }
}

/** What looking after a subscription takes. */
export interface Subscribing extends NotificationUrls {
  readonly subscriptions: GraphSubscriptions;
  readonly lifetime: Lifetime;
  readonly clientStateOf: (mailboxId: string) => string;
  /** Whether another session has the subscription. */
  readonly isOthers: (subscriptionId: string) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** What came of a subscription, and of an error that passes the error. */
export interface Kept {
  readonly outcome: SubscriptionOutcome;
  readonly error?: GraphError;
  /** Why Graph creates no subscription that leads to us. */
  readonly unreachable?: string;
}

/**
 * Renews the subscription, or creates one where there is none, or none any more. What is wrong with this one is its
 * outcome.
 * @throws GraphError that concerns all of them
 */
export async function lookAfter(due: DueSubscription, subscribing: Subscribing): Promise<Kept> {
  const { mailboxId, subscriptionId: before, attempts } = due;
  let lost = false;
  try {
    const renewed = before === null ? undefined : await renew(before, subscribing);
    lost = before !== null && !renewed;
    const { subscription, adopted } = renewed
      ? { subscription: renewed, adopted: false }
      : await create(mailboxId, subscribing);
    const { id, expiresAt } = subscription;
    const dueMs = Math.max(LEAST_MS, (Date.parse(expiresAt) - Date.now()) / 2);
    const isNew = id !== before;
    const active = { state: 'active', subscriptionId: id, expiresAt, isNew, adopted } as const;
    return { outcome: { mailboxId, before, dueMs, ...active } };
  } catch (error) {
    if (!(error instanceof GraphError) || isForAll(error)) throw error;
    const { code: errorCode, retryAfterMs = 0 } = error;
    const refusal = error instanceof SubscriptionError ? error.refusal : undefined;
    if (refusal?.kind === 'refused') {
      const { reason } = refusal;
      return { outcome: { mailboxId, before, dueMs: DAY_MS, state: 'refused', errorCode, reason, lost } };
    }
    const failed = { mailboxId, before, state: 'failed', lost } as const;
    if (refusal?.kind === 'unreachable') {
      const { reason } = refusal;
      const dueMs = Math.min(NOT_REACHED_PAUSES.firstMs * 2 ** attempts, NOT_REACHED_PAUSES.longestMs);
      return { outcome: { ...failed, dueMs, errorCode: NOT_REACHED, reason }, unreachable: reason };
    }
    const dueMs = Math.max(retryAfterMs, Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS));
    return { outcome: { ...failed, dueMs, errorCode }, error };
  }
}

const isForAll = ({ kind, scope }: GraphError): boolean =>
  kind === 'credential_refused' || kind === 'permission_missing' || (kind === 'throttled' && scope === 'connection');

/** Undefined where Graph has it no longer. */
async function renew(id: string, subscribing: Subscribing): Promise<Subscription | undefined> {
  const { subscriptions, signal } = subscribing;
  try {
    return await withLifetime(subscribing, (endsAt) => subscriptions.renew(id, endsAt, signal));
  } catch (error) {
    if (error instanceof SubscriptionError && error.refusal.kind === 'gone') return undefined;
    throw error;
  }
}

/** Asks for less where Graph says that the life is too long. */
async function withLifetime<T>({ lifetime }: Subscribing, ask: (endsAt: Date) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const { minutes } = lifetime;
    try {
      return await ask(lifetime.endsAt());
    } catch (error) {
      const refusal = error instanceof SubscriptionError ? error.refusal : undefined;
      if (refusal?.kind !== 'too_long' || tries === MOST_TRIES) throw error;
      lifetime.shorten(minutes, refusal.minutes);
    }
  }
}

/**
 * Creates a subscription. Graph may have one for the same mail: a run before us was lost before it could save it. It is
 * adopted where its notifications are known to come to us with our client state; else it makes room.
 */
async function create(
  mailboxId: string,
  subscribing: Subscribing,
): Promise<{ readonly subscription: Subscription; readonly adopted: boolean }> {
  const { subscriptions, notificationUrl, lifecycleUrl, signal } = subscribing;
  const clientState = subscribing.clientStateOf(mailboxId);
  for (let tries = 1; ; tries += 1) {
    try {
      const wanted = { mailboxId, notificationUrl, lifecycleUrl, clientState };
      const subscription = await withLifetime(subscribing, (expiresAt) =>
        subscriptions.create({ ...wanted, expiresAt }, signal),
      );
      return { subscription, adopted: false };
    } catch (error) {
      const refusal = error instanceof SubscriptionError ? error.refusal : undefined;
      if (refusal?.kind !== 'exists' || tries === MOST_TRIES) throw error;
      const adopted = await adoptOrRemove(mailboxId, refusal.subscriptionId, subscribing);
      if (adopted) return { subscription: adopted, adopted: true };
    }
  }
}

/** @throws SubscriptionError `refused` where another session has it */
async function adoptOrRemove(
  mailboxId: string,
  subscriptionId: string | undefined,
  subscribing: Subscribing,
): Promise<Subscription | undefined> {
  const { subscriptions, notificationUrl, clientStateOf, signal } = subscribing;
  const there =
    (subscriptionId === undefined ? undefined : await subscriptions.read(subscriptionId, signal)) ??
    (await find(mailboxId, subscribing));
  if (!there) return undefined;
  if (there.notificationUrl === notificationUrl && there.clientState === clientStateOf(mailboxId)) {
    const renewed = await renew(there.id, subscribing);
    if (renewed) return renewed;
  }
  if (await subscribing.isOthers(there.id)) throw takenByAnother();
  await subscriptions.remove(there.id, signal);
  return undefined;
}

async function find(mailboxId: string, { subscriptions, signal }: Subscribing): Promise<Subscription | undefined> {
  for await (const page of subscriptions.list(signal)) {
    const found = page.find((subscription) => isFor(subscription, mailboxId));
    if (found) return found;
  }
  return undefined;
}

function takenByAnother(): SubscriptionError {
  const reason = 'Another session of the same app registration is notified of this mailbox.';
  return new SubscriptionError(
    reason,
    { kind: 'mailbox_denied', code: 'SubscriptionTaken' },
    { kind: 'refused', reason },
  );
}
