import { DestinationUnavailable } from '../../destinations/sender.ts';
import { ANSWER_TARGETS_MS } from '../../model/destination.ts';
import type { Destination } from '../../store/destinations.ts';
import { openSession } from '../../store/sessions.ts';
import { circuitState, totalsOf, type DestinationFigures } from '../delivery-figures.ts';
import { errorRate } from '../delivery-metrics.ts';
import type { ApiParts } from '../parts.ts';
import { isRedis, usualList, type RedisDestination } from '../redis-queues.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import { SystemStatus } from '../schemas/status.ts';
import { organizationMeant } from '../scope.ts';
import { figuresOf, lastPollOf, queueOf, type Figures } from '../session-figures.ts';

export const statusRoutes = ({ db, redisQueues, version }: ApiParts): readonly Route[] => [
  route({
    method: 'get',
    path: '/status',
    tag: 'Sessions',
    summary: 'How everything of an organization stands, and its statistics',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'As it is now', schema: SystemStatus } },
    errors: [404],
    async handle({ query, principal }) {
      const organization = await organizationMeant(db, principal, query.organizationId);
      const { organizationId } = organization;
      const session = await openSession(db, organizationId);
      const figures = await figuresOf(db, organization, session, 0);
      const destinations = figures.destinations.map(({ destination }) => destination);
      const list = usualList(destinations.filter(isRedis));
      const redis = list && (await redisState(redisQueues, list));
      const problems = [
        ...(session?.trouble ? [session.trouble] : []),
        ...(redis?.problem === undefined ? [] : [redis.problem]),
        ...destinations.filter(({ id }) => id !== list?.id || redis?.problem === undefined).flatMap(problemOf),
      ];
      return {
        status: 200,
        body: {
          success: true,
          organization_id: organizationId,
          status: problems.length === 0 ? 'ok' : 'degraded',
          problems,
          timestamp: new Date().toISOString(),
          version,
          session: session
            ? { session_id: session.sessionId, status: session.status, started_at: session.startedAt }
            : null,
          processing: {
            mailboxes_being_read: figures.work.mailboxes,
            mailboxes_due: figures.mailboxes.due,
            messages: figures.messages,
          },
          queue: queueOf(figures),
          last_poll_at: session ? lastPollOf(session) : null,
          last_notification_at: session?.lastNotificationAt ?? null,
          redis_queue: redis?.state ?? null,
          statistics: statisticsOf(figures.destinations, figures),
          destinations: figures.destinations.map(entryOf),
        },
      };
    },
  }),
];

async function redisState(queues: ApiParts['redisQueues'], list: RedisDestination) {
  const { name: destination, settings } = list;
  const { list: queue_name, maxLength: max_queue_size } = settings;
  const about = { destination, queue_name, max_queue_size };
  try {
    const { length } = await queues.ask(list, (queue, signal) => queue.status(signal));
    return { state: { ...about, connected: true, queue_length: length } };
  } catch (error) {
    if (!(error instanceof DestinationUnavailable)) throw error;
    return { state: { ...about, connected: false, queue_length: null }, problem: `${destination}: ${error.message}` };
  }
}

function problemOf({ name, status, circuit, health }: Destination): string[] {
  if (circuit !== null && circuit.state !== 'closed')
    return [`${name}: nothing is sent there for a while, for it fails`];
  return status === 'active' && health?.healthy === false ? [`${name}: ${health.detail}`] : [];
}

function entryOf(figures: DestinationFigures) {
  const { destination } = figures;
  const { id, name, kind, status } = destination;
  return {
    ...{ id, name, kind, status, circuit: circuitState(destination) },
    answer_target_ms: destination.kind === 'utility' ? ANSWER_TARGETS_MS[destination.settings.priority] : null,
    ...statisticsOf([figures], figures),
  };
}

function statisticsOf(figures: readonly DestinationFigures[], { speed }: Pick<Figures, 'speed'>) {
  const { waiting, owed, claimed, dead, delivered } = totalsOf(figures);
  return {
    ...{ waiting, owed: owed + claimed, dead, delivered },
    processed_per_minute: figures.reduce((sum, { counts }) => sum + counts.lastMinute, 0),
    error_rate: errorRate({ speed }),
    arrival_to_queue_ms: { p50: speed?.arrivalP50Ms ?? null, p99: speed?.arrivalP99Ms ?? null },
  };
}
