import { randomUUID } from 'node:crypto';
import type { NewSubscription, Subscription } from './subscription.ts';

/** The subscriptions of the application. Those that have expired are gone as soon as somebody looks. */
export class Subscriptions {
  readonly #byId = new Map<string, Subscription>();
  readonly #byUser = new Map<string, Set<Subscription>>();
  #made = 0;

  add(wanted: NewSubscription): Subscription {
    const subscription: Subscription = {
      ...wanted,
      id: randomUUID(),
      number: ++this.#made,
      mustReauthorize: false,
    };
    this.#byId.set(subscription.id, subscription);
    const userId = subscription.user.id;
    const ofUser = this.#byUser.get(userId);
    if (ofUser) ofUser.add(subscription);
    else this.#byUser.set(userId, new Set([subscription]));
    return subscription;
  }

  get(id: string): Subscription | undefined {
    const subscription = this.#byId.get(id.toLowerCase());
    return subscription && this.#isAlive(subscription) ? subscription : undefined;
  }

  /** All of them, the oldest first. */
  list(): Subscription[] {
    return [...this.#byId.values()].filter((subscription) => this.#isAlive(subscription));
  }

  /** Those for one mailbox. */
  ofUser(userId: string): Subscription[] {
    return [...(this.#byUser.get(userId) ?? [])].filter((subscription) => this.#isAlive(subscription));
  }

  /** One for the same messages and changes. */
  twinOf({ user, folder, changeTypes }: NewSubscription): Subscription | undefined {
    return this.ofUser(user.id).find(
      (other) =>
        other.folder === folder &&
        other.changeTypes.size === changeTypes.size &&
        [...changeTypes].every((type) => other.changeTypes.has(type)),
    );
  }

  remove(subscription: Subscription): void {
    this.#byId.delete(subscription.id);
    this.#byUser.get(subscription.user.id)?.delete(subscription);
  }

  #isAlive(subscription: Subscription): boolean {
    if (subscription.expiresAt > Date.now()) return true;
    this.remove(subscription);
    return false;
  }
}
