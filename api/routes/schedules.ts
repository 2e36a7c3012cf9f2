import { loadActive } from '../../store/connections.ts';
import { listOrganizations } from '../../store/organizations.ts';
import { conflict } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { act, answer, find, messageOf, nameOf, record, unknown } from '../schedule-controls.ts';
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

/** What the routes of one schedule have in common. */
const ONE = { tag: 'Schedules', access: 'key', params: ScheduleParams, query: OrganizationQuery } as const;

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
      await record(parts, name, caller, 'create');
      return { status: 201, body: await answer(parts, name, 'create') };
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
    ...ONE,
    method: 'get',
    path: `${PATH}/{id}`,
    summary: 'Show a schedule, its next scans and its last',
    answers: { 200: { description: 'As it stands', schema: ScheduleShown } },
    errors: [404],
    async handle(call) {
      const schedule = await find(parts, await nameOf(parts, call));
      return { status: 200, body: { success: true, schedule: scheduleOf(schedule) } };
    },
  });

const changeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'patch',
    path: `${PATH}/{id}`,
    summary: 'Change a schedule',
    description: 'What is not named stays. A scan that runs goes on as it was started.',
    body: ScheduleChange,
    answers: { 200: { description: 'It is changed', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ body: change, ...call }) {
      const { mailboxAddresses } = parts.config;
      const body = await act(parts, call, 'change', (name) =>
        parts.schedules.change(name, (now) => changedSettings(now, change, mailboxAddresses)),
      );
      return { status: 200, body };
    },
  });

const pauseRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/{id}/pause`,
    summary: 'Have a schedule start nothing until it is resumed',
    body: SchedulePause,
    answers: { 200: { description: 'It is paused; a scan that runs goes on', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ body, ...call }) {
      const note = body.note ?? `Paused by ${call.principal.actor}`;
      return { status: 200, body: await act(parts, call, 'pause', (name) => parts.schedules.pause(name, note)) };
    },
  });

const resumeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/{id}/resume`,
    summary: 'Resume a schedule',
    description: 'What was due meanwhile is not made up for: that is what a backfill is for.',
    answers: { 200: { description: 'It starts scans again', schema: ScheduleAnswer } },
    errors: [404],
    async handle(call) {
      const note = `Resumed by ${call.principal.actor}`;
      return { status: 200, body: await act(parts, call, 'resume', (name) => parts.schedules.resume(name, note)) };
    },
  });

const triggerRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/{id}/trigger`,
    summary: 'Start a scan of a schedule now',
    description: 'Paused or not. Where the one before still runs, `overlap` decides; with `skip` it is refused.',
    answers: { 202: { description: 'It starts in a moment: `recent` then names it', schema: ScheduleAnswer } },
    errors: [404, 409],
    async handle(call) {
      const body = await act(parts, call, 'trigger', async (name) => {
        const { overlap, running } = await find(parts, name);
        if (overlap === 'skip' && running.length > 0) {
          throw conflict(`Scan ${running.join(', ')} of schedule ${name.scheduleId} still runs`);
        }
        return parts.schedules.trigger(name, overlap);
      });
      return { status: 202, body };
    },
  });

const backfillRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/{id}/backfill`,
    summary: 'Start the scans that were due in a time',
    description: 'A time that has its scan gets no second. Mail is read as it is now, not as it was then.',
    body: ScheduleBackfill,
    answers: { 202: { description: 'They start in a moment: `recent` then names them', schema: ScheduleAnswer } },
    errors: [404, 413],
    async handle({ body, ...call }) {
      return { status: 202, body: await act(parts, call, 'backfill', (name) => parts.schedules.backfill(name, body)) };
    },
  });

const removeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'delete',
    path: `${PATH}/{id}`,
    summary: 'Remove a schedule',
    description: 'A scan that it has started goes on; what was read stays.',
    answers: { 200: { description: 'It is gone', schema: ScheduleRemoved } },
    errors: [404],
    async handle(call) {
      const name = await nameOf(parts, call);
      if (!(await parts.schedules.remove(name))) throw unknown(name);
      await record(parts, name, call, 'remove');
      return {
        status: 200,
        body: { success: true, message: messageOf('remove', name), scheduleId: name.scheduleId },
      };
    },
  });
