import { timingSafeEqual } from 'node:crypto';
import { clientStateHash } from '../../model/client-state.ts';
import type { KnownSubscription } from '../../store/subscription-lookup.ts';
import type { MutableFigures, Refusal } from './figures.ts';
import type { KnownSubscriptions } from './known-subscriptions.ts';
import type { SessionCounts } from './session-counts.ts';
import type { SparingLog } from './sparingly.ts';

interface Sender {
  readonly subscriptionId: string;
  readonly clientState: string;
}

/** Why something is refused, and in whose name it came, where that is known. */
export interface RefusedItem {
  readonly reason: Refusal;
  readonly sessionNo?: number;
}

/** What was found of the items of one request. */
export interface Sorted<Item> {
  readonly authentic: readonly { readonly item: Item; readonly subscription: KnownSubscription }[];
  readonly refused: readonly RefusedItem[];
}

/**
 * Tells what Graph has sent from what anybody may have: the subscription must be one of a session that runs, and the
 * client state the one that only Graph was told. Both are compared as hashes, in constant time.
 */
export async function sortOut<Item extends Sender>(
  items: readonly Item[],
  subscriptions: KnownSubscriptions,
): Promise<Sorted<Item>> {
  const known = await subscriptions.of(items.map(({ subscriptionId }) => subscriptionId));
  const authentic: { item: Item; subscription: KnownSubscription }[] = [];
  const refused: RefusedItem[] = [];
  for (const item of items) {
    const subscription = known.get(item.subscriptionId);
    if (!subscription) refused.push({ reason: 'foreign' });
    else if (!timingSafeEqual(clientStateHash(item.clientState), subscription.clientStateHash)) {
      refused.push({ reason: 'forged', sessionNo: subscription.sessionNo });
    } else authentic.push({ item, subscription });
  }
  return { authentic, refused };
}

/** Counts what is refused, and has the log say so now and then. */
export function countRefused(
  refused: readonly RefusedItem[],
  { figures, counts, log }: { figures: MutableFigures; counts: SessionCounts; log: SparingLog },
): void {
  for (const { reason, sessionNo } of refused) {
    figures.refused[reason]++;
    if (sessionNo !== undefined) counts.refused(sessionNo);
    if (reason !== 'replayed') log({ reason, sessionNo }, WORDS[reason]);
  }
}

const WORDS: Readonly<Record<Refusal, string>> = {
  foreign: 'Notifications of a subscription that no running session has made were ignored',
  forged: 'Notifications without the client state of their subscription were ignored',
  malformed: 'Notifications that cannot be read were ignored',
  replayed: 'Notifications that were taken a short while ago were ignored',
  rich: 'Notifications with encrypted mail were refused: subscribe without includeResourceData',
  too_large: 'A request was too large',
  too_many: 'There were too many requests',
};
