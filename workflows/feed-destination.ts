import { sleep } from '@temporalio/workflow';
import type { Fed, FeedingActivities, FeedRequest } from '../activities/feeding-activities.ts';
import { deliveryActivities } from './graph-activities.ts';
import { FEEDING } from './policies.ts';

/**
 * Owes a new destination what was stored before everybody knew of it. Whoever makes a destination starts it, under the id
 * `feedWorkflowId`; upkeep does where that was missed.
 */
export async function feedDestination(input: FeedRequest): Promise<Fed> {
  const { feedStored } = deliveryActivities<FeedingActivities>(FEEDING);
  for (;;) {
    const fed = await feedStored(input);
    if (!('waitMs' in fed)) return fed;
    await sleep(fed.waitMs);
  }
}
