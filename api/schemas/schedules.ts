import { z } from 'zod';
import { ID_PATTERN } from '../../model/ids.ts';
import { SCAN_MODES } from '../../model/scan.ts';
import { SCHEDULE_DEFAULTS, SCHEDULE_ID_LENGTH, SCHEDULE_OVERLAPS } from '../../model/schedule.ts';
import { Count, OrganizationId, ScanId, Success, Time, text } from './common.ts';
import { Filters, always } from './scan-start.ts';

const ID_RULE = `must be 1 to ${SCHEDULE_ID_LENGTH} letters, digits, ".", "_" or "-"`;
const ScheduleId = z
  .string()
  .regex(ID_PATTERN, ID_RULE)
  .refine((id) => id.length <= SCHEDULE_ID_LENGTH, ID_RULE)
  .meta({
    description: 'Unique in its organization; a scan that it starts is called this and the time',
    example: 'nightly',
    maxLength: SCHEDULE_ID_LENGTH,
  });

export const ScheduleParams = z.object({ id: ScheduleId });

const DAY = 86_400;
const seconds = (min: number, max: number) =>
  z.int('must be a whole number of seconds').min(min, `must be at least ${min}`).max(max, `must be at most ${max}`);

/** Five to seven fields, or a name such as `@daily`; whether they mean something Temporal says. */
const CRON = /^(@(yearly|monthly|weekly|daily|hourly)|[\w*,/?-]+( +[\w*,/?-]+){4,6})$/;

const Cron = z
  .string()
  .max(200, 'must have at most 200 characters')
  .regex(CRON, 'must have 5 fields: minute, hour, day of month, month, day of week; or be @daily and the like')
  .meta({ description: 'Minute, hour, day of month, month, day of week', example: '0 2 * * *' });
const IntervalSeconds = seconds(60, 366 * DAY).meta({
  description: 'Instead of `cron`: seconds from one scan to the next, counted from 1970-01-01T00:00:00Z',
});
const TimeZone = z
  .string()
  .refine(isTimeZone, 'must be the name of a time zone, such as Europe/Berlin')
  .meta({ description: 'In which `cron` is meant; default: UTC', example: 'Europe/Berlin' });
const Overlap = z.enum(SCHEDULE_OVERLAPS).meta({
  description:
    'What becomes of a scan that is due while the one before still runs: left out (`skip`), started once when that has ended (`buffer_one`), each started one after the other (`buffer_all`), started in the place of the other (`cancel_other`), or beside it (`allow_all`)',
});
const CatchUpSeconds = seconds(10, 366 * DAY).meta({
  description: 'A scan that could not be started in time, for Temporal was away, is started this much later at most',
});
const JitterSeconds = seconds(0, DAY).meta({ description: 'Each scan comes a random time later, up to this' });
const Mode = z.enum(SCAN_MODES);
const Note = text(200).meta({ description: 'Why; kept in the clear, so without personal data' });

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}

/** Whether a body has a member, whatever is wrong with the others. */
const has = (body: unknown, member: string): boolean =>
  typeof body === 'object' && body !== null && (body as Record<string, unknown>)[member] !== undefined;
const BOTH = { path: ['intervalSeconds'], error: 'give either cron or intervalSeconds, not both', ...always };
const ZONE = { path: ['timeZone'], error: 'goes with cron: intervals know no time zone', ...always };

export const ScheduleRequest = z
  .strictObject({
    scheduleId: ScheduleId,
    organizationId: OrganizationId.optional().meta({
      description: "Whose mailboxes it scans; may be left out with an organization's key, or where there is only one",
    }),
    cron: Cron.optional(),
    intervalSeconds: IntervalSeconds.optional(),
    timeZone: TimeZone.optional(),
    mode: Mode.default('incremental').meta({
      description: '`incremental` reads what changed since the last scan, `full` every folder from nothing',
    }),
    filters: Filters.default({ folders: ['inbox'] }),
    overlap: Overlap.default(SCHEDULE_DEFAULTS.overlap),
    catchUpSeconds: CatchUpSeconds.default(SCHEDULE_DEFAULTS.catchUpSeconds),
    jitterSeconds: JitterSeconds.default(SCHEDULE_DEFAULTS.jitterSeconds),
    paused: z.boolean().default(false).meta({ description: 'It starts nothing until it is resumed' }),
  })
  .refine((body) => has(body, 'cron') || has(body, 'intervalSeconds'), {
    path: ['cron'],
    error: 'give cron, such as "0 2 * * *", or intervalSeconds',
    ...always,
  })
  .refine((body) => !has(body, 'cron') || !has(body, 'intervalSeconds'), BOTH)
  .refine((body) => !has(body, 'timeZone') || !has(body, 'intervalSeconds'), ZONE)
  .meta({
    id: 'ScheduleRequest',
    example: { scheduleId: 'nightly', organizationId: 'contoso', cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
  });

export const ScheduleChange = z
  .strictObject({
    cron: Cron.optional(),
    intervalSeconds: IntervalSeconds.optional(),
    timeZone: TimeZone.optional(),
    mode: Mode.optional(),
    filters: Filters.optional().meta({ description: 'Instead of all that it has' }),
    overlap: Overlap.optional(),
    catchUpSeconds: CatchUpSeconds.optional(),
    jitterSeconds: JitterSeconds.optional(),
  })
  .refine((body) => Object.keys(Object(body) as object).length > 0, { error: 'say what to change', ...always })
  .refine((body) => !has(body, 'cron') || !has(body, 'intervalSeconds'), BOTH)
  .refine((body) => !has(body, 'timeZone') || !has(body, 'intervalSeconds'), ZONE)
  .meta({ id: 'ScheduleChange' });
export type ScheduleChange = z.output<typeof ScheduleChange>;

export const SchedulePause = z.strictObject({ note: Note.optional() }).default({}).meta({ id: 'SchedulePause' });

const When = z.iso
  .datetime({ offset: true, error: 'must be an ISO 8601 time with its zone, such as 2026-11-20T00:00:00Z' })
  .transform((value) => new Date(value).toISOString())
  .meta({ type: 'string', format: 'date-time' });

export const ScheduleBackfill = z
  .strictObject({
    from: When,
    to: When,
    overlap: Overlap.default('buffer_all').meta({ description: 'Default: one after the other' }),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], error: 'must be later than from' })
  .refine(({ to }) => Date.parse(to) <= Date.now(), { path: ['to'], error: 'must not lie in the future' })
  .meta({ id: 'ScheduleBackfill' });

const Run = z.strictObject({
  scanId: ScanId,
  due: Time.meta({ description: 'When it was due' }),
  startedAt: Time,
});

export const Schedule = z
  .strictObject({
    scheduleId: ScheduleId,
    organizationId: OrganizationId,
    mode: Mode,
    filters: z.unknown().meta({ type: 'object', description: 'As a scan has them' }),
    cron: z.string().nullable(),
    intervalSeconds: z.int().nullable(),
    timeZone: z.string().nullable(),
    overlap: Overlap,
    catchUpSeconds: z.int(),
    jitterSeconds: z.int(),
    paused: z.boolean(),
    note: z.string().nullable().meta({ description: 'Why it is paused; Outhaul pauses one whose connection is gone' }),
    createdAt: Time,
    changedAt: Time.nullable(),
    nextAt: z.array(Time).meta({ description: 'When its next scans are due; of one that is paused, if it were not' }),
    running: z.array(ScanId),
    recent: z.array(Run).meta({ description: 'Its last scans, oldest first' }),
    started: Count,
    skipped: Count.meta({ description: 'Left out, for the one before still ran' }),
    missed: Count.meta({ description: 'Not started, for Temporal was away for longer than `catchUpSeconds`' }),
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.output<typeof Schedule>;

export const ScheduleAnswer = z
  .strictObject({ success: Success, message: z.string(), schedule: Schedule })
  .meta({ id: 'ScheduleAnswer' });

export const ScheduleShown = z.strictObject({ success: Success, schedule: Schedule }).meta({ id: 'ScheduleShown' });

export const ScheduleList = z
  .strictObject({ success: Success, schedules: z.array(Schedule) })
  .meta({ id: 'ScheduleList' });

export const ScheduleRemoved = z
  .strictObject({ success: Success, message: z.string(), scheduleId: ScheduleId })
  .meta({ id: 'ScheduleRemoved' });
