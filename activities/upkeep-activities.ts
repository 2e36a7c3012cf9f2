import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { healthOf } from '../destinations/health-of.ts';
import type { Sender } from '../destinations/sender.ts';
import type { DestinationSecret } from '../model/destination.ts';
import { noteHealth } from '../store/attendance.ts';
import { recoverAsides, removeUnreferenced } from '../store/blob-rows.ts';
import type { BlobStores } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import { expireDeliveries } from '../store/dead-letters.ts';
import { dueIn } from '../store/deliveries.ts';
import { dropDelivered } from '../store/delivery-counts.ts';
import { listDestinations, loadDestination, type Destination } from '../store/destinations.ts';
import { organizationOf } from '../store/organizations.ts';
import { finishRemoval, removedDestinations } from '../store/removed-destinations.ts';
import { dueDestinations, leaveTidying, mailboxesToWake, organizationsWaiting, takeTidying } from '../store/upkeep.ts';
import { whileBeating } from './heartbeat.ts';
import { inTurn, type Turns } from './in-turn.ts';
import type { WakeMailboxes } from './waking.ts';

/** How one step of the upkeep went for all that it is for. What failed was logged, and is tried again by the next run. */
export interface UpkeepStep {
  readonly done: number;
  readonly failed: number;
}

/**
 * What `keepDelivery` has done for it outside: one step for all organizations. None of them keeps the others from their
 * turn, whatever fails, and each is bounded: the next run, a minute later, goes on.
 */
export interface UpkeepActivities {
  /** Wakes the destinations that have something due; and what feeds those that are new. */
  wakeDestinations(): Promise<UpkeepStep>;
  /** Wakes the readers of mailboxes of which messages wait for their attachments. */
  wakeWaitingReaders(): Promise<UpkeepStep>;
  /**
   * Makes dead letters of what has been owed for too long, and forgets what was delivered long ago, or to destinations
   * whose removal was interrupted.
   */
  clearDeliveries(): Promise<UpkeepStep>;
  /** Asks the destinations that are not paused how they are. */
  watchDestinations(): Promise<UpkeepStep>;
  /** Removes blobs to which nothing refers, and puts right what other removers have left: hourly for each organization. */
  tidyBlobs(): Promise<UpkeepStep>;
}

export interface UpkeepActivitiesOptions {
  readonly db: Database;
  readonly blobs: BlobStores;
  /** Has destinations looked after, unless somebody does. */
  readonly wake: (destinationNos: readonly number[]) => Promise<void>;
  /** Has a new destination fed, unless that is going on. */
  readonly feed: (destination: Pick<Destination, 'id' | 'organizationId'>) => Promise<void>;
  readonly wakeMailboxes: WakeMailboxes;
  readonly openSender: (destination: Destination, secret: DestinationSecret) => Sender | Promise<Sender>;
  readonly log: Pick<Logger, 'warn'>;
  /** How long what was delivered is remembered. Default: 30. */
  readonly keptDays?: number;
  /** How long blobs stay after the last reference, ms. Default: an hour. */
  readonly blobGraceMs?: number;
}

const DAY_MS = 86_400_000;
/** Deliveries that are changed or removed in one statement, and for one destination in a run. */
const STRETCH = 1_000;
const STRETCHES = 50;
/** How long somebody else has for the attachments that messages wait for, before their reader is woken. */
const WAITED_SECONDS = 30;
/** Readers woken for one organization in a run. */
const READERS = 1_000;
/** Organizations whose blobs are tidied in a run, how often, and for how long at a time. */
const TIDIED = 100;
const TIDIED_SECONDS = 3_600;
const TIDYING_MS = 20_000;
/** How long a run goes on beginning with others. */
const STEP_MS = 120_000;
const ABANDONED_MS = DAY_MS;
/** Destinations that are asked how they are at a time, and how long each has to say so. */
const ASKED_AT_ONCE = 20;
const HEALTH_MS = 5_000;

export function createUpkeepActivities(options: UpkeepActivitiesOptions): UpkeepActivities {
  const { db, blobs, wake, feed, wakeMailboxes, openSender, log, keptDays = 30, blobGraceMs } = options;

  /** Gives all of them their turn, heartbeating. */
  const step = <T>(items: () => Promise<readonly T[]>, turns: Omit<Turns<T>, 'log' | 'signal'>): Promise<UpkeepStep> =>
    whileBeating(async () => {
      const { cancellationSignal: signal } = Context.current();
      return inTurn(await items(), { ...turns, log, signal });
    });
  const idsOf = ({ id, organizationId }: Destination) => ({ organizationId, destinationId: id });
  const all = (): Promise<Destination[]> => listDestinations(db, null);

  async function clear({ destinationNo, settings }: Destination): Promise<void> {
    const { maxWaitSeconds } = settings;
    const before = new Date(Date.now() - keptDays * DAY_MS).toISOString();
    await inStretches(() => expireDeliveries(db, { destinationNo, maxWaitSeconds, limit: STRETCH }));
    await inStretches(() => dropDelivered(db, { destinationNo, before, limit: STRETCH }));
  }

  async function watch({ id, destinationNo }: Destination, signal: AbortSignal): Promise<void> {
    const loaded = await loadDestination(db, id);
    if (!loaded) return;
    const { destination, secret } = loaded;
    const health = await healthOf(() => openSender(destination, secret), { signal, patienceMs: HEALTH_MS });
    // Whoever sends knows better, and says when it takes something again: a full disk looks well from outside.
    const isRefusing = destination.health?.reason !== undefined && (await dueIn(db, destinationNo)) !== null;
    if (!health.healthy || !isRefusing) await noteHealth(db, destinationNo, health);
  }

  async function wakeReadersOf(organizationId: string, signal: AbortSignal): Promise<void> {
    const organization = await organizationOf(db, organizationId);
    const waiting = await mailboxesToWake(db, organization, { seconds: WAITED_SECONDS, limit: READERS });
    await wakeMailboxes(organizationId, waiting, signal);
  }

  async function tidy(organizationId: string, signal: AbortSignal): Promise<void> {
    const organization = await organizationOf(db, organizationId);
    const own = blobs.of(organization);
    const time = AbortSignal.timeout(TIDYING_MS);
    try {
      await recoverAsides(db, organization, own);
      await own.removeAbandoned(ABANDONED_MS);
      const grace = blobGraceMs === undefined ? {} : { graceMs: blobGraceMs };
      await removeUnreferenced(db, organization, own, { ...grace, signal: AbortSignal.any([signal, time]) });
    } catch (error) {
      if (!signal.aborted && !time.aborted) throw error;
      await leaveTidying(db, organizationId);
    }
  }

  return {
    async wakeDestinations() {
      const woken = await step(() => dueDestinations(db), {
        idsOf: (destinationNo) => ({ destinationNo }),
        work: (destinationNo) => wake([destinationNo]),
        atOnce: ASKED_AT_ONCE,
      });
      const fed = await step(async () => (await all()).filter((destination) => !destination.fed), {
        idsOf,
        work: feed,
        atOnce: ASKED_AT_ONCE,
      });
      return { done: woken.done + fed.done, failed: woken.failed + fed.failed };
    },
    wakeWaitingReaders: () =>
      step(() => organizationsWaiting(db), {
        idsOf: (organizationId) => ({ organizationId }),
        work: inTime(wakeReadersOf),
      }),
    async clearDeliveries() {
      const cleared = await step(all, { idsOf, work: clear });
      const removed = await step(() => removedDestinations(db), {
        idsOf: (destinationNo) => ({ destinationNo }),
        work: (destinationNo) => finishRemoval(db, destinationNo, { stretches: STRETCHES }),
      });
      return { done: cleared.done + removed.done, failed: cleared.failed + removed.failed };
    },
    watchDestinations: () =>
      step(async () => (await all()).filter(({ status }) => status === 'active'), {
        idsOf,
        work: watch,
        atOnce: ASKED_AT_ONCE,
      }),
    tidyBlobs: () =>
      step(() => takeTidying(db, { seconds: TIDIED_SECONDS, limit: TIDIED }), {
        idsOf: (organizationId) => ({ organizationId }),
        work: inTime(tidy, (organizationId) => leaveTidying(db, organizationId)),
      }),
  };
}

/** Does what answers how many it has changed until nothing is left, or its share is used up. */
async function inStretches(change: () => Promise<number>): Promise<void> {
  for (let stretch = 0; stretch < STRETCHES; stretch++) if ((await change()) < STRETCH) return;
}

/** The same work; those whose turn has not come in time are left to the next run. */
function inTime<T>(work: Turns<T>['work'], leave: (item: T) => Promise<void> = async () => undefined): typeof work {
  const began = performance.now();
  return (item, signal) => (performance.now() - began < STEP_MS ? work(item, signal) : leave(item));
}
