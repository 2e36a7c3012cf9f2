import { Context } from '@temporalio/activity';
import type { Database } from '../store/database.ts';
import { clientStateKeyOf, sessionByNo, type SessionRow } from '../store/sessions.ts';
import { subscriptionCounts } from '../store/subscriptions.ts';
import type { GraphConnections } from './graph-connections.ts';
import { whileBeating } from './heartbeat.ts';
import { faultOfUrl, lookAt } from './public-url.ts';
import type { SessionName } from './session-activities.ts';
import { SessionSubscriptions } from './session-subscriptions.ts';
import { Lifetime } from './subscribing.ts';

/** How the subscriptions of a session stand after a look at all that was due. */
export interface SubscriptionsKept {
  /** In how many ms the next is to be created, renewed or tried again; a day where there is nothing to do. */
  readonly nextDueMs: number;
  readonly active: number;
  /** Mailboxes of which Graph gives no notifications; their rows say why. */
  readonly refused: number;
  /** Why Graph cannot send notifications to us, in words for people. Then no more are created until `nextDueMs`. */
  readonly unreachable?: string;
}

/** Whether Graph can send notifications to the session's URL. */
export type PublicUrlCheck = { readonly reachable: true } | { readonly reachable: false; readonly reason: string };

/** What `keepSession` has done for it outside about subscriptions to change notifications. */
export interface SubscriptionActivities {
  /**
   * Tells whether Graph reaches the session's `notification_url`, by asking for the first subscription; removes what a
   * run that crashed has left at Graph. Options: `PUBLIC_URL_CHECK`.
   */
  checkPublicUrl(input: SessionName): Promise<PublicUrlCheck>;
  /**
   * Creates, renews and tries again what is due among the subscriptions of the followed mailboxes, and removes those of
   * mailboxes that are followed no longer. Options: `SUBSCRIBING`.
   */
  keepSubscriptions(input: SessionName): Promise<SubscriptionsKept>;
  /** Removes all subscriptions of the session, and those that lead to our URL and that no row knows. Options: `UNSUBSCRIBING`. */
  removeSubscriptions(input: SessionName): Promise<{ readonly removed: number }>;
}

export interface SubscriptionActivitiesOptions {
  readonly db: Database;
  readonly connections: GraphConnections;
  /** Has a mailbox read for nobody in particular: starts its reader, or signals the one that runs. */
  readonly wakeReader: (organizationId: string, mailboxId: string) => Promise<void>;
  /** Life to ask for. Default 10,000: Graph gives 10,070 at most. */
  readonly subscriptionMinutes?: number;
  /** Subscriptions created, renewed or removed a second, for one session. Default 20. */
  readonly perSecond?: number;
  /** Before Graph is asked once more whether it reaches us, ms. Default 3,000. */
  readonly patienceMs?: number;
}

/** Mailboxes by which Graph is asked whether it reaches us, where it refuses the first. */
const TRIED = 5;
const DAY_MS = 24 * 3600_000;

export function createSubscriptionActivities(options: SubscriptionActivitiesOptions): SubscriptionActivities {
  const { db, connections, wakeReader, subscriptionMinutes = 10_000, perSecond = 20, patienceMs = 3_000 } = options;
  const lifetime = new Lifetime(subscriptionMinutes);

  /** Undefined where the session asks for no notifications (any more). */
  async function open(session: SessionRow): Promise<SessionSubscriptions | undefined> {
    const { organizationId, sessionNo, notificationUrl: publicUrl, endedAt } = session;
    const { cancellationSignal: signal } = Context.current();
    const key = await clientStateKeyOf(db, sessionNo);
    if (!key || publicUrl === null || endedAt !== null) return undefined;
    const { subscriptions } = await connections.graphFor(organizationId);
    return new SessionSubscriptions({
      db,
      subscriptions,
      organizationId,
      sessionNo,
      key,
      publicUrl,
      signal,
      wakeReader,
      lifetime,
      perSecond,
      patienceMs,
    });
  }

  return {
    checkPublicUrl: ({ sessionNo }) =>
      whileBeating(async () => {
        const session = await sessionByNo(db, sessionNo);
        const { notificationUrl } = session;
        const fault = faultOfUrl(notificationUrl);
        if (fault !== undefined || notificationUrl === null) return unreachable(fault);
        const subscriptions = await open(session);
        await subscriptions?.removeOrphans();
        await subscriptions?.wantAll();
        for (let tries = 0; tries < TRIED; tries += 1) {
          const { kept = 0, active = 0, unreachable: words } = (await subscriptions?.keep(1)) ?? {};
          if (active > 0) return { reachable: true };
          if (words === undefined && kept > 0) continue;
          const seen = await lookAt(notificationUrl, Context.current().cancellationSignal);
          return words === undefined && seen === undefined ? { reachable: true } : unreachable(words, seen);
        }
        return { reachable: true };
      }),

    keepSubscriptions: ({ sessionNo }) =>
      whileBeating(async () => {
        const none = { nextDueMs: DAY_MS, active: 0, refused: 0 };
        const session = await sessionByNo(db, sessionNo);
        const { notifications, notificationUrl, endedAt } = session;
        const fault = notifications === 'off' || endedAt !== null ? undefined : faultOfUrl(notificationUrl);
        if (fault !== undefined) return { ...none, unreachable: reasonOf(fault) };
        const subscriptions = await open(session);
        if (!subscriptions) return none;
        await subscriptions.remove({ all: false });
        await subscriptions.wantAll();
        const { unreachable: words } = await subscriptions.keepAll();
        const { active, refused, ...counts } = await subscriptionCounts(db, sessionNo);
        // What waits for Graph to reach us says so until it is tried again.
        const reason = words ?? counts.notReached ?? undefined;
        if (reason === undefined) return { nextDueMs: counts.nextDueMs ?? DAY_MS, active, refused };
        return { nextDueMs: counts.notReachedDueMs ?? 0, active, refused, unreachable: reasonOf(reason) };
      }),

    removeSubscriptions: ({ sessionNo }) =>
      whileBeating(async () => {
        const subscriptions = await open(await sessionByNo(db, sessionNo));
        const removed = (await subscriptions?.remove({ all: true })) ?? 0;
        return { removed: removed + ((await subscriptions?.removeOrphans()) ?? 0) };
      }),
  };
}

const reasonOf = (...words: readonly (string | undefined)[]): string =>
  ['Microsoft Graph cannot send notifications to OUTHAUL_PUBLIC_URL.', ...words].filter(Boolean).join(' ');

const unreachable = (...words: readonly (string | undefined)[]): PublicUrlCheck => ({
  reachable: false,
  reason: reasonOf(...words),
});
