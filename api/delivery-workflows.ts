import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { KindSettings } from '../model/destination.ts';
import { replayWorkflowId } from '../model/ids.ts';
import type { Destination } from '../store/destinations.ts';
import type { deliver } from '../workflows/deliver.ts';
import type { feedDestination } from '../workflows/feed-destination.ts';
import type { Owed } from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { replayDestination } from '../workflows/replay-destination.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import { deliverStart, feedStart } from '../workflows/starts.ts';

/** Which destination, and whose. */
export type DestinationName = Pick<Destination, 'id' | 'organizationId'>;

/** A window of time, by when messages were received: ISO 8601, the first moment and the first one after it. */
export interface ReplayTime {
  readonly since: string;
  readonly until: string;
}

/** What the API asks of Temporal about destinations. Each returns when that is sure to happen. */
export interface DeliveryWorkflows {
  /** Has a destination sent what it is owed. */
  wake(destination: DestinationName & KindSettings): Promise<void>;
  /** Has a new destination owed what is stored already. */
  feed(destination: DestinationName): Promise<void>;
  /** Has a destination owed once more what was received in a time. @returns the request's id */
  replay(destination: DestinationName, time: ReplayTime): Promise<string>;
}

/** For calls that need no worker. */
const CALL_MS = 5_000;

export function createDeliveryWorkflows(
  client: Client,
  { orchestrationQueue: taskQueue }: { readonly orchestrationQueue: string },
): DeliveryWorkflows {
  const call = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, work);
  return {
    async wake(destination) {
      const { kind, settings } = destination;
      const priority = kind === 'utility' ? settings.priority : 'medium';
      await call(() =>
        client.workflow.signalWithStart<typeof deliver, [Owed]>('deliver', {
          ...deliverStart(destination, priority),
          taskQueue,
        }),
      );
    },
    async feed(destination) {
      await call(() =>
        client.workflow.start<typeof feedDestination>('feedDestination', { ...feedStart(destination), taskQueue }),
      );
    },
    async replay({ id: destinationId, organizationId }, { since, until }) {
      const requestId = randomUUID();
      await call(() =>
        client.workflow.start<typeof replayDestination>('replayDestination', {
          taskQueue,
          priority: priorityOf('full', organizationId),
          typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
          workflowId: replayWorkflowId(destinationId, requestId),
          args: [{ destinationId, since, until }],
          staticSummary: `Replays to destination ${destinationId}`,
        }),
      );
      return requestId;
    },
  };
}
