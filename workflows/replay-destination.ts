import type { Fed, FeedingActivities, ReplayRequest } from '../activities/feeding-activities.ts';
import { deliveryActivities } from './graph-activities.ts';
import { FEEDING } from './policies.ts';

/**
 * Owes a destination once more what was received in a window of time: what was delivered since it began is left out, so
 * that nothing is sent twice where a part of it has to be done again.
 */
export async function replayDestination(input: ReplayRequest): Promise<Fed> {
  const { beginReplay, replayStored } = deliveryActivities<FeedingActivities>(FEEDING);
  return replayStored({ ...input, begunAt: await beginReplay() });
}
