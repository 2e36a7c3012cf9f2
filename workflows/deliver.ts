import { condition, continueAsNew, setHandler } from '@temporalio/workflow';
import type { DeliverActivities } from '../activities/deliver-activities.ts';
import { deliveryActivities } from './graph-activities.ts';
import { historyIsLong } from './history.ts';
import { owedSignal } from './messages.ts';
import { DRAIN } from './policies.ts';

export interface DeliverInput {
  readonly destinationId: string;
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
}

/**
 * Hands on what a destination is owed, until nothing is owed any more, or it is paused, or gone; whoever owes it something
 * later, or resumes it, starts this again by `owedSignal`. One workflow for each destination, so that one drain runs at a
 * time; who is alone for sure, the claims in the store say. A signal means what stands in the store since: one that comes
 * while a drain runs has another one look.
 */
export async function deliver(input: DeliverInput): Promise<void> {
  const { destinationId, maxEvents } = input;
  const { drainDestination } = deliveryActivities<DeliverActivities>(DRAIN);
  let owed: boolean;
  setHandler(owedSignal, () => void (owed = true));
  for (;;) {
    owed = false;
    const { dueInMs } = await drainDestination({ destinationId });
    // What is signalled while this run ends keeps it from ending: Temporal has it look again first.
    if (dueInMs === null && !owed) return;
    if (historyIsLong(maxEvents)) await continueAsNew<typeof deliver>(input);
    if (!owed && dueInMs !== null && dueInMs > 0) await condition(() => owed, dueInMs);
  }
}
