import type { NotificationCounts } from '../notify/counts.ts';
import type { LifecycleEvent } from '../notify/notification.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { NotificationSettings, SettingsInForce } from '../notify/settings.ts';
import type { SubscriptionMatch, SubscriptionsControl } from './subscriptions-control.ts';

/** A lifecycle event for some subscriptions. */
export interface LifecycleOrder extends SubscriptionMatch {
  event: LifecycleEvent;
}

/** Sets how subscriptions live and notifications travel, and tells what became of them. */
export class NotificationsControl {
  readonly #settings: SettingsInForce;
  readonly #notifier: Notifier;
  readonly #subscriptions: SubscriptionsControl;

  constructor(settings: SettingsInForce, notifier: Notifier, subscriptions: SubscriptionsControl) {
    this.#settings = settings;
    this.#notifier = notifier;
    this.#subscriptions = subscriptions;
  }

  settings(): NotificationSettings {
    return this.#settings.current;
  }

  /** Changes some settings; the others stay. A seed makes the draws begin anew. */
  set(settings: Partial<NotificationSettings>): NotificationSettings {
    this.#settings.current = { ...this.#settings.current, ...settings };
    if (settings.seed !== undefined) this.#notifier.restartDraws();
    return this.settings();
  }

  /** What became of the notifications since the start or the last reset. */
  counts(): NotificationCounts {
    return this.#notifier.counts();
  }

  resetCounts(): void {
    this.#notifier.resetCounts();
  }

  /** Sends lifecycle notifications. `subscriptionRemoved` removes the subscriptions, too. */
  lifecycle({ event, ...match }: LifecycleOrder): { sent: number; withoutAddress: number } {
    const chosen = this.#subscriptions.chosen(match);
    const sent = chosen.filter((subscription) => this.#notifier.sendLifecycle(subscription, event)).length;
    return { sent, withoutAddress: chosen.length - sent };
  }
}
