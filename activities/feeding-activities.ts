import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { matchesAttachment, needsBytes, owingOf } from '../model/destination-filters.ts';
import { URGENCY } from '../model/delivery.ts';
import type { Database } from '../store/database.ts';
import { destinationById, type Destination } from '../store/destinations.ts';
import {
  feedDestination,
  replayBegins,
  replayWindow,
  type Fed,
  type OwesAttachment,
  type OwesStored,
} from '../store/feeding.ts';
import { organizationOf, type Organization } from '../store/organizations.ts';
import { mailboxesToWake } from '../store/upkeep.ts';
import { whileBeating } from './heartbeat.ts';
import type { WakeMailboxes } from './waking.ts';

export type { Fed };

export interface FeedRequest {
  readonly destinationId: string;
}

export interface ReplayRequest extends FeedRequest {
  /** ISO 8601; by when messages were received: the first moment of the window, and the first one after it. */
  readonly since: string;
  readonly until: string;
}

/** What `feedDestination` and `replayDestination` have done for them outside. */
export interface FeedingActivities {
  /**
   * Owes a new destination what is stored already, to the end.
   * @returns how much that was in this attempt; or for how long there is nothing to do, ms, because not everybody knows of it yet
   */
  feedStored(input: FeedRequest): Promise<Fed | { readonly waitMs: number }>;
  /** When a replay begins; ISO 8601. */
  beginReplay(): Promise<string>;
  /** Owes a destination once more what was received in a window of time. Goes on where an attempt before was lost. */
  replayStored(input: ReplayRequest & { readonly begunAt: string }): Promise<Fed>;
}

export interface FeedingActivitiesOptions {
  readonly db: Database;
  /** Has destinations looked after, unless somebody does. */
  readonly wake: (destinationNos: readonly number[]) => Promise<void>;
  readonly wakeMailboxes: WakeMailboxes;
  readonly log: Pick<Logger, 'warn'>;
  /** Messages that are looked at in one transaction. Default: 1,000. */
  readonly stretch?: number;
}

/** Readers woken at the end; upkeep wakes the others. */
const READERS = 1_000;

/** Where a replay goes on after an interruption. */
interface Progress extends Fed {
  readonly after: number;
}

export function createFeedingActivities(options: FeedingActivitiesOptions): FeedingActivities {
  const { db, wake, wakeMailboxes, log, stretch: limit = 1_000 } = options;

  /** What is owed is owed, whether or not somebody can be woken for it now. */
  const wakeSender = ({ id: destinationId, destinationNo }: Destination): Promise<void> =>
    wake([destinationNo]).catch((err: unknown) => log.warn({ err, destinationId }, 'Not woken: upkeep will do it'));

  /** What was owed may wait for attachments: the readers have to fetch these. */
  async function wakeReaders(organization: Organization, signal: AbortSignal): Promise<void> {
    const { organizationId } = organization;
    const waiting = await mailboxesToWake(db, organization, { seconds: 0, limit: READERS });
    await wakeMailboxes(organizationId, waiting, signal).catch((err: unknown) => {
      signal.throwIfAborted();
      log.warn({ err, organizationId }, 'Readers were not woken: upkeep will do it');
    });
  }

  return {
    feedStored: ({ destinationId }) =>
      whileBeating(async () => {
        const { cancellationSignal: signal } = Context.current();
        for (let total = NOTHING; ;) {
          signal.throwIfAborted();
          const destination = await destinationById(db, destinationId, null);
          if (!destination) return total;
          const { destinationNo } = destination;
          const organization = await organizationOf(db, destination.organizationId);
          const fed = await feedDestination(db, organization, { destinationNo, limit, owes: owesOf(destination) });
          if (fed.status === 'early') return { waitMs: fed.waitMs };
          total = sum(total, fed);
          if (fed.owed > 0) await wakeSender(destination);
          if (fed.status === 'more') continue;
          await wakeReaders(organization, signal);
          return total;
        }
      }),

    beginReplay: () => replayBegins(db),

    replayStored: ({ destinationId, ...window }) =>
      whileBeating(async (beat: (progress: Progress) => void, before) => {
        const { cancellationSignal: signal } = Context.current();
        for (let progress: Progress = before ?? { ...NOTHING, after: 0 }; ;) {
          signal.throwIfAborted();
          const destination = await destinationById(db, destinationId, null);
          if (!destination) return totalOf(progress);
          const { destinationNo } = destination;
          const organization = await organizationOf(db, destination.organizationId);
          const stretch = { ...window, after: progress.after, limit };
          const { after, ...replayed } = await replayWindow(db, organization, {
            ...{ destinationNo, owes: owesOf(destination), owesAttachment: owesAttachmentOf(destination) },
            ...stretch,
          });
          if (replayed.owed > 0) await wakeSender(destination);
          progress = { ...sum(progress, replayed), after: after ?? progress.after };
          if (after === null) {
            await wakeReaders(organization, signal);
            return totalOf(progress);
          }
          beat(progress);
        }
      }),
  };
}

const NOTHING: Fed = { read: 0, owed: 0 };
const totalOf = ({ read, owed }: Fed): Fed => ({ read, owed });
const sum = (one: Fed, other: Fed): Fed => ({ read: one.read + other.read, owed: one.owed + other.owed });

/** To a destination, what was stored long ago goes after what is new. */
const owesOf =
  (destination: Destination): OwesStored =>
  (message) => {
    const owing = owingOf(destination, message);
    return owing === 'nothing' ? undefined : { owing, urgency: URGENCY.stored };
  };

/** Where its bytes are not there, it wants them; or, as with one that cannot be read, is to hear that they do not come. */
const owesAttachmentOf =
  (destination: Destination): OwesAttachment =>
  (attachment) =>
    attachment.state === 'stored'
      ? matchesAttachment(destination.settings.filters, attachment)
      : needsBytes(destination, attachment);
