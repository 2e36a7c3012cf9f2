import { Client, ScheduleNotFoundError, type ScheduleHandle } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { OwnSchedule } from '../activities/schedule-activities.ts';
import { scheduleWorkflowId } from '../model/ids.ts';

const DEADLINE_MS = 10_000;

/** Schedules of scans, over the worker's own connection, as those that they start change them. */
export function ownSchedule(
  connection: NativeConnection,
  options: Pick<ConstructorParameters<typeof Client>[0] & object, 'namespace' | 'dataConverter'>,
): OwnSchedule {
  const { schedule } = new Client({ connection, ...options });
  const change = async (
    [organizationId, scheduleId]: readonly [string, string],
    call: (handle: ScheduleHandle) => Promise<void>,
  ): Promise<void> => {
    const handle = schedule.getHandle(scheduleWorkflowId(organizationId, scheduleId));
    try {
      await connection.withDeadline(Date.now() + DEADLINE_MS, () => call(handle));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    }
  };
  return {
    pause: (organizationId, scheduleId, note) => change([organizationId, scheduleId], (handle) => handle.pause(note)),
    remove: (organizationId, scheduleId) => change([organizationId, scheduleId], (handle) => handle.delete()),
  };
}
