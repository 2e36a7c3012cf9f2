import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowFailure,
  ParentClosePolicy,
  executeChild,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { AddedScan, ScheduleActivities } from '../activities/schedule-activities.ts';
import { scanWorkflowId, scheduledScanId } from '../model/ids.ts';
import type { ScheduledScan } from '../model/schedule.ts';
import { STORE_CALL, priorityOf } from './policies.ts';
import type { scanTenant } from './scan-tenant.ts';
import { organizationIdKey, scanIdKey } from './search-attributes.ts';

/** How the scan ended, or why there was none. */
export type ScheduledScanEnd = Awaited<ReturnType<typeof scanTenant>> | Exclude<AddedScan['status'], 'added'>;

/**
 * What a Schedule starts: records the scan that is due and runs it. It lasts as long as the scan, so that Temporal knows
 * whether the one before still runs when the next is due; cancelled, it cancels the scan.
 */
export async function startScheduledScan(due: ScheduledScan): Promise<ScheduledScanEnd> {
  const { organizationId, scheduleId, mode } = due;
  const scanId = scheduledScanId(scheduleId, workflowInfo().workflowId);
  const { addScheduledScan } = proxyActivities<ScheduleActivities>(STORE_CALL);
  const added = await addScheduledScan({ ...due, scanId });
  if (added.status !== 'added') return added.status;
  const { scanNo, window } = added;
  try {
    return await executeChild<typeof scanTenant>('scanTenant', {
      workflowId: scanWorkflowId(organizationId, scanId),
      args: [{ organizationId, scanId, scanNo, window }],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      priority: priorityOf(mode, organizationId),
      typedSearchAttributes: [
        { key: organizationIdKey, value: organizationId },
        { key: scanIdKey, value: scanId },
      ],
      staticSummary: `Scan ${scanId} of ${organizationId}`,
      staticDetails: `- mode: ${mode}\n- schedule: ${scheduleId}`,
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'exists';
    // The store knows how the scan ended, and why.
    if (!(error instanceof ChildWorkflowFailure) || CancellationScope.current().consideredCancelled) throw error;
    return isCancellation(error) ? 'cancelled' : 'failed';
  }
}
