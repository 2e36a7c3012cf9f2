import { Context } from '@temporalio/activity';
import { DestinationUnavailable } from '../destinations/sender.ts';
import type { CircuitLimits } from '../model/circuit.ts';
import { attend, noteHealth } from '../store/attendance.ts';
import type { BlobStores } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import { dueIn } from '../store/deliveries.ts';
import { claimToken } from '../store/destination-claims.ts';
import { destinationById, loadDestination } from '../store/destinations.ts';
import { UnknownDestination } from '../store/errors.ts';
import { organizationOf } from '../store/organizations.ts';
import { drain, type Drained, type DrainOptions, type DrainPace } from './drain.ts';
import { whileBeating } from './heartbeat.ts';
import type { Senders } from './senders.ts';

/** How long a drain goes on before it hands over to the next. */
const SLICE_MS = 5 * 60_000;
/** How often it looks whether its destination was changed, paused or removed, ms. */
const LOOK_MS = 2_000;
/** How long what is being sent may take once the worker is told to end, ms; afterwards it is sent again by another. */
const GRACE_MS = 8_000;
/** Until a destination that cannot be opened as it is set up is looked at again, ms: a change of it comes before. */
const MISCONFIGURED_MS = 60_000;

/** What `deliver` has done for it outside. */
export interface DeliverActivities {
  /**
   * Hands on what a destination is owed, for some minutes, and a little longer than there is something.
   * @returns in how many ms to look again; 0: there is more; null: not before somebody says so, for nothing is owed, or the
   * destination is paused, or gone
   */
  drainDestination(input: { readonly destinationId: string }): Promise<Drained>;
}

export interface DeliverActivitiesOptions extends Pick<DrainOptions, 'wakeReader' | 'log'> {
  readonly db: Database;
  readonly blobs: BlobStores;
  readonly senders: Senders;
  /** Aborts when the worker is told to end. Default: never. */
  readonly stopping?: AbortSignal;
  readonly sliceMs?: number;
  readonly pace?: Partial<DrainPace>;
  readonly circuitLimits?: CircuitLimits;
}

export function createDeliverActivities(options: DeliverActivitiesOptions): DeliverActivities {
  const { db, blobs, senders, sliceMs = SLICE_MS, pace, circuitLimits, wakeReader, log } = options;
  const { stopping = new AbortController().signal } = options;

  /** Drains it as it is set up now; undefined: it was changed meanwhile. */
  async function drainAsItIs(id: string, context: Context, until: Until): Promise<Drained | undefined> {
    const { beat, over } = until;
    const loaded = await loadDestination(db, id);
    if (!loaded || loaded.destination.status !== 'active') return { dueInMs: null };
    const { destination } = loaded;
    const { destinationNo, changedAt } = destination;
    const organization = await organizationOf(db, destination.organizationId);
    const changed = new AbortController();
    const look = setInterval(() => {
      destinationById(db, id, null).then(
        (now) => now?.changedAt !== changedAt && changed.abort(),
        () => undefined,
      );
    }, LOOK_MS);
    const graceEnds = new AbortController();
    const stop = AbortSignal.any([over, changed.signal]);
    let grace: NodeJS.Timeout | undefined;
    const ends = (): void => void (grace = setTimeout(() => graceEnds.abort(new Error('The worker ends')), GRACE_MS));
    stopping.addEventListener('abort', ends, { once: true });
    const { workflowExecution, activityId, attempt } = context.info;
    try {
      const drained = await senders.use(loaded, (sender) =>
        drain({
          ...{ db, organization, destination, sender, pace, circuitLimits, wakeReader, log },
          blobs: blobs.of(organization),
          token: claimToken(`${workflowExecution?.runId ?? ''}/${activityId}`, attempt),
          stopping: stop,
          signal: AbortSignal.any([context.cancellationSignal, graceEnds.signal]),
          onSettled: beat,
        }),
      );
      return changed.signal.aborted && !over.aborted ? undefined : drained;
    } catch (error) {
      if (graceEnds.signal.aborted && !context.cancellationSignal.aborted) return { dueInMs: 0 };
      if (error instanceof UnknownDestination) return { dueInMs: null };
      if (!(error instanceof DestinationUnavailable)) throw error;
      await noteHealth(db, destinationNo, { healthy: false, reason: error.reason, detail: error.message });
      if ((await dueIn(db, destinationNo)) === null) return { dueInMs: null };
      await attend(db, { destinationNo, seconds: MISCONFIGURED_MS / 1000 });
      return { dueInMs: MISCONFIGURED_MS };
    } finally {
      clearInterval(look);
      clearTimeout(grace);
      stopping.removeEventListener('abort', ends);
    }
  }

  return {
    drainDestination: ({ destinationId }) =>
      whileBeating(async (report: (progress: { settled: number }) => void) => {
        const context = Context.current();
        const slice = new AbortController();
        const timer = setTimeout(() => slice.abort(), sliceMs);
        const over = AbortSignal.any([stopping, slice.signal]);
        let settled = 0;
        const beat = (deliveries: number): void => report({ settled: (settled += deliveries) });
        try {
          for (;;) {
            const drained = await drainAsItIs(destinationId, context, { beat, over });
            if (drained) return drained;
          }
        } finally {
          clearTimeout(timer);
        }
      }),
  };
}

interface Until {
  readonly beat: (settled: number) => void;
  /** Aborts when the drain's time is up. */
  readonly over: AbortSignal;
}
