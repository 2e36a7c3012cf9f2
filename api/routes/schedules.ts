import { recordAudit } from '../../store/audit.ts';
import { loadActive } from '../../store/connections.ts';
import { listOrganizations } from '../../store/organizations.ts';
import { conflict, notFound, type HttpError } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Caller, type Route } from '../route.ts';
import type { ScanSchedule, ScheduleName } from '../scan-schedules.ts';
import { changedSettings, newSettings, scheduleOf } from '../schedule-settings.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  ScheduleAnswer,
  ScheduleBackfill,
  ScheduleChange,
  ScheduleList,
  ScheduleParams,
  SchedulePause,
  ScheduleRemoved,
  ScheduleRequest,
  ScheduleShown,
} from '../schemas/schedules.ts';
import { organizationFor, organizationMeant } from '../scope.ts';

export const scheduleRoutes = (parts: ApiParts): readonly Route[] => [
  createRoute(parts),
  listRoute(parts),
  showRoute(parts),
  changeRoute(parts),
  pauseRoute(parts),
  resumeRoute(parts),
  triggerRoute(parts),
  backfillRoute(parts),
  removeRoute(parts),
];

const PATH = '/api/v1/schedules';

const createRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: PATH,
    tag: 'Schedules',
    summary: "Have an organization's mailboxes scanned again and again",
    description: 'At the times of a cron expression, or at an interval, with the connection that the organization has.',
    access: 'key',
    body: ScheduleRequest,
    answers: { 201: { description: 'It is made', schema: ScheduleAnswer } },
    errors: [404, 409, 413],
    async handle({ body, ...caller }) {
      const { db, schedules, config } = parts;
      const { organizationId } = await organizationMeant(db, caller.principal, body.organizationId);
      const name = { organizationId, scheduleId: body.scheduleId };
      if (!(await loadActive(db, organizationId))) {
        throw conflict(`Organization ${organizationId} has no connection: make one (POST /api/v1/connections) first`);
      }
      const made = await schedules.create(name, newSettings(body, config.mailboxAddresses), body.paused);
      if (!made) throw conflict(`Organization ${organizationId} has a schedule ${body.scheduleId} already`);
      return { status: 201, body: await answer(parts, name, caller, 'create', 'is made') };
    },
  });

const listRoute = ({ db, schedules }: ApiParts): Route =>
  route({
    method: 'get',
    path: PATH,
    tag: 'Schedules',
    summary: 'List schedules',
    description: "Those of the key's organization; an administrator sees all. A new one may be missing for a second.",
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'In the order of their ids', schema: ScheduleList } },
    errors: [404],
    async handle({ query, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      const organizations = organizationId === null ? await listOrganizations(db) : [{ organizationId }];
      const found = await schedules.list(organizations.map((one) => one.organizationId));
      return { status: 200, body: { success: true, schedules: found.map(scheduleOf) } };
    },
  });

const showRoute = (parts: ApiParts): Route =>
  route({
    method: 'get',
    path: `${PATH}/{id}`,
    tag: 'Schedules',
    summary: 'Show a schedule, its next scans and its last',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'As it stands', schema: ScheduleShown } },
    errors: [404],
    async handle({ params, query, principal }) {
      const schedule = await find(parts, await nameOf(parts, params.id, query.organizationId, principal));
      return { status: 200, body: { success: true, schedule: scheduleOf(schedule) } };
    },
  });

const changeRoute = (parts: ApiParts): Route =>
  route({
    method: 'patch',
    path: `${PATH}/{id}`,
    tag: 'Schedules',
    summary: 'Change a schedule',
    description: 'What is not named stays. A scan that runs goes on as it was started.',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    body: ScheduleChange,
    answers: { 200: { description: 'It is changed', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ params, query, body, ...caller }) {
      const name = await nameOf(parts, params.id, query.organizationId, caller.principal);
      const { mailboxAddresses } = parts.config;
      const found = await parts.schedules.change(name, (now) => changedSettings(now, body, mailboxAddresses));
      if (!found) throw unknown(name);
      return { status: 200, body: await answer(parts, name, caller, 'change', 'is changed') };
    },
  });

const pauseRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: `${PATH}/{id}/pause`,
    tag: 'Schedules',
    summary: 'Have a schedule start nothing until it is resumed',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    body: SchedulePause,
    answers: { 200: { description: 'It is paused; a scan that runs goes on', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ params, query, body: { note }, ...caller }) {
      const name = await nameOf(parts, params.id, query.organizationId, caller.principal);
      const found = await parts.schedules.pause(name, note ?? `Paused by ${caller.principal.actor}`);
      if (!found) throw unknown(name);
      return { status: 200, body: await answer(parts, name, caller, 'pause', 'is paused') };
    },
  });

const resumeRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: `${PATH}/{id}/resume`,
    tag: 'Schedules',
    summary: 'Resume a schedule',
    description: 'What was due meanwhile is not made up for: that is what a backfill is for.',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'It starts scans again', schema: ScheduleAnswer } },
    errors: [404],
    async handle({ params, query, ...caller }) {
      const name = await nameOf(parts, params.id, query.organizationId, caller.principal);
      const found = await parts.schedules.resume(name, `Resumed by ${caller.principal.actor}`);
      if (!found) throw unknown(name);
      return { status: 200, body: await answer(parts, name, caller, 'resume', 'is resumed') };
    },
  });

const triggerRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: `${PATH}/{id}/trigger`,
    tag: 'Schedules',
    summary: 'Start a scan of a schedule now',
    description: 'Paused or not. Where the one before still runs, `overlap` decides; with `skip` it is refused.',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    answers: { 202: { description: 'It starts in a moment: `recent` then names it', schema: ScheduleAnswer } },
    errors: [404, 409],
    async handle({ params, query, ...caller }) {
      const name = await nameOf(parts, params.id, query.organizationId, caller.principal);
      const { overlap, running } = await find(parts, name);
      if (overlap === 'skip' && running.length > 0) {
        throw conflict(`Scan ${running.join(', ')} of schedule ${name.scheduleId} still runs`);
      }
      if (!(await parts.schedules.trigger(name, overlap))) throw unknown(name);
      return { status: 202, body: await answer(parts, name, caller, 'trigger', 'starts a scan') };
    },
  });

const backfillRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: `${PATH}/{id}/backfill`,
    tag: 'Schedules',
    summary: 'Start the scans that were due in a time',
    description: 'A time that has its scan gets no second. Mail is read as it is now, not as it was then.',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    body: ScheduleBackfill,
    answers: { 202: { description: 'They start in a moment: `recent` then names them', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ params, query, body, ...caller }) {
      const name = await nameOf(parts, params.id, query.organizationId, caller.principal);
      if (!(await parts.schedules.backfill(name, body))) throw unknown(name);
      return { status: 202, body: await answer(parts, name, caller, 'backfill', 'starts what was due') };
    },
  });

const removeRoute = (parts: ApiParts): Route =>
  route({
    method: 'delete',
    path: `${PATH}/{id}`,
    tag: 'Schedules',
    summary: 'Remove a schedule',
    description: 'A scan that it has started goes on; what was read stays.',
    access: 'key',
    params: ScheduleParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'It is gone', schema: ScheduleRemoved } },
    errors: [404],
    async handle({ params, query, principal, log }) {
      const name = await nameOf(parts, params.id, query.organizationId, principal);
      if (!(await parts.schedules.remove(name))) throw unknown(name);
      await record(parts, name, { principal, log }, 'remove');
      const { scheduleId } = name;
      return { status: 200, body: { success: true, message: `Schedule ${scheduleId} is removed`, scheduleId } };
    },
  });

async function nameOf(
  { db }: ApiParts,
  scheduleId: string,
  named: string | undefined,
  principal: Caller['principal'],
): Promise<ScheduleName> {
  const { organizationId } = await organizationMeant(db, principal, named);
  return { organizationId, scheduleId };
}

async function find({ schedules }: ApiParts, name: ScheduleName): Promise<ScanSchedule> {
  const schedule = await schedules.describe(name);
  if (!schedule) throw unknown(name);
  return schedule;
}

const unknown = ({ scheduleId }: ScheduleName): HttpError => notFound(`Schedule ${scheduleId} is not known`);

/** Writes down what was done, and tells how the schedule stands then. */
async function answer(
  parts: ApiParts,
  name: ScheduleName,
  caller: Pick<Caller, 'principal' | 'log'>,
  action: string,
  done: string,
): Promise<object> {
  await record(parts, name, caller, action);
  const schedule = scheduleOf(await find(parts, name));
  return { success: true, message: `Schedule ${name.scheduleId} ${done}`, schedule };
}

async function record(
  { db }: ApiParts,
  { organizationId, scheduleId }: ScheduleName,
  { principal, log }: Pick<Caller, 'principal' | 'log'>,
  action: string,
): Promise<void> {
  await recordAudit(db, { actor: principal.actor, organizationId, action: `schedule.${action}`, target: scheduleId });
  log.info({ organizationId, scheduleId, action }, 'Schedule changed');
}
