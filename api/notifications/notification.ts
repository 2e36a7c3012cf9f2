import { z } from 'zod';
import { badRequest } from '../errors.ts';

/** Who says something: the subscription, and what proves that Graph sends it. */
interface Sender {
  readonly subscriptionId: string;
  /** Empty where none was sent. */
  readonly clientState: string;
}

/** A change that Graph tells of. Only the message's id counts: what became of the message, Graph is asked. */
export interface Change {
  readonly messageId: string;
  /** Tells this version of the message, and what happened to it, from others; undefined where Graph does not say. */
  readonly version: string | undefined;
}

/** One notification of a request; `rich` brings encrypted mail, `malformed` nothing that makes sense. */
export interface Notification extends Sender {
  readonly change: Change | 'rich' | 'malformed';
}

export const LIFECYCLE_EVENTS = ['missed', 'reauthorizationRequired', 'subscriptionRemoved'] as const;
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number];

/** What Graph says of a subscription itself. */
export interface LifecycleNotification extends Sender {
  readonly event: LifecycleEvent | 'malformed';
}

/** What a request brought; `malformed`: how many of its parts do not even say whose they are. */
export interface Parsed<Item> {
  readonly items: readonly Item[];
  readonly malformed: number;
}

const Body = z.object({ value: z.array(z.unknown()).min(1) });

const Sender = z.object({
  subscriptionId: z.string().min(1).max(200),
  clientState: z.string().max(128).nullish(),
});

/** Ids of mail are base64 of some kind; a row's key has to hold them. */
const MessageId = z.string().regex(/^[\x21-\x7e]{1,1000}$/);
const Change = z.object({
  id: z.string().max(200).nullish(),
  changeType: z.string().min(1).max(50),
  resourceData: z.object({ id: MessageId, '@odata.etag': z.string().max(200).nullish() }),
});
const Rich = z.object({ encryptedContent: z.object({}) });
const Lifecycle = z.object({ lifecycleEvent: z.enum(LIFECYCLE_EVENTS) });

/** @throws {HttpError} 400 where the body is no list of notifications at all */
export const parseNotifications = (body: Buffer): Parsed<Notification> =>
  parse(body, (item, sender) => ({ ...sender, change: changeOf(item) }));

/** @throws {HttpError} 400 where the body is no list of notifications at all */
export const parseLifecycle = (body: Buffer): Parsed<LifecycleNotification> =>
  parse(body, (item, sender) => ({ ...sender, event: Lifecycle.safeParse(item).data?.lifecycleEvent ?? 'malformed' }));

function parse<Item>(body: Buffer, itemOf: (item: unknown, sender: Sender) => Item): Parsed<Item> {
  const items: Item[] = [];
  const { value } = envelope(body);
  for (const item of value) {
    const sender = Sender.safeParse(item).data;
    if (sender) {
      const { subscriptionId, clientState } = sender;
      items.push(itemOf(item, { subscriptionId, clientState: clientState ?? '' }));
    }
  }
  return { items, malformed: value.length - items.length };
}

function envelope(body: Buffer): z.output<typeof Body> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw badRequest([{ path: '', message: 'The body is not valid JSON' }]);
  }
  const parsed = Body.safeParse(json);
  if (parsed.success) return parsed.data;
  throw badRequest([{ path: 'value', message: 'must be a list of at least one notification' }]);
}

function changeOf(item: unknown): Notification['change'] {
  if (Rich.safeParse(item).success) return 'rich';
  const change = Change.safeParse(item).data;
  if (!change) return 'malformed';
  const { id, changeType, resourceData } = change;
  const etag = resourceData['@odata.etag'];
  return { messageId: resourceData.id, version: etag ? `${changeType} ${etag} ${id ?? ''}` : undefined };
}
