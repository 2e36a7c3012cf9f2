import { ScheduleNotFoundError, type Client, type ScheduleHandle } from '@temporalio/client';
import type { OwnSchedule } from '../activities/schedule-activities.ts';
import { scheduleWorkflowId } from '../model/ids.ts';

const DEADLINE_MS = 10_000;

/** Schedules of scans, as those that they start change them. */
export function ownSchedule(client: Client): OwnSchedule {
  const handleOf = (organizationId: string, scheduleId: string): ScheduleHandle =>
    client.schedule.getHandle(scheduleWorkflowId(organizationId, scheduleId));
  const unlessMissing = async (call: () => Promise<void>): Promise<void> => {
    try {
      await client.withDeadline(Date.now() + DEADLINE_MS, call);
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    }
  };
  return {
    pause: (organizationId, scheduleId, note) => unlessMissing(() => handleOf(organizationId, scheduleId).pause(note)),
    remove: (organizationId, scheduleId) => unlessMissing(() => handleOf(organizationId, scheduleId).delete()),
  };
}
