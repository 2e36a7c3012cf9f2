import { z } from 'zod';
import { DESTINATION_STATUSES } from '../../model/destination.ts';
import { Count, ErrorAnswer, OrganizationId, OrganizationQuery, Success, Time, text, wholeNumberOr } from './common.ts';

export const QueueQuery = OrganizationQuery.extend({
  destination: text(100).optional().meta({
    description: 'Name or id of the Redis destination; default: `redis-queue`, else the only one',
  }),
});

export const PeekQuery = QueueQuery.extend({ count: wholeNumberOr(5, 1, 100, 'Items to show') });

const named = {
  success: Success,
  organization_id: OrganizationId,
  destination: z
    .strictObject({ id: z.string(), name: z.string(), status: z.enum(DESTINATION_STATUSES) })
    .meta({ description: 'Whose list it is. `paused`: nothing goes there' }),
};

const status = {
  ...named,
  connected: z.literal(true),
  redis: z.string().meta({ description: 'Where it is', example: 'redis://localhost:6379/0' }),
  queue_name: z.string().meta({ example: 'email_attachments' }),
  queue_length: Count,
  max_queue_size: Count,
  full: z.boolean().meta({ description: 'What is owed to it waits until there is room' }),
};

export const QueueStatus = z.strictObject(status).meta({ id: 'RedisQueueStatus' });

export const QueueStats = z
  .strictObject({
    ...status,
    memory_bytes: Count.nullable().meta({ description: 'Of the list, as Redis estimates; null where it does not say' }),
    oldest_created_at: z.string().nullable().meta({ description: 'Of the item that is next in line' }),
    newest_created_at: z.string().nullable(),
    redis_version: z.string().nullable(),
    redis_memory_bytes: Count.nullable(),
    deliveries: z.strictObject({
      waiting: Count.meta({ description: 'Messages that wait for their attachments' }),
      owed: Count.meta({ description: 'Attachments that are still to go to the list' }),
      dead: Count.meta({ description: 'Dead letters' }),
      delivered: Count.meta({ description: 'Ever' }),
      oldest_owed_at: Time.nullable(),
    }),
    processed_per_minute: Count.meta({ description: 'Attachments that went to the list in the last minute' }),
  })
  .meta({ id: 'RedisQueueStats' });

export const QueuePeek = z
  .strictObject({
    ...named,
    queue_name: z.string(),
    count: Count,
    items: z.array(z.record(z.string(), z.unknown())).meta({
      description: 'The oldest first, as a consumer would get them, with long contents cut; they stay where they are',
    }),
  })
  .meta({ id: 'RedisQueuePeek' });

export const QueueCleared = z
  .strictObject({ ...named, message: z.string(), queue_name: z.string(), cleared: Count })
  .meta({ id: 'RedisQueueCleared' });

export const QueueHealth = z
  .strictObject({
    ...named,
    success: z.boolean(),
    status: z.enum(['healthy', 'unhealthy']),
    latency_ms: Count,
    detail: z.string().meta({ example: 'The list holds 12 of at most 1000 items' }),
  })
  .meta({ id: 'RedisQueueHealth' });

/** Redis is away; or PostgreSQL is, which is told as everywhere. */
export const QueueUnhealthy = z.union([QueueHealth, ErrorAnswer]);
