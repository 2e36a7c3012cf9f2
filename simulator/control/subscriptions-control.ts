import { expirationOf, type Subscription } from '../notify/subscription.ts';
import type { Subscriptions } from '../notify/subscriptions.ts';
import { ControlError } from './control-error.ts';
import type { Places } from './places.ts';

/** Which subscriptions are meant: one, those of a mailbox (user id or principal name), or all. */
export interface SubscriptionMatch {
  subscriptionId?: string;
  mailboxId?: string;
  all?: true;
}

/** A subscription as the control API shows it. */
export interface SubscriptionReport {
  id: string;
  /** The user's id. */
  mailboxId: string;
  /** Null: the whole mailbox. */
  folderId: string | null;
  changeType: string;
  notificationUrl: string;
  lifecycleNotificationUrl: string | null;
  clientState: string | null;
  immutableIds: boolean;
  expirationDateTime: string;
  /** A `reauthorizationRequired` that nobody has answered yet. */
  mustReauthorize: boolean;
}

/** Looks at subscriptions from behind the stage, and lets them end. */
export class SubscriptionsControl {
  readonly #subscriptions: Subscriptions;
  readonly #places: Places;

  constructor(subscriptions: Subscriptions, places: Places) {
    this.#subscriptions = subscriptions;
    this.#places = places;
  }

  /** Those in force, the oldest first. */
  list(): SubscriptionReport[] {
    return this.#subscriptions.list().map(reportOf);
  }

  /** Lets subscriptions expire now, as if their time were over: nobody is told. */
  expire(match: SubscriptionMatch): { expired: number } {
    const chosen = this.chosen(match);
    for (const subscription of chosen) this.#subscriptions.remove(subscription);
    return { expired: chosen.length };
  }

  /** @throws ControlError 404 where the one that is named is not there. */
  chosen({ subscriptionId, mailboxId, all }: SubscriptionMatch): Subscription[] {
    if (subscriptionId !== undefined) {
      const subscription = this.#subscriptions.get(subscriptionId);
      if (!subscription) throw new ControlError(404, `There is no subscription ${subscriptionId}.`);
      return [subscription];
    }
    if (mailboxId !== undefined) return this.#subscriptions.ofUser(this.#places.user(mailboxId).id);
    if (all) return this.#subscriptions.list();
    throw new ControlError(400, "Say which: 'subscriptionId', 'mailboxId' or 'all': true.");
  }
}

function reportOf(subscription: Subscription): SubscriptionReport {
  const { id, user, folder, changeType, notificationUrl, lifecycleNotificationUrl } = subscription;
  return {
    id,
    mailboxId: user.id,
    folderId: folder?.id ?? null,
    changeType,
    notificationUrl,
    lifecycleNotificationUrl,
    clientState: subscription.clientState,
    immutableIds: subscription.immutableIds,
    expirationDateTime: expirationOf(subscription),
    mustReauthorize: subscription.mustReauthorize,
  };
}
