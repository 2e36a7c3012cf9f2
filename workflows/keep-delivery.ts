import type { UpkeepActivities, UpkeepStep } from '../activities/upkeep-activities.ts';
import { deliveryActivities } from './graph-activities.ts';
import { UPKEEP } from './policies.ts';

/** How each step of the upkeep went. */
export type UpkeepResult = { readonly [Step in keyof UpkeepActivities]: UpkeepStep };

/**
 * One look after all destinations of the installation, and what they need. The Schedule `upkeepWorkflowId` starts it every
 * minute, unless the last one is still at it. A step that fails keeps none of the others from being done.
 */
export async function keepDelivery(): Promise<UpkeepResult> {
  const activities = deliveryActivities<UpkeepActivities>(UPKEEP);
  const steps = await Promise.allSettled([
    activities.wakeDestinations(),
    activities.wakeWaitingReaders(),
    activities.clearDeliveries(),
    activities.watchDestinations(),
    activities.tidyBlobs(),
  ]);
  const [wakeDestinations, wakeWaitingReaders, clearDeliveries, watchDestinations, tidyBlobs] = steps.map((step) => {
    if (step.status === 'rejected') throw step.reason;
    return step.value;
  }) as [UpkeepStep, UpkeepStep, UpkeepStep, UpkeepStep, UpkeepStep];
  return { wakeDestinations, wakeWaitingReaders, clearDeliveries, watchDestinations, tidyBlobs };
}
