import { z } from 'zod';
import { LIFECYCLE_EVENTS } from '../notify/notification.ts';
import type { NotificationSettings } from '../notify/settings.ts';
import type { FlowOptions } from './flow-plan.ts';
import type { LifecycleOrder } from './notifications-control.ts';
import { parsed } from './parsed.ts';
import type { SubscriptionMatch } from './subscriptions-control.ts';

/** The plan of a flow is held in memory. */
const MOST_TURNS = 2_000_000;

const part = z.number().min(0).max(1);
const milliseconds = z.number().min(0);
const scale = z.number().positive().max(1);

const settings: z.ZodType<Partial<NotificationSettings>> = z.strictObject({
  loss: part.exactOptional(),
  duplicates: part.exactOptional(),
  reorder: part.exactOptional(),
  delayMs: z
    .tuple([milliseconds, milliseconds])
    .refine(([least, most]) => least <= most, 'the first must not be above the second')
    .exactOptional(),
  seed: z.int().exactOptional(),
  batchMs: milliseconds.exactOptional(),
  batchSize: z.int().min(1).exactOptional(),
  concurrency: z.int().min(1).exactOptional(),
  queueLimit: z.int().min(1).exactOptional(),
  firstTimeoutMs: milliseconds.exactOptional(),
  retryTimeoutMs: milliseconds.exactOptional(),
  validationTimeoutMs: milliseconds.exactOptional(),
  backoffScale: scale.exactOptional(),
  lifetimeScale: scale.exactOptional(),
  subscriptionsPerMailbox: z.int().min(0).exactOptional(),
});

const match = {
  subscriptionId: z.string().exactOptional(),
  mailboxId: z.string().exactOptional(),
  all: z.literal(true).exactOptional(),
};

const subscriptionMatch: z.ZodType<SubscriptionMatch> = z.strictObject(match);

const lifecycleOrder: z.ZodType<LifecycleOrder> = z.strictObject({ ...match, event: z.enum(LIFECYCLE_EVENTS) });

const weight = z.number().min(0).exactOptional();

const flow: z.ZodType<FlowOptions> = z
  .strictObject({
    seed: z.int().exactOptional(),
    mailboxes: z.union([z.int().min(1), z.array(z.string()).min(1)]).exactOptional(),
    ratePerMinute: z.number().min(0).max(600_000),
    burst: z
      .strictObject({
        everySeconds: z.number().positive(),
        messages: z.int().min(1),
        overSeconds: z.number().positive(),
      })
      .exactOptional(),
    mix: z
      .strictObject({ arrive: weight, move: weight, read: weight, delete: weight, restore: weight })
      .refine((weights) => Object.values(weights).some((each) => each > 0), 'one weight at least must be above 0')
      .exactOptional(),
    seconds: z.number().positive().max(86_400),
  })
  .refine(({ ratePerMinute, seconds }) => ratePerMinute * seconds <= 60 * MOST_TURNS, 'that is too many changes');

const eventQuery = z.strictObject({
  after: z.coerce.number().int().min(0).exactOptional(),
  limit: z.coerce.number().int().min(1).max(10_000).exactOptional(),
});

/** Readers of what comes over HTTP. Each throws ControlError 400 that names the member at fault. */
export const readSettings = (body: unknown): Partial<NotificationSettings> =>
  parsed(settings, body, 'setting of notifications');
export const readSubscriptionMatch = (body: unknown): SubscriptionMatch =>
  parsed(subscriptionMatch, body, 'choice of subscriptions');
export const readLifecycleOrder = (body: unknown): LifecycleOrder => parsed(lifecycleOrder, body, 'lifecycle event');
export const readFlow = (body: unknown): FlowOptions => parsed(flow, body, 'flow of mail');
export const readEventQuery = (query: unknown): z.infer<typeof eventQuery> =>
  parsed(eventQuery, query, 'page of events');
