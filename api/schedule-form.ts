import type { ScheduleDescription, ScheduleOverlapPolicy } from '@temporalio/client';
import { scheduleWorkflowId, scheduledScanId } from '../model/ids.ts';
import type { ScheduleOverlap, ScheduleSettings, ScheduleTiming, ScheduledScan } from '../model/schedule.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import type { ScanSchedule, ScheduleName } from './scan-schedules.ts';

/** The policy as Temporal calls it. */
export const policyOf = (overlap: ScheduleOverlap) => overlap.toUpperCase() as ScheduleOverlapPolicy;

/** A Schedule of scans in Temporal's terms, its state apart. */
export function toTemporal(name: ScheduleName, settings: ScheduleSettings, taskQueue: string) {
  const { organizationId, scheduleId } = name;
  const { timing, mode, filters, overlap, catchUpSeconds, jitterSeconds } = settings;
  return {
    // Temporal keeps a cron expression as a calendar, and of the text only what stands behind `#`.
    spec: {
      ...('cron' in timing
        ? { cronExpressions: [`${timing.cron} # ${timing.cron}`], timezone: timing.timeZone }
        : { intervals: [{ every: timing.intervalSeconds * 1000 }] }),
      jitter: jitterSeconds * 1000,
    },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'startScheduledScan',
      workflowId: scheduleWorkflowId(organizationId, scheduleId),
      taskQueue,
      args: [{ organizationId, scheduleId, mode, filters }] as [ScheduledScan],
      typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
      staticSummary: `Scans of ${organizationId}, ${scheduleId}`,
    },
    policies: { overlap: policyOf(overlap), catchupWindow: catchUpSeconds * 1000 },
  };
}

/** What Temporal knows of such a Schedule. */
export function fromTemporal({ action, spec, policies, state, info }: ScheduleDescription): ScanSchedule {
  const [due] = action.args as unknown as [ScheduledScan];
  const { organizationId, scheduleId, mode, filters } = due;
  const scanIdOf = (workflowId: string): string => scheduledScanId(scheduleId, workflowId);
  return {
    organizationId,
    scheduleId,
    mode,
    filters,
    timing: timingOf(spec),
    overlap: (policies.overlap ?? 'SKIP').toLowerCase() as ScheduleOverlap,
    catchUpSeconds: policies.catchupWindow / 1000,
    jitterSeconds: (spec.jitter ?? 0) / 1000,
    paused: state.paused,
    note: state.note ? state.note : null,
    createdAt: info.createdAt.toISOString(),
    changedAt: info.lastUpdatedAt?.toISOString() ?? null,
    nextAt: info.nextActionTimes.slice(0, 5).map((time) => time.toISOString()),
    running: info.runningActions.map(({ workflow }) => scanIdOf(workflow.workflowId)),
    recent: info.recentActions.map(({ action: { workflow }, scheduledAt, takenAt }) => ({
      scanId: scanIdOf(workflow.workflowId),
      due: scheduledAt.toISOString(),
      startedAt: takenAt.toISOString(),
    })),
    started: info.numActionsTaken,
    skipped: info.numActionsSkippedOverlap,
    missed: info.numActionsMissedCatchupWindow,
  };
}

function timingOf({ calendars, intervals, timezone }: ScheduleDescription['spec']): ScheduleTiming {
  const [interval] = intervals ?? [];
  if (interval) return { intervalSeconds: Number(interval.every) / 1000 };
  return { cron: calendars?.[0]?.comment ?? '', timeZone: timezone ? timezone : 'UTC' };
}
