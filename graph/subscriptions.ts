import type { GraphAnswer } from './call.ts';
import type { GraphClient } from './client.ts';
import { exchangeError, GraphError } from './errors.ts';
import { LinkGuard } from './links.ts';
import { IMMUTABLE_IDS } from './messages.ts';
import { collectionOf, text } from './pages.ts';
import { segment } from './paths.ts';

/** A subscription as Graph has it. */
export interface Subscription {
  readonly id: string;
  /** `/users/{id}/messages`, or as Graph writes it. */
  readonly resource: string;
  readonly changeType: string;
  readonly notificationUrl: string;
  /** Null where Graph does not show it. */
  readonly clientState: string | null;
  /** ISO 8601. */
  readonly expiresAt: string;
}

export interface NewSubscription {
  readonly mailboxId: string;
  readonly notificationUrl: string;
  /** For lifecycle notifications; Graph takes it at creation only. */
  readonly lifecycleUrl: string;
  /** At most 128 characters. */
  readonly clientState: string;
  readonly expiresAt: Date;
}

/**
 * Subscriptions to change notifications, as one app sees its own.
 * https://learn.microsoft.com/graph/api/resources/subscription
 */
export interface GraphSubscriptions {
  /**
   * Subscribes to the messages of a mailbox, all changes, immutable ids. Graph asks both URLs to prove themselves before
   * it answers.
   * @throws SubscriptionError `exists`, `refused`, `unreachable`, `too_long`
   */
  create(wanted: NewSubscription, signal: AbortSignal): Promise<Subscription>;
  /** Gives it a longer life, and reauthorizes it. @throws SubscriptionError `gone`, `refused`, `too_long` */
  renew(id: string, expiresAt: Date, signal: AbortSignal): Promise<Subscription>;
  /** Undefined where it is gone. */
  read(id: string, signal: AbortSignal): Promise<Subscription | undefined>;
  /** Removes it; one that is gone already is no fault. */
  remove(id: string, signal: AbortSignal): Promise<void>;
  /** Those of the app in the tenant, page by page. @throws GraphError `LinkLoop` */
  list(signal: AbortSignal): AsyncIterable<Subscription[]>;
}

const CHANGES = 'created,updated,deleted';

/** What a mailbox's subscription is for. */
export const resourceOf = (mailboxId: string): string => `/users/${segment(mailboxId)}/messages`;

/** Whether a subscription is for all changes in a mailbox's messages. Graph's way of writing the resource varies. */
export function isFor({ resource, changeType }: Subscription, mailboxId: string): boolean {
  const plain = (path: string): string => path.replace(/^\/+/, '').toLowerCase();
  const changes = (types: string): string => types.toLowerCase().split(',').sort().join();
  return plain(resource) === plain(resourceOf(mailboxId)) && changes(changeType) === changes(CHANGES);
}

export const subscriptionsOf = (client: GraphClient): GraphSubscriptions => ({
  async create({ mailboxId, notificationUrl, lifecycleUrl, clientState, expiresAt }, signal) {
    const body = {
      changeType: CHANGES,
      notificationUrl,
      lifecycleNotificationUrl: lifecycleUrl,
      resource: resourceOf(mailboxId),
      expirationDateTime: expiresAt.toISOString(),
      clientState,
    };
    const headers = { prefer: IMMUTABLE_IDS };
    const request = { kind: 'subscribe', target: 'newSubscription', path: '/subscriptions', headers, body } as const;
    return subscriptionOf(await client.send({ ...request, signal }));
  },
  async renew(id, expiresAt, signal) {
    const body = { expirationDateTime: expiresAt.toISOString() };
    const request = { kind: 'renew', target: 'subscription', method: 'PATCH', path: pathOf(id), body } as const;
    return subscriptionOf(await client.send({ ...request, signal }));
  },
  read: (id, signal) =>
    unlessGone(async () =>
      subscriptionOf(await client.send({ kind: 'subscription', target: 'subscription', path: pathOf(id), signal })),
    ),
  async remove(id, signal) {
    const request = { kind: 'unsubscribe', target: 'subscription', method: 'DELETE', path: pathOf(id) } as const;
    await unlessGone(() => client.send({ ...request, signal }));
  },
  async *list(signal) {
    const guard = new LinkGuard();
    for (let where: { path: string } | { link: string } = { path: '/subscriptions' }; ;) {
      const page = collectionOf(await client.send({ kind: 'subscriptions', target: 'directory', signal, ...where }));
      yield page.value.map(entryOf);
      if (page.next === undefined) return;
      guard.pass(page.next);
      where = { link: page.next };
    }
  },
});

const pathOf = (id: string): string => `/subscriptions/${segment(id)}`;

async function unlessGone<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof GraphError && error.kind === 'item_missing') return undefined;
    throw error;
  }
}

const subscriptionOf = ({ content }: GraphAnswer): Subscription => entryOf(Object(content) as Record<string, unknown>);

function entryOf(entry: Readonly<Record<string, unknown>>): Subscription {
  const [id, expiresAt] = [text(entry['id']), text(entry['expirationDateTime'])];
  if (id === null || expiresAt === null || Number.isNaN(Date.parse(expiresAt))) {
    throw exchangeError('Truncated', 'A subscription came without its id or its end');
  }
  return {
    id,
    expiresAt,
    resource: text(entry['resource']) ?? '',
    changeType: text(entry['changeType']) ?? '',
    notificationUrl: text(entry['notificationUrl']) ?? '',
    clientState: text(entry['clientState']),
  };
}
