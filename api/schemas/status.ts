import { z } from 'zod';
import { DESTINATION_KINDS, DESTINATION_STATUSES } from '../../model/destination.ts';
import { SESSION_STATUSES } from '../../model/session.ts';
import { Count, OrganizationId, Success, Time } from './common.ts';

const figures = {
  waiting: Count.meta({ description: 'Messages that wait for their attachments' }),
  owed: Count.meta({ description: 'To be sent, now or later' }),
  dead: Count.meta({ description: 'Dead letters' }),
  delivered: Count.meta({ description: 'Ever' }),
  processed_per_minute: Count.meta({ description: 'Delivered in the last minute' }),
  error_rate: z.number().min(0).max(1).nullable().meta({
    description: 'Failed attempts among those of the last hour, of the last 1,000 deliveries of each destination',
  }),
  arrival_to_queue_ms: z
    .strictObject({ p50: z.number().nullable(), p99: z.number().nullable() })
    .meta({ description: 'From the arrival of new mail in its mailbox to its acceptance; null where there was none' }),
};

export const SystemStatus = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    status: z.enum(['ok', 'degraded']),
    problems: z.array(z.string()).meta({ description: 'What keeps something from being done, in words' }),
    timestamp: Time,
    version: z.string(),
    session: z
      .strictObject({ session_id: z.string(), status: z.enum(SESSION_STATUSES), started_at: Time })
      .nullable()
      .meta({ description: 'The one that runs' }),
    processing: z.strictObject({
      mailboxes_being_read: Count,
      mailboxes_due: Count.meta({ description: 'Of the session, that wait for a delta round or are in one' }),
      messages: Count.meta({ description: 'Messages that the session has seen' }),
    }),
    queue: z.strictObject({
      waiting: Count.meta({
        description: 'Messages that notifications named and that are not read yet, and deliveries to be made',
      }),
      in_work: Count,
      failed: Count.meta({ description: 'Messages in quarantine, and dead letters' }),
    }),
    last_poll_at: Time.nullable(),
    last_notification_at: Time.nullable(),
    redis_queue: z
      .strictObject({
        destination: z.string(),
        connected: z.boolean(),
        queue_name: z.string(),
        queue_length: Count.nullable().meta({ description: 'Null while Redis is away' }),
        max_queue_size: Count,
      })
      .nullable()
      .meta({ description: 'The list that `GET /redis-queue/status` tells of; null where there is none' }),
    statistics: z.strictObject(figures).meta({ description: 'Of all destinations together' }),
    destinations: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        kind: z.enum(DESTINATION_KINDS),
        status: z.enum(DESTINATION_STATUSES),
        circuit: z.enum(['closed', 'open', 'half_open']),
        answer_target_ms: z.strictObject({ aim: z.number(), most: z.number() }).nullable().meta({
          description:
            'How soon a utility of its priority is to have answered, and at most: what `arrival_to_queue_ms` may be held against, which holds the reading as well; null for other kinds',
        }),
        ...figures,
      }),
    ),
  })
  .meta({ id: 'SystemStatus' });
