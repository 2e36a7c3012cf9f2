import { recordAudit } from '../store/audit.ts';
import { notFound, type HttpError } from './errors.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';
import type { ScanSchedule, ScheduleName } from './scan-schedules.ts';
import { scheduleOf } from './schedule-settings.ts';
import { organizationMeant } from './scope.ts';

/** What is done with a schedule, and what has become of it then. */
const DONE = {
  create: 'is made',
  change: 'is changed',
  pause: 'is paused',
  resume: 'is resumed',
  trigger: 'starts a scan',
  backfill: 'starts what was due',
  remove: 'is removed',
} as const;
type Action = keyof typeof DONE;

export const messageOf = (action: Action, { scheduleId }: ScheduleName): string =>
  `Schedule ${scheduleId} ${DONE[action]}`;

/** A call that names a schedule. */
interface CallOfOne extends Caller {
  readonly params: { readonly id: string };
  readonly query: { readonly organizationId?: string | undefined };
}

export async function nameOf({ db }: ApiParts, { params, query, principal }: CallOfOne): Promise<ScheduleName> {
  const { organizationId } = await organizationMeant(db, principal, query.organizationId);
  return { organizationId, scheduleId: params.id };
}

/**
 * Does something with a schedule, writes it down, and tells how the schedule stands then.
 * @param work false where there is no such schedule
 * @throws {HttpError} 404 where there is none
 */
export async function act(
  parts: ApiParts,
  call: CallOfOne,
  action: Action,
  work: (name: ScheduleName) => Promise<boolean>,
): Promise<object> {
  const name = await nameOf(parts, call);
  if (!(await work(name))) throw unknown(name);
  await record(parts, name, call, action);
  return answer(parts, name, action);
}

/** @throws {HttpError} 404 where there is none */
export async function find({ schedules }: ApiParts, name: ScheduleName): Promise<ScanSchedule> {
  const schedule = await schedules.describe(name);
  if (!schedule) throw unknown(name);
  return schedule;
}

export const unknown = ({ scheduleId }: ScheduleName): HttpError => notFound(`Schedule ${scheduleId} is not known`);

export async function answer(parts: ApiParts, name: ScheduleName, action: Action): Promise<object> {
  return { success: true, message: messageOf(action, name), schedule: scheduleOf(await find(parts, name)) };
}

export async function record(
  { db }: ApiParts,
  { organizationId, scheduleId }: ScheduleName,
  { principal, log }: Caller,
  action: Action,
): Promise<void> {
  await recordAudit(db, { actor: principal.actor, organizationId, action: `schedule.${action}`, target: scheduleId });
  log.info({ organizationId, scheduleId, action }, 'Schedule changed');
}
