import { z } from 'zod';
import {
  Count,
  Cursor,
  OrganizationId,
  OrganizationQuery,
  ScanId,
  Success,
  Time,
  text,
  wholeNumberOr,
} from './common.ts';

const filters = {
  messageId: text(4000).optional().meta({ description: "The message's id in Graph" }),
  mailboxId: text(200).optional().meta({ description: "The mailbox's id in Graph" }),
  cause: text(100).optional().meta({ description: 'The code of the cause', example: 'ErrorContentConversionFailed' }),
  scanId: ScanId.optional().meta({ description: 'Messages of the folders that this scan has read' }),
};

export const QuarantineQuery = OrganizationQuery.extend({
  ...filters,
  state: z
    .enum(['open', 'resolved'], 'must be open or resolved')
    .default('open')
    .meta({ default: 'open', description: '`resolved`: what has left the quarantine' }),
  limit: wholeNumberOr(100, 1, 1000, 'Messages to answer'),
  cursor: Cursor,
});

const Entry = z.strictObject({
  organizationId: OrganizationId,
  mailboxId: z.string(),
  folderId: z.string(),
  messageId: z.string().meta({
    description: 'Its id in Graph; `?position=` and a number for one that Graph does not even name',
  }),
  cause: z.string().meta({
    description: "Graph's error code, one of Outhaul's own such as `Timeout`, or PostgreSQL's SQLSTATE",
  }),
  httpStatus: z.int().nullable(),
  requestId: z.string().nullable().meta({ description: 'The id that Graph gave the request; Microsoft asks for it' }),
  unreadable: z.array(z.string()).meta({ description: 'Members of the message that could not be read' }),
  stored: z.boolean().meta({ description: 'Whether `emails` has a row with what could be read' }),
  attempts: Count,
  firstScanId: ScanId.nullable(),
  lastScanId: ScanId.nullable(),
  firstAt: Time,
  lastAt: Time,
  retryRequestedAt: Time.nullable().meta({ description: 'It is to be tried again, and has not been since' }),
  resolvedAt: Time.nullable(),
  resolution: z.enum(['stored', 'gone']).nullable().meta({
    description: '`stored`: it could be read after all; `gone`: Graph does not have it any more',
  }),
});

export const QuarantineList = z
  .strictObject({
    success: Success,
    messages: z.array(Entry),
    pagination: z.strictObject({ limit: Count, hasMore: z.boolean(), nextCursor: z.string().nullable() }),
  })
  .meta({ id: 'QuarantineList' });

export const QuarantineRetry = z
  .strictObject({ ...filters, all: z.literal(true, 'must be true').optional() })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'say what to try again: messageId, mailboxId, cause, scanId, or all: true',
  })
  .meta({ id: 'QuarantineRetry', example: { cause: 'ErrorContentConversionFailed' } });

export const QuarantineRetried = z
  .strictObject({
    success: Success,
    organizationId: OrganizationId,
    messages: Count.meta({ description: 'Messages that are to be tried again' }),
    mailboxes: Count.meta({ description: 'Mailboxes that they lie in' }),
    message: z.string(),
  })
  .meta({ id: 'QuarantineRetried' });
