import type { z } from 'zod';
import type { ScheduleSettings, ScheduleTiming } from '../model/schedule.ts';
import { badRequest } from './errors.ts';
import type { ScanSchedule } from './scan-schedules.ts';
import type { Schedule, ScheduleChange, ScheduleRequest } from './schemas/schedules.ts';
import { filtersOf } from './start-scan.ts';

type Times = Pick<ScheduleChange, 'cron' | 'intervalSeconds' | 'timeZone'>;

/** The settings of a new schedule. */
export function newSettings(body: z.output<typeof ScheduleRequest>, addresses: readonly string[]): ScheduleSettings {
  const { mode, overlap, catchUpSeconds, jitterSeconds } = body;
  const { cron = '', intervalSeconds, timeZone = 'UTC' } = body;
  const timing = intervalSeconds === undefined ? { cron, timeZone } : { intervalSeconds };
  return { mode, filters: filtersOf(body.filters, addresses), timing, overlap, catchUpSeconds, jitterSeconds };
}

/**
 * The settings of a schedule after a change.
 * @throws {HttpError} 400 where it gives an interval a time zone
 */
export function changedSettings(
  now: ScanSchedule,
  change: ScheduleChange,
  addresses: readonly string[],
): ScheduleSettings {
  return {
    mode: change.mode ?? now.mode,
    filters: change.filters ? filtersOf(change.filters, addresses) : now.filters,
    timing: changedTiming(now.timing, change),
    overlap: change.overlap ?? now.overlap,
    catchUpSeconds: change.catchUpSeconds ?? now.catchUpSeconds,
    jitterSeconds: change.jitterSeconds ?? now.jitterSeconds,
  };
}

function changedTiming(now: ScheduleTiming, { cron, intervalSeconds, timeZone }: Times): ScheduleTiming {
  if (intervalSeconds !== undefined) return { intervalSeconds };
  const before = 'cron' in now ? now : undefined;
  if (cron !== undefined) return { cron, timeZone: timeZone ?? before?.timeZone ?? 'UTC' };
  if (timeZone === undefined) return now;
  if (!before) throw badRequest([{ path: 'timeZone', message: 'goes with cron: this schedule has an interval' }]);
  return { cron: before.cron, timeZone };
}

/** A schedule as the API shows it. */
export function scheduleOf({ timing, ...schedule }: ScanSchedule): Schedule {
  const hasCron = 'cron' in timing;
  return {
    ...schedule,
    cron: hasCron ? timing.cron : null,
    intervalSeconds: hasCron ? null : timing.intervalSeconds,
    timeZone: hasCron ? timing.timeZone : null,
    nextAt: [...schedule.nextAt],
    running: [...schedule.running],
    recent: [...schedule.recent],
  };
}
