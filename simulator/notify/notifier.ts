import type { Dispatcher } from 'undici';
import { guidFrom, hash, seedFor } from '../mail/rng.ts';
import type { MailEvent } from '../tenant/journal.ts';
import { Counter, type NotificationCounts, type Outcomes } from './counts.ts';
import { Endpoint, type Parcel } from './endpoint.ts';
import {
  concerns,
  type LifecycleEvent,
  lifecycleJson,
  notificationJson,
  type ToldChange,
  toldChanges,
} from './notification.ts';
import type { SettingsInForce } from './settings.ts';
import type { Subscription } from './subscription.ts';
import type { Subscriptions } from './subscriptions.ts';

/** How long, at least, one that is to be overtaken is held back. */
const HELD_BACK_MS = 50;

type Chance = 'loss' | 'duplicate' | 'reorder' | 'delay' | 'held' | 'secondDelay';

/** What the notifier works with. */
export interface NotifierParts {
  tenantId: string;
  subscriptions: Subscriptions;
  settings: SettingsInForce;
  dispatcher: Dispatcher;
}

/** Makes notifications of what happens to mail and sees them to their endpoints, or loses them on purpose. */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #endpoints = new Map<string, Endpoint>();
  /** When the latest notification of a subscription is due, so that later ones come behind it. */
  readonly #latest = new WeakMap<Subscription, number>();
  #counter = new Counter();
  #draws = 0;
  #made = 0;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  counts(): NotificationCounts {
    return this.#counter.read();
  }

  /** Begins to count anew; what was made before counts no more. */
  resetCounts(): void {
    this.#counter = new Counter();
  }

  /** Draws from the beginning of the seed again. */
  restartDraws(): void {
    this.#draws = 0;
  }

  close(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.close();
  }

  /** Makes the notifications of an event. */
  note(event: MailEvent): void {
    const subscriptions = this.#parts.subscriptions.ofUser(event.user.id);
    if (subscriptions.length === 0) return;
    for (const told of toldChanges(event)) {
      for (const subscription of subscriptions) {
        if (concerns(subscription, told)) this.#make(subscription, event, told);
      }
    }
  }

  /** Sends a lifecycle notification, where the subscription has an address for it; whether it has. */
  sendLifecycle(subscription: Subscription, event: LifecycleEvent): boolean {
    const { subscriptions, tenantId } = this.#parts;
    if (event === 'reauthorizationRequired') subscription.mustReauthorize = true;
    if (event === 'subscriptionRemoved') subscriptions.remove(subscription);
    const url = subscription.lifecycleNotificationUrl;
    if (url === null) return false;
    const { lifecycle } = this.#counter;
    lifecycle.made++;
    this.#endpoint(url).add(
      {
        body: lifecycleJson(tenantId, subscription, event),
        isWithdrawn: false,
        sent: () => undefined,
        ended: (isDelivered) => lifecycle[isDelivered ? 'delivered' : 'failed']++,
      },
      Date.now(),
    );
    return true;
  }

  #make(subscription: Subscription, event: MailEvent, told: ToldChange): void {
    const { settings, tenantId } = this.#parts;
    const { loss, duplicates, seed, batchMs } = settings.current;
    const draw = this.#draws++;
    const tallies = this.#counter.tallies(event.user.id, told.changeType);
    event.notifications.made++;
    add(tallies, 'made');
    if (this.#chance('loss', draw) < loss) return add(tallies, 'lost');
    const body = notificationJson(guidFrom(seed, this.#made++), tenantId, subscription, event, told);
    const isDoubled = this.#chance('duplicate', draw) < duplicates;
    const parcel = this.#parcel(body, subscription, event, { tallies, copies: isDoubled ? 2 : 1 });
    const endpoint = this.#endpoint(subscription.notificationUrl);
    const due = this.#due(subscription, draw);
    endpoint.add(parcel, due);
    if (!isDoubled) return;
    this.#counter.traffic.duplicated++;
    endpoint.add(parcel, due + batchMs + 1 + this.#delay('secondDelay', draw));
  }

  /** Stands for every copy of a notification: it is delivered with the first that is, and fails with the last. */
  #parcel(
    body: string,
    subscription: Subscription,
    event: MailEvent,
    { tallies, copies }: { tallies: readonly Outcomes[]; copies: number },
  ): Parcel {
    const { subscriptions } = this.#parts;
    const { traffic } = this.#counter;
    let left = copies;
    let isTold = false;
    return {
      body,
      get isWithdrawn() {
        return subscriptions.get(subscription.id) === undefined;
      },
      sent: (isAgain) => traffic[isAgain ? 'retried' : 'sent']++,
      ended: (isDelivered) => {
        left--;
        if (isTold || (!isDelivered && left > 0)) return;
        isTold = true;
        if (isDelivered) event.notifications.delivered++;
        add(tallies, isDelivered ? 'delivered' : 'failed');
      },
    };
  }

  /** When a notification leaves: after those of its subscription that were made before, unless it is to be overtaken. */
  #due(subscription: Subscription, draw: number): number {
    const { reorder, batchMs, delayMs } = this.#parts.settings.current;
    const latest = this.#latest.get(subscription) ?? 0;
    const due = Math.max(latest, Date.now() + this.#delay('delay', draw));
    if (this.#chance('reorder', draw) < reorder) {
      const most = Math.max(HELD_BACK_MS, 4 * batchMs, delayMs[1] - delayMs[0]);
      return due + most * (0.5 + this.#chance('held', draw));
    }
    this.#latest.set(subscription, due);
    return due;
  }

  #delay(chance: Chance, draw: number): number {
    const [least, most] = this.#parts.settings.current.delayMs;
    return least + (most - least) * this.#chance(chance, draw);
  }

  /** 0 to 1, without 1. */
  #chance(chance: Chance, draw: number): number {
    return hash(seedFor(this.#parts.settings.current.seed, chance), draw) / 0x80000000;
  }

  #endpoint(url: string): Endpoint {
    let endpoint = this.#endpoints.get(url);
    if (!endpoint) {
      const { settings, dispatcher } = this.#parts;
      endpoint = new Endpoint(url, {
        settings,
        dispatcher,
        onPosted: ({ isAccepted, isSlow }) => {
          const { traffic } = this.#counter;
          traffic.requests++;
          if (!isAccepted) traffic.refused++;
          if (isSlow) traffic.slow++;
        },
      });
      this.#endpoints.set(url, endpoint);
    }
    return endpoint;
  }
}

function add(tallies: readonly Outcomes[], outcome: keyof Outcomes): void {
  for (const tally of tallies) tally[outcome]++;
}
