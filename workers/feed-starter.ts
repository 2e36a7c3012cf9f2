import type { Client } from '@temporalio/client';
import type { Destination } from '../store/destinations.ts';
import type { feedDestination } from '../workflows/feed-destination.ts';
import { feedStart } from '../workflows/starts.ts';

const DEADLINE_MS = 10_000;

/**
 * Has a new destination fed with what is stored already, unless that is going on.
 * @param taskQueue where the workflow runs
 */
export const feedStarter =
  (client: Client, { taskQueue }: { readonly taskQueue: string }) =>
  async (destination: Pick<Destination, 'id' | 'organizationId'>): Promise<void> => {
    await client.withDeadline(Date.now() + DEADLINE_MS, () =>
      client.workflow.start<typeof feedDestination>('feedDestination', { ...feedStart(destination), taskQueue }),
    );
  };
