import { condition, continueAsNew, setHandler, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type { DeliverActivities } from '../activities/deliver-activities.ts';
import type { Priority } from '../model/destination.ts';
import { deliveryActivities } from './graph-activities.ts';
import { historyIsLong } from './history.ts';
import { owedSignal, type Owed } from './messages.ts';
import { DRAIN, priorityOf } from './policies.ts';

export interface DeliverInput {
  readonly destinationId: string;
  /** The destination's, as it was said last. Default: that with which the workflow was started. */
  readonly priority?: Priority;
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
}

/**
 * Hands on what a destination is owed, until nothing is owed any more, or it is paused, or gone; whoever owes it something
 * later, or resumes it, starts this again by `owedSignal`. One workflow for each destination, so that one drain runs at a
 * time; who is alone for sure, the claims in the store say. A signal means what stands in the store since: one that comes
 * while a drain runs has another one look. It says the destination's priority as well, which holds from the next drain on.
 */
export async function deliver(input: DeliverInput): Promise<void> {
  const { destinationId, maxEvents } = input;
  let { priority } = input;
  let owed: boolean;
  // Those that an older version sent say no priority.
  setHandler(owedSignal, (said?: Owed) => {
    owed = true;
    priority = said?.priority ?? priority;
  });
  for (;;) {
    owed = false;
    const { drainDestination } = deliveryActivities<DeliverActivities>(drainAt(priority));
    const { dueInMs } = await drainDestination({ destinationId });
    // What is signalled while this run ends keeps it from ending: Temporal has it look again first.
    if (dueInMs === null && !owed) return;
    if (historyIsLong(maxEvents)) await continueAsNew<typeof deliver>({ ...input, ...(priority && { priority }) });
    if (!owed && dueInMs !== null && dueInMs > 0) await condition(() => owed, dueInMs);
  }
}

/** Its fairness stays that of the workflow. */
function drainAt(priority: Priority | undefined): ActivityOptions {
  const { fairnessKey = '' } = workflowInfo().priority ?? {};
  return priority ? { ...DRAIN, priority: priorityOf(priority, fairnessKey) } : DRAIN;
}
