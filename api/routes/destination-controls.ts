import { pauseDestination, resumeDestination } from '../../store/destinations.ts';
import { recordAudit } from '../../store/audit.ts';
import { answer, find, record, tested, unknown } from '../destination-controls.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import {
  DestinationAnswer,
  DestinationParams,
  DestinationTested,
  ReplayRequest,
  ReplayStarted,
} from '../schemas/destinations.ts';

const PATH = '/api/v1/destinations/{id}';
const ONE = { tag: 'Destinations', access: 'key', params: DestinationParams } as const;

export const destinationControlRoutes = (parts: ApiParts): readonly Route[] => [
  pauseRoute(parts),
  resumeRoute(parts),
  testRoute(parts),
  replayRoute(parts),
];

const pauseRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/pause`,
    summary: 'Have a destination get nothing until it is resumed',
    description: 'It is owed what comes all the same. What is being sent to it may still arrive.',
    answers: { 200: { description: 'It is paused', schema: DestinationAnswer } },
    errors: [404],
    async handle(call) {
      const { id } = await find(parts, call);
      const paused = await pauseDestination(parts.db, { id });
      if (!paused) throw unknown(id);
      await record(parts, paused, call, 'pause');
      return { status: 200, body: await answer(parts, paused, 'is paused') };
    },
  });

const resumeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/resume`,
    summary: 'Resume a destination',
    description: 'It gets what it is owed, at once: its circuit is closed. Also for one that was not paused.',
    answers: { 200: { description: 'It is sent to again', schema: DestinationAnswer } },
    errors: [404],
    async handle(call) {
      const { id } = await find(parts, call);
      const resumed = await resumeDestination(parts.db, { id });
      if (!resumed) throw unknown(id);
      await record(parts, resumed, call, 'resume');
      await parts.deliveries
        .wake(resumed)
        .catch((err: unknown) => call.log.warn({ err }, 'A resumed destination is sent to later, by upkeep'));
      return { status: 200, body: await answer(parts, resumed, 'is resumed') };
    },
  });

const testRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/test`,
    summary: 'Ask a destination how it is, now',
    description:
      'From the machine of the API: a utility and a batch receiver at `{endpoint}/health`, a Redis for the length of its list, a folder whether it can be written to. Nothing is sent or stored.',
    answers: { 200: { description: 'What was found, good or bad', schema: DestinationTested } },
    errors: [404],
    async handle(call) {
      const { id, organizationId } = await find(parts, call);
      const health = await tested(parts, id);
      const { actor } = call.principal;
      const details = { healthy: health.healthy };
      await recordAudit(parts.db, { actor, organizationId, action: 'destination.test', target: id, details });
      return { status: 200, body: { success: true, id, ...health } };
    },
  });

const replayRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'post',
    path: `${PATH}/replay`,
    summary: 'Send a destination once more what was received in a time',
    description:
      'From the store, without asking Graph: what it has had already, under another idempotency key; what lies in the dead letters; and what its filters of today let through that it was never owed.',
    body: ReplayRequest,
    answers: { 202: { description: 'It will be owed to it', schema: ReplayStarted } },
    errors: [404, 413],
    async handle({ body: { since, until = new Date().toISOString() }, ...call }) {
      const destination = await find(parts, call);
      const { id, name } = destination;
      const requestId = await parts.deliveries.replay(destination, { since, until });
      await record(parts, destination, call, 'replay', { since, until, requestId });
      const message = `What was received from ${since} to ${until} is sent to destination ${name} once more`;
      return { status: 202, body: { success: true, id, requestId, since, until, message } };
    },
  });
