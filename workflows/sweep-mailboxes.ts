import type { SweepActivities, SweepResult } from '../activities/sweep-activities.ts';
import { graphActivities } from './graph-activities.ts';
import { SWEEPING } from './policies.ts';

export interface SweepInput {
  readonly organizationId: string;
}

/**
 * One look at every mailbox that the organization's session follows, for what no notification has told. The Schedule
 * `sweepWorkflowId` starts it, under the same id, and a session's start does.
 */
export async function sweepMailboxes({ organizationId }: SweepInput): Promise<SweepResult> {
  const { probeMailboxes } = graphActivities<SweepActivities>(SWEEPING);
  return probeMailboxes({ organizationId });
}
