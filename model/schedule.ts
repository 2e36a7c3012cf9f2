import type { ScanFilters, ScanMode } from './scan.ts';

/**
 * What becomes of a scan that is due while the one before still runs. `skip`: it is left out. `buffer_one`: it comes when
 * that has ended, several as one. `buffer_all`: each comes, one after the other. `cancel_other`: the one that runs is
 * cancelled. `allow_all`: both run.
 */
export const SCHEDULE_OVERLAPS = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'] as const;
export type ScheduleOverlap = (typeof SCHEDULE_OVERLAPS)[number];

/** Times by a cron expression in a time zone, or at an interval. */
export type ScheduleTiming =
  { readonly cron: string; readonly timeZone: string } | { readonly intervalSeconds: number };

/** What a schedule does, and when. */
export interface ScheduleSettings {
  readonly mode: ScanMode;
  readonly filters: ScanFilters;
  readonly timing: ScheduleTiming;
  readonly overlap: ScheduleOverlap;
  /** A scan that could not be started in time, for Temporal was away, is started this much later at most. */
  readonly catchUpSeconds: number;
  /** Each scan comes a random time later, up to this. */
  readonly jitterSeconds: number;
}

/** Where a request says nothing. The jitter keeps the scans of many organizations from starting at once. */
export const SCHEDULE_DEFAULTS = { overlap: 'skip', catchUpSeconds: 3600, jitterSeconds: 60 } as const;

/** Its scans' ids are this and a time; the whole is to be an id as well. */
export const SCHEDULE_ID_LENGTH = 80;

/** What the workflow that a schedule starts is given. */
export interface ScheduledScan {
  readonly organizationId: string;
  readonly scheduleId: string;
  readonly mode: ScanMode;
  readonly filters: ScanFilters;
}
