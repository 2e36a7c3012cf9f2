import type { ScheduleEntry } from './api-client.ts';
import type { Cli } from './cli.ts';
import { count } from './text/numbers.ts';
import { safeJson, safeLine } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

const LABEL_WIDTH = 15;

const COLUMNS = [
  { title: 'SCHEDULE' },
  { title: 'ORGANIZATION' },
  { title: 'MODE' },
  { title: 'WHEN' },
  { title: 'NEXT' },
  { title: 'LAST SCAN' },
];

/** Prints schedules. */
export function printSchedules({ out, notes }: Cli, schedules: readonly ScheduleEntry[], json: boolean): void {
  if (json) return out.line(safeJson(schedules));
  if (schedules.length === 0) return notes.line('No schedule yet. `outhaul schedule create` makes one.');
  const rows = schedules.map((schedule) => [
    schedule.scheduleId,
    schedule.organizationId,
    schedule.mode,
    timesOf(schedule),
    schedule.paused ? 'paused' : (schedule.nextAt[0]?.slice(0, 19) ?? ''),
    schedule.recent.at(-1)?.scanId ?? '',
  ]);
  out.line(renderTable(COLUMNS, rows, out));
}

/** Prints everything about a schedule. */
export function printSchedule({ out }: Cli, schedule: ScheduleEntry, json: boolean): void {
  if (json) return out.line(safeJson(schedule));
  for (const [label, value] of describeSchedule(schedule)) {
    out.line(`${out.paint('dim', label.padEnd(LABEL_WIDTH))} ${safeLine(value)}`);
  }
}

/** Everything about one schedule, as label and value. */
export function describeSchedule(schedule: ScheduleEntry): [label: string, value: string][] {
  const { paused, note, nextAt, running, recent, started, skipped, missed } = schedule;
  const lines: [string, string | null][] = [
    ['schedule', schedule.scheduleId],
    ['organization', schedule.organizationId],
    ['mode', schedule.mode],
    ['filters', JSON.stringify(schedule.filters)],
    ['when', timesOf(schedule)],
    ['overlap', schedule.overlap.replace('_', ' ')],
    ['catch-up', `${count(schedule.catchUpSeconds)} s`],
    ['jitter', `${count(schedule.jitterSeconds)} s`],
    ['status', paused ? 'paused' : 'active'],
    ['note', note],
    ['next', paused || nextAt.length === 0 ? null : nextAt.join(', ')],
    ['running', running.length === 0 ? null : running.join(', ')],
    ['last', recent.length === 0 ? null : recent.map(({ scanId }) => scanId).join(', ')],
    ['scans', `${count(started)} started, ${count(skipped)} skipped, ${count(missed)} missed`],
  ];
  return lines.filter((line): line is [string, string] => line[1] !== null);
}

function timesOf({ cron, timeZone, intervalSeconds }: ScheduleEntry): string {
  if (cron !== null) return `${cron} ${timeZone ?? 'UTC'}`;
  const seconds = intervalSeconds ?? 0;
  const [unit = 's', size = 1] = UNITS.find(([, each]) => seconds % each === 0) ?? [];
  return `every ${seconds / size} ${unit}`;
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;
