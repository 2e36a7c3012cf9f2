import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { KindSettings } from '../model/destination.ts';
import { deliverWorkflowId, feedWorkflowId, replayWorkflowId } from '../model/ids.ts';
import type { Destination } from '../store/destinations.ts';
import type { deliver } from '../workflows/deliver.ts';
import type { feedDestination } from '../workflows/feed-destination.ts';
import { owedSignal } from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { replayDestination } from '../workflows/replay-destination.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';

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
  { orchestrationQueue }: { readonly orchestrationQueue: string },
): DeliveryWorkflows {
  const call = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, work);
  const of = ({ organizationId }: DestinationName, urgency: Parameters<typeof priorityOf>[0]) => ({
    taskQueue: orchestrationQueue,
    priority: priorityOf(urgency, organizationId),
    typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
  });
  return {
    async wake(destination) {
      const { id: destinationId, kind, settings } = destination;
      const urgency = kind === 'utility' ? settings.priority : 'medium';
      await call(() =>
        client.workflow.signalWithStart<typeof deliver>('deliver', {
          ...of(destination, urgency),
          workflowId: deliverWorkflowId(destinationId),
          signal: owedSignal,
          args: [{ destinationId }],
          staticSummary: `Sender to destination ${destinationId}`,
        }),
      );
    },
    async feed(destination) {
      const { id: destinationId } = destination;
      await call(() =>
        client.workflow.start<typeof feedDestination>('feedDestination', {
          ...of(destination, 'full'),
          workflowId: feedWorkflowId(destinationId),
          workflowIdConflictPolicy: 'USE_EXISTING',
          args: [{ destinationId }],
          staticSummary: `Feeds destination ${destinationId}`,
        }),
      );
    },
    async replay(destination, { since, until }) {
      const { id: destinationId } = destination;
      const requestId = randomUUID();
      await call(() =>
        client.workflow.start<typeof replayDestination>('replayDestination', {
          ...of(destination, 'full'),
          workflowId: replayWorkflowId(destinationId, requestId),
          args: [{ destinationId, since, until }],
          staticSummary: `Replays to destination ${destinationId}`,
        }),
      );
      return requestId;
    },
  };
}
