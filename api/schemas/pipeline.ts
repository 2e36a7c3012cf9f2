import { z } from 'zod';
import { DESTINATION_KINDS } from '../../model/destination.ts';
import { Success, Time } from './common.ts';

const Health = z.enum(['healthy', 'unhealthy']);

/** What the service is, in the words of the service that it replaces. */
const pipeline = {
  pipeline_name: z.literal('outlook_emails_extraction'),
  destination_type: z.literal('postgres'),
  is_active: z
    .boolean()
    .meta({ description: 'Whether mail can be extracted: PostgreSQL and Temporal are within reach' }),
  source_type: z.literal('outlook_emails'),
};

export const PipelineInfo = z
  .strictObject({
    success: Success,
    ...pipeline,
    versions: z.strictObject({
      outhaul: z.string(),
      node: z.string(),
      postgresql: z.string().nullable(),
      temporal: z.string().nullable(),
    }),
  })
  .meta({ id: 'PipelineInfo' });

export const HealthAnswer = z
  .strictObject({
    status: Health,
    timestamp: Time,
    service: z.literal('outlook_email_extraction'),
    pipeline: z.strictObject({ ...pipeline, database_health: Health, temporal_health: Health }),
    destinations: z.partialRecord(z.enum(DESTINATION_KINDS), Health).optional().meta({
      description: 'By kind, where there are any that are not paused: unhealthy where one of them is',
    }),
  })
  .meta({
    id: 'Health',
    example: {
      status: 'healthy',
      timestamp: '2026-11-21T09:00:00.000Z',
      service: 'outlook_email_extraction',
      pipeline: {
        pipeline_name: 'outlook_emails_extraction',
        destination_type: 'postgres',
        is_active: true,
        source_type: 'outlook_emails',
        database_health: 'healthy',
        temporal_health: 'healthy',
      },
    },
  });
