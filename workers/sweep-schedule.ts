import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import type { SweepSchedule } from '../activities/session-activities.ts';
import { sweepWorkflowId } from '../model/ids.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import type { sweepMailboxes } from '../workflows/sweep-mailboxes.ts';

const DEADLINE_MS = 10_000;
/** A sweep finds all that came since the last: what Temporal could not start in time is not made up for. */
const CATCH_UP = '1 minute';

/**
 * The Schedule of an organization's sweep. A sweep that still runs when the next is due takes its place. Sweeps of one
 * session keep the session's own phase, so that those of many organizations do not begin at once.
 * @param taskQueue where the sweeps run
 */
export function sweepSchedule(client: Client, { taskQueue }: { readonly taskQueue: string }): SweepSchedule {
  const { schedule, workflow } = client;
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + DEADLINE_MS, call);
  const actionFor = (organizationId: string) => ({
    workflowId: sweepWorkflowId(organizationId),
    taskQueue,
    args: [{ organizationId }] as [{ organizationId: string }],
    typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
    staticSummary: `Sweep of ${organizationId}`,
  });
  return {
    keep: ({ organizationId, seconds, startedAt }) =>
      soon(async () => {
        const every = seconds * 1000;
        const spec = { intervals: [{ every, offset: Date.parse(startedAt) % every }] };
        const action = {
          type: 'startWorkflow' as const,
          workflowType: 'sweepMailboxes',
          ...actionFor(organizationId),
        };
        const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP };
        const scheduleId = sweepWorkflowId(organizationId);
        try {
          await schedule.create({ scheduleId, spec, action, policies });
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
          const handle = schedule.getHandle(scheduleId);
          const { spec: now } = await handle.describe();
          const [interval] = now.intervals ?? [];
          if (interval?.every === every && interval.offset === spec.intervals[0]?.offset) return;
          await handle.update(({ state }) => ({ spec, action, policies, state }));
        }
      }),

    sweepNow: (organizationId) =>
      soon(async () => {
        try {
          await schedule.getHandle(sweepWorkflowId(organizationId)).trigger(ScheduleOverlapPolicy.SKIP);
        } catch (error) {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
          await workflow.start<typeof sweepMailboxes>('sweepMailboxes', {
            ...actionFor(organizationId),
            workflowIdConflictPolicy: 'USE_EXISTING',
          });
        }
      }),

    remove: (organizationId) =>
      soon(async () => {
        try {
          await schedule.getHandle(sweepWorkflowId(organizationId)).delete();
        } catch (error) {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        }
      }),
  };
}
