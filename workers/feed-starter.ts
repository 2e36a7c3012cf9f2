import type { Client } from '@temporalio/client';
import { feedWorkflowId } from '../model/ids.ts';
import type { Destination } from '../store/destinations.ts';
import type { feedDestination } from '../workflows/feed-destination.ts';
import { priorityOf } from '../workflows/policies.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';

const DEADLINE_MS = 10_000;

/**
 * Has a new destination fed with what is stored already, unless that is going on.
 * @param taskQueue where the workflow runs
 */
export const feedStarter =
  (client: Client, { taskQueue }: { readonly taskQueue: string }) =>
  async ({ id: destinationId, organizationId }: Pick<Destination, 'id' | 'organizationId'>): Promise<void> => {
    await client.withDeadline(Date.now() + DEADLINE_MS, () =>
      client.workflow.start<typeof feedDestination>('feedDestination', {
        workflowId: feedWorkflowId(destinationId),
        workflowIdConflictPolicy: 'USE_EXISTING',
        taskQueue,
        args: [{ destinationId }],
        priority: priorityOf('full', organizationId),
        typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
        staticSummary: `Feeds destination ${destinationId}`,
      }),
    );
  };
