import { ActivityFailure } from '@temporalio/common';
import { CancellationScope, log, sleep, type ActivityInterfaceFor } from '@temporalio/workflow';
import type { SessionActivities, SessionName } from '../activities/session-activities.ts';
import type { SubscriptionActivities } from '../activities/subscription-activities.ts';
import { typeOf } from './failures.ts';
import { graphActivities } from './graph-activities.ts';
import { UNSUBSCRIBING } from './policies.ts';

/** How a session ended; `refused` and `unreachable` before it ran, for its credential. */
export interface KeptEnd {
  readonly status: 'stopped' | 'failed' | 'refused' | 'unreachable';
  readonly reason: string;
}

/** Between two tries at what has to be done before a session has ended. */
const AGAIN = '1 minute';
/** What is in flight when nothing more comes is read within moments. */
const DRAIN = { times: 10, pause: '2 seconds' } as const;

/**
 * Ends a session: no sweep comes any more, Graph notifies of nothing more, and what is in flight by then, named or being
 * read, is finished as far as that takes moments. Goes to its end even when cancelled again, and tries again what is
 * refused, so that nothing is left behind; but subscriptions that Graph does not remove expire by themselves.
 */
export function endSession(
  store: ActivityInterfaceFor<SessionActivities>,
  name: SessionName,
  { status, reason, subscribed }: KeptEnd & { readonly subscribed: boolean },
): Promise<void> {
  return CancellationScope.nonCancellable(async () => {
    await surely(() => store.recordStopping({ ...name, reason }));
    await surely(() => store.removeSweeps(name));
    if (subscribed) await unsubscribe(name);
    for (let time = 0; time < DRAIN.times && (await surely(() => store.workWaits(name))); time++)
      await sleep(DRAIN.pause);
    await surely(() => store.endSession({ ...name, reason, status: status === 'stopped' ? 'stopped' : 'failed' }));
  });
}

async function unsubscribe(name: SessionName): Promise<void> {
  const { removeSubscriptions } = graphActivities<SubscriptionActivities>(UNSUBSCRIBING);
  try {
    await removeSubscriptions(name);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('Subscriptions could not be removed: they expire by themselves', { type: typeOf(error) });
  }
}

/** Again until it is done. Undefined where the store does not know the session: then there is nothing to do. */
async function surely<T>(work: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const type = typeOf(error);
      if (type === 'UnknownSession') return undefined;
      log.error('A session could not be ended: it is tried again', { type });
      await sleep(AGAIN);
    }
  }
}
