import { recordAudit } from '../../store/audit.ts';
import { deliveryCounts } from '../../store/delivery-counts.ts';
import { listDestinations } from '../../store/destinations.ts';
import { badRequest, notFound } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import type { Principal } from '../principal.ts';
import { isRedis, usualList, type RedisDestination } from '../redis-queues.ts';
import { route, type Route } from '../route.ts';
import {
  PeekQuery,
  QueueCleared,
  QueueHealth,
  QueuePeek,
  QueueQuery,
  QueueStats,
  QueueStatus,
  QueueUnhealthy,
} from '../schemas/redis-queue.ts';
import { organizationMeant } from '../scope.ts';

/** What the five calls have in common. */
const COMMON = { tag: 'Redis queue', access: 'key', errors: [404] } as const;

export const redisQueueRoutes = (parts: ApiParts): readonly Route[] => [
  statusRoute(parts),
  statsRoute(parts),
  peekRoute(parts),
  clearRoute(parts),
  healthRoute(parts),
];

const statusRoute = (parts: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: '/redis-queue/status',
    summary: "How the Redis list stands that an organization's attachments go to",
    query: QueueQuery,
    answers: { 200: { description: 'Redis answers', schema: QueueStatus } },
    async handle({ query, principal }) {
      const destination = await meant(parts, principal, query);
      const status = await parts.redisQueues.ask(destination, (queue, signal) => queue.status(signal));
      return { status: 200, body: { ...named(destination), ...standing(destination, status) } };
    },
  });

const statsRoute = (parts: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: '/redis-queue/stats',
    summary: 'The same in detail, and what is owed to the list',
    query: QueueQuery,
    answers: { 200: { description: 'As Redis says now', schema: QueueStats } },
    async handle({ query, principal }) {
      const destination = await meant(parts, principal, query);
      const { destinationNo, organizationId } = destination;
      const stats = await parts.redisQueues.ask(destination, (queue, signal) => queue.stats(signal));
      const counts = await deliveryCounts(parts.db, organizationId);
      const count = counts.find((each) => each.destinationNo === destinationNo);
      return {
        status: 200,
        body: {
          ...named(destination),
          ...standing(destination, stats),
          memory_bytes: stats.memoryBytes,
          oldest_created_at: stats.oldestCreatedAt,
          newest_created_at: stats.newestCreatedAt,
          redis_version: stats.redisVersion,
          redis_memory_bytes: stats.redisMemoryBytes,
          deliveries: {
            waiting: count?.waiting ?? 0,
            owed: (count?.owed ?? 0) + (count?.claimed ?? 0),
            dead: count?.dead ?? 0,
            delivered: count?.delivered ?? 0,
            oldest_owed_at: count?.oldestOwedAt ?? null,
          },
          processed_per_minute: count?.lastMinute ?? 0,
        },
      };
    },
  });

const peekRoute = (parts: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: '/redis-queue/peek',
    summary: 'The items that are next in line; they stay there',
    query: PeekQuery,
    answers: { 200: { description: 'The oldest first, long contents cut', schema: QueuePeek } },
    async handle({ query, principal }) {
      const destination = await meant(parts, principal, query);
      const items = await parts.redisQueues.ask(destination, (queue, signal) => queue.peek(query.count, signal));
      const { list: queue_name } = destination.settings;
      return { status: 200, body: { ...named(destination), queue_name, count: items.length, items } };
    },
  });

const clearRoute = (parts: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'post',
    path: '/redis-queue/clear',
    summary: 'Take everything out of the list',
    description:
      'What was in it is gone for its consumers; it was delivered, so it is not sent again by itself. `POST /api/v1/destinations/{id}/replay` sends a window of time once more.',
    query: QueueQuery,
    answers: { 200: { description: 'The list is empty', schema: QueueCleared } },
    async handle({ query, principal, log }) {
      const destination = await meant(parts, principal, query);
      const { id, organizationId, name } = destination;
      const { list: queue_name } = destination.settings;
      const { actor } = principal;
      const action = 'redis-queue.clear';
      await recordAudit(parts.db, { actor, organizationId, action, target: id, details: { name } });
      const cleared = await parts.redisQueues.ask(destination, (queue, signal) => queue.clear(signal));
      log.info({ organizationId, destinationId: id, cleared }, 'Redis list cleared');
      const message = cleared === 1 ? 'One item was taken out' : `${cleared} items were taken out`;
      return { status: 200, body: { ...named(destination), message, queue_name, cleared } };
    },
  });

const healthRoute = (parts: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: '/redis-queue/health',
    summary: 'Whether Redis is well',
    query: QueueQuery,
    answers: {
      200: { description: 'It answers', schema: QueueHealth },
      503: { description: 'It does not, or refuses', schema: QueueUnhealthy },
    },
    async handle({ query, principal }) {
      const destination = await meant(parts, principal, query);
      const { healthy, latencyMs, detail } = await parts.redisQueues.ask(destination, (queue, signal) =>
        queue.health(signal),
      );
      const status = healthy ? 'healthy' : 'unhealthy';
      return {
        status: healthy ? 200 : 503,
        body: { ...named(destination), success: healthy, status, latency_ms: latencyMs, detail },
      };
    },
  });

/**
 * The Redis destination that a call is about.
 * @throws {HttpError} 404 there is none, 400 several and none was named
 */
async function meant(
  { db }: ApiParts,
  principal: Principal,
  query: { readonly organizationId?: string | undefined; readonly destination?: string | undefined },
): Promise<RedisDestination> {
  const { organizationId } = await organizationMeant(db, principal, query.organizationId);
  const lists = (await listDestinations(db, organizationId)).filter(isRedis);
  if (query.destination !== undefined) {
    const id = query.destination.toLowerCase();
    const found = lists.find((list) => list.name === query.destination || list.id === id);
    if (!found) throw notFound(`Organization ${organizationId} has no such Redis destination`);
    return found;
  }
  if (lists.length === 0) {
    const advice = 'set REDIS_HOST or REDIS_URL, or make one with POST /api/v1/destinations';
    throw notFound(`Organization ${organizationId} has no Redis destination: ${advice}`);
  }
  const found = usualList(lists);
  if (!found) throw badRequest([{ path: 'destination', message: 'there are several Redis destinations: name one' }]);
  return found;
}

const named = ({ organizationId, id, name, status }: RedisDestination) => ({
  success: true,
  organization_id: organizationId,
  destination: { id, name, status },
});

const standing = (
  { settings }: RedisDestination,
  { queue, length, maxLength, full }: { queue: string; length: number; maxLength: number; full: boolean },
) => ({
  connected: true,
  redis: settings.url,
  queue_name: queue,
  queue_length: length,
  max_queue_size: maxLength,
  full,
});
