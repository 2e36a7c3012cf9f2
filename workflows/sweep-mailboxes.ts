import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { SweepActivities, SweepResult } from '../activities/sweep-activities.ts';
import { siblingQueues } from '../model/task-queues.ts';
import { SWEEPING } from './policies.ts';

export interface SweepInput {
  readonly organizationId: string;
}

/**
 * One look at every mailbox that the organization's session follows, for what no notification has told. The Schedule
 * `sweepWorkflowId` starts it, under the same id, and a session's start does.
 */
export async function sweepMailboxes({ organizationId }: SweepInput): Promise<SweepResult> {
  const { graph } = siblingQueues(workflowInfo().taskQueue);
  const { probeMailboxes } = proxyActivities<SweepActivities>({ ...SWEEPING, taskQueue: graph });
  return probeMailboxes({ organizationId });
}
