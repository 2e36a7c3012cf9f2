import { z } from 'zod';
import type { NotificationSettings } from '../notify/settings.ts';
import { parsed } from './parsed.ts';
import type { SubscriptionMatch } from './subscriptions-control.ts';

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

/** Readers of what comes over HTTP. Each throws ControlError 400 that names the member at fault. */
export const readSettings = (body: unknown): Partial<NotificationSettings> =>
  parsed(settings, body, 'setting of notifications');
export const readSubscriptionMatch = (body: unknown): SubscriptionMatch =>
  parsed(subscriptionMatch, body, 'choice of subscriptions');
