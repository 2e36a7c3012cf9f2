import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { KnownSubscription, LifecycleEvents } from '../../store/subscription-lookup.ts';
import type { NotificationWorkflows } from './asking.ts';
import { countRefused, sortOut, type RefusedItem } from './authentic.ts';
import type { MutableFigures } from './figures.ts';
import type { KnownSubscriptions } from './known-subscriptions.ts';
import { LIFECYCLE_EVENTS, parseLifecycle, type LifecycleEvent } from './notification.ts';
import type { Take } from './router.ts';
import type { SessionCounts } from './session-counts.ts';
import type { SparingLog } from './sparingly.ts';

interface LifecycleOptions {
  readonly subscriptions: KnownSubscriptions;
  readonly figures: MutableFigures;
  readonly counts: SessionCounts;
  readonly workflows: NotificationWorkflows;
  readonly log: SparingLog;
  /** Commits what is to be done. */
  readonly record: (events: LifecycleEvents) => Promise<void>;
}

interface Told {
  readonly subscriptionId: string;
  readonly subscription: KnownSubscription;
  readonly event: LifecycleEvent;
}

/** Workflows asked at a time. */
const AT_ONCE = 16;
/** Pauses between attempts to ask a workflow, ms; then it is left to the sweep and to the session's own timers. */
const PAUSES = [1_000, 2_000, 4_000, 8_000, ...Array<number>(50).fill(10_000)];

/**
 * Takes what Graph says of subscriptions. What is to be done stands in the store before the answer; those who do it are
 * asked afterwards, again and again while Temporal is away.
 */
export function lifecycleTaker(options: LifecycleOptions): { readonly take: Take; close(): void } {
  const { subscriptions, figures, record } = options;
  const closing = new AbortController();
  return {
    async take(body) {
      const { items, malformed } = parseLifecycle(body);
      const { authentic, refused: foreign } = await sortOut(items, subscriptions);
      const refused: RefusedItem[] = [...foreign, ...Array<RefusedItem>(malformed).fill({ reason: 'malformed' })];
      const told: Told[] = [];
      for (const { item, subscription } of authentic) {
        const { event, subscriptionId } = item;
        if (event === 'malformed') refused.push({ reason: event, sessionNo: subscription.sessionNo });
        else told.push({ subscriptionId, subscription, event });
      }
      if (told.length > 0) {
        await record(eventsOf(told));
        for (const { subscriptionId, event } of told) {
          if (event === 'subscriptionRemoved') subscriptions.forget(subscriptionId);
        }
        figures.lifecycle += told.length;
        void ask(told, options, closing.signal);
      }
      countRefused(refused, options);
    },
    close: () => closing.abort(),
  };
}

function eventsOf(told: readonly Told[]): LifecycleEvents {
  const idsOf = (event: LifecycleEvent): string[] =>
    told.filter((one) => one.event === event).map(({ subscriptionId }) => subscriptionId);
  return Object.fromEntries(LIFECYCLE_EVENTS.map((event) => [event, idsOf(event)])) as Record<LifecycleEvent, string[]>;
}

/** Has mailboxes read of which notifications are missing, and sessions look at their subscriptions. */
async function ask(told: readonly Told[], { workflows, log }: LifecycleOptions, signal: AbortSignal): Promise<void> {
  const asked = new Map<string, () => Promise<void>>();
  for (const { event, subscription } of told) {
    const { organizationId, mailboxId } = subscription;
    if (event !== 'reauthorizationRequired') {
      const wake = (): Promise<void> => workflows.wakeReader(organizationId, mailboxId, 'incremental');
      asked.set(`${organizationId}/${mailboxId}`, wake);
    }
    if (event !== 'missed') asked.set(organizationId, () => workflows.nudgeSession(organizationId));
  }
  await pLimit(AT_ONCE).map([...asked.values()], (one) => persistently(one, log, signal));
}

async function persistently(work: () => Promise<void>, log: SparingLog, signal: AbortSignal): Promise<void> {
  for (const pause of PAUSES) {
    try {
      await work();
      return;
    } catch (err) {
      log({ err }, 'What Graph says of a subscription could not be passed on yet');
      await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
    }
  }
}
