import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { upkeepWorkflowId } from '../model/ids.ts';
import { taskQueues } from '../model/task-queues.ts';

const DEADLINE_MS = 10_000;
const EVERY_MS = 60_000;
/** A look finds all that is due: what Temporal could not start in time is not made up for. */
const CATCH_UP = '1 minute';

export interface DeliverySchedule {
  /** Makes it, unless it is there already; paused by an operator, it stays so. */
  keep(): Promise<void>;
  remove(): Promise<void>;
}

/**
 * The Schedule of the upkeep of all destinations: one for an installation, once a minute. A look that still runs when the
 * next is due takes its place.
 * @param prefix the installation's task queues begin with it
 */
export function deliverySchedule(client: Client, prefix: string): DeliverySchedule {
  const scheduleId = upkeepWorkflowId(prefix);
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + DEADLINE_MS, call);
  return {
    keep: () =>
      soon(async () => {
        try {
          await client.schedule.create({
            scheduleId,
            spec: { intervals: [{ every: EVERY_MS }] },
            policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
            action: {
              type: 'startWorkflow',
              workflowType: 'keepDelivery',
              workflowId: scheduleId,
              taskQueue: taskQueues(prefix).orchestration,
              args: [],
              staticSummary: 'Upkeep of all destinations',
            },
          });
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
        }
      }),

    remove: () =>
      soon(async () => {
        try {
          await client.schedule.getHandle(scheduleId).delete();
        } catch (error) {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        }
      }),
  };
}
