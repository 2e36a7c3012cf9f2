import { z } from 'zod';
import {
  Count,
  Cursor,
  OrganizationId,
  OrganizationQuery,
  Success,
  Time,
  text,
  wholeNumber,
  wholeNumberOr,
} from './common.ts';
import { DestinationId } from './destinations.ts';
import { always } from './scan-start.ts';

const Cause = text(100).meta({ description: 'The code of the cause', example: 'rejected' });

export const DeadLetterQuery = OrganizationQuery.extend({
  destination: DestinationId.optional().meta({ description: 'Those of the destination of this id' }),
  cause: Cause.optional(),
  answered: z.enum(['true', 'false'], 'must be true or false').default('false').meta({
    default: 'false',
    description: 'Instead of dead letters: what was delivered, and answered with `"status": "error"`',
  }),
  limit: wholeNumberOr(100, 1, 1000, 'Dead letters to answer'),
  cursor: Cursor,
});

export const DeadLetterParams = z.object({
  id: wholeNumber(1, 999_999_999_999_999, 'The number of the delivery'),
});

const Entry = z
  .strictObject({
    deliveryNo: Count,
    destinationId: z.string(),
    destinationName: z.string(),
    messageId: z.string().meta({ description: "The message's id in Graph" }),
    mailboxId: z.string(),
    attachmentId: z.string().nullable().meta({ description: 'Null: the message itself was owed' }),
    attempts: Count,
    replays: Count.meta({ description: 'How often it was sent anew on purpose' }),
    cause: z.string().nullable(),
    error: z.string().nullable().meta({ description: 'What the last attempt came to, in words' }),
    httpStatus: z.int().nullable(),
    answer: z.string().nullable().meta({ description: 'What the receiver said, although it took it' }),
    owedAt: Time,
    endedAt: Time.meta({ description: 'When it became a dead letter, or was delivered' }),
  })
  .meta({ id: 'DeadLetter' });

export const DeadLetterList = z
  .strictObject({
    success: Success,
    organizationId: OrganizationId,
    letters: z.array(Entry),
    pagination: z.strictObject({ limit: Count, hasMore: z.boolean(), nextCursor: z.string().nullable() }),
  })
  .meta({ id: 'DeadLetterList' });

export const DeadLetterShown = z.strictObject({ success: Success, letter: Entry }).meta({ id: 'DeadLetterShown' });

export const DeadLetterCauses = z
  .strictObject({
    success: Success,
    organizationId: OrganizationId,
    causes: z.array(
      z.strictObject({
        destinationId: z.string(),
        destinationName: z.string(),
        cause: z.string().nullable(),
        letters: Count,
      }),
    ),
  })
  .meta({ id: 'DeadLetterCauses' });

const chosen = {
  ids: z
    .array(z.int('must be the number of a delivery').min(1, 'must be the number of a delivery'))
    .min(1, 'must name at least one')
    .max(1000, 'must have at most 1000 entries')
    .optional()
    .meta({ description: 'Their `deliveryNo`' }),
  destination: DestinationId.optional().meta({ description: 'Those of the destination of this id' }),
  cause: Cause.optional(),
  all: z.literal(true, 'must be true').optional(),
};

const says = (body: unknown, ...members: readonly string[]): boolean =>
  members.some((member) => (Object(body) as Record<string, unknown>)[member] !== undefined);
const WHICH = { error: 'say which: ids, destination, cause, or all: true', ...always };
const ALL = { path: ['all'], error: 'does not go with ids, destination or cause', ...always };
const saysWhich = (body: unknown): boolean => says(body, 'ids', 'destination', 'cause', 'all');
const saysOnce = (body: unknown): boolean => !says(body, 'all') || !says(body, 'ids', 'destination', 'cause');

export const DeadLetterRetry = z
  .strictObject({
    ...chosen,
    answered: z.boolean().default(false).meta({
      description:
        'Instead of dead letters: what was delivered and answered with an error, under another idempotency key',
    }),
  })
  .refine(saysWhich, WHICH)
  .refine(saysOnce, ALL)
  .meta({ id: 'DeadLetterRetry', example: { cause: 'rejected' } });

export const DeadLetterDrop = z
  .strictObject(chosen)
  .refine(saysWhich, WHICH)
  .refine(saysOnce, ALL)
  .meta({ id: 'DeadLetterDrop', example: { ids: [4711] } });

const done = { success: Success, organizationId: OrganizationId, letters: Count, message: z.string() };

export const DeadLettersRetried = z
  .strictObject({ ...done, destinations: Count.meta({ description: 'To which they are owed again' }) })
  .meta({ id: 'DeadLettersRetried' });

export const DeadLettersDropped = z.strictObject(done).meta({ id: 'DeadLettersDropped' });
