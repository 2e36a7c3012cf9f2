import { describe, expect, it } from 'vitest';
import { Lifetime, lookAfter, type Subscribing } from '../../activities/subscribing.ts';
import { GraphError } from '../../graph/errors.ts';
import type { GraphSubscriptions, NewSubscription, Subscription } from '../../graph/graph.ts';
import { SubscriptionError, type SubscriptionRefusal } from '../../graph/subscription-error.ts';

const HOUR = 3600_000;
const error = (refusal: SubscriptionRefusal) =>
  new SubscriptionError('refused', { kind: 'bad_request', code: 'Refused' }, refusal);

/** A Graph that has some subscriptions, of which it may hide the client state. */
function played(there: Subscription[] = [], { hides = false, tellsId = true } = {}) {
  const shown = (one: Subscription): Subscription => (hides ? { ...one, clientState: null } : one);
  let made = 0;
  const create = (wanted: NewSubscription): Subscription => {
    const twin = there.find(({ resource }) => resource === `/users/${wanted.mailboxId}/messages`);
    if (twin) throw error({ kind: 'exists', subscriptionId: tellsId ? twin.id : undefined });
    const subscription = {
      id: `new-${++made}`,
      resource: `/users/${wanted.mailboxId}/messages`,
      changeType: 'created,updated,deleted',
      notificationUrl: wanted.notificationUrl,
      clientState: wanted.clientState,
      expiresAt: wanted.expiresAt.toISOString(),
    };
    there.push(subscription);
    return subscription;
  };
  const subscriptions: GraphSubscriptions = {
    create: async (wanted) => shown(create(wanted)),
    renew: async (id, expiresAt) => {
      const found = there.find((one) => one.id === id);
      if (!found) throw error({ kind: 'gone' });
      return shown({ ...found, expiresAt: expiresAt.toISOString() });
    },
    read: async (id) => there.filter((one) => one.id === id).map(shown)[0],
    remove: async (id) => {
      there.splice(0, there.length, ...there.filter((one) => one.id !== id));
    },
    async *list() {
      for (const one of there) yield [shown(one)];
    },
  };
  return { there, subscriptions };
}

const subscribing = (subscriptions: GraphSubscriptions, more: Partial<Subscribing> = {}): Subscribing => ({
  subscriptions,
  notificationUrl: 'https://outhaul.example/webhooks/graph',
  lifecycleUrl: 'https://outhaul.example/webhooks/graph/lifecycle',
  lifetime: new Lifetime(60),
  clientStateOf: (mailboxId) => `state of ${mailboxId}`,
  isOthers: async () => false,
  signal: new AbortController().signal,
  ...more,
});
const due = (more = {}) => ({ mailboxId: 'm', subscriptionId: null, attempts: 0, ...more });
const left = (more: Partial<Subscription> = {}): Subscription => ({
  id: 'left',
  resource: '/users/m/messages',
  changeType: 'created,updated,deleted',
  notificationUrl: 'https://outhaul.example/webhooks/graph',
  clientState: 'state of m',
  expiresAt: new Date(Date.now() + HOUR).toISOString(),
  ...more,
});

describe('looking after a subscription', () => {
  it('adopts what a lost run has made', async () => {
    const { subscriptions } = played([left()]);
    const { outcome } = await lookAfter(due(), subscribing(subscriptions));
    expect(outcome).toMatchObject({ state: 'active', subscriptionId: 'left', isNew: true, adopted: true });
  });

  it('finds it in the list where Graph does not name it', async () => {
    const others = ['a', 'b'].map((id) => left({ id, resource: `/users/${id}/messages` }));
    const { subscriptions } = played([...others, left()], { tellsId: false });
    const { outcome } = await lookAfter(due(), subscribing(subscriptions));
    expect(outcome).toMatchObject({ subscriptionId: 'left', adopted: true });
  });

  it.each([
    ['another secret', left({ clientState: 'older' }), {}],
    ['another address', left({ notificationUrl: 'https://elsewhere.example/webhooks/graph' }), {}],
    ['a secret that Graph does not show', left(), { hides: true }],
  ])('replaces one with %s', async (_, existing, how) => {
    const { subscriptions, there } = played([existing], how);
    const { outcome } = await lookAfter(due(), subscribing(subscriptions));
    expect(outcome).toMatchObject({ state: 'active', subscriptionId: 'new-1', adopted: false });
    expect(there.map(({ id }) => id)).toEqual(['new-1']);
  });

  it('leaves one alone that another session has', async () => {
    const { subscriptions, there } = played([left({ clientState: 'of another' })]);
    const { outcome } = await lookAfter(due(), subscribing(subscriptions, { isOthers: async () => true }));
    expect(outcome).toMatchObject({ state: 'refused', errorCode: 'SubscriptionTaken' });
    expect(there).toHaveLength(1);
  });

  it('renews nothing that is gone, but creates it', async () => {
    const { subscriptions } = played();
    const { outcome } = await lookAfter(due({ subscriptionId: 'gone' }), subscribing(subscriptions));
    expect(outcome).toMatchObject({ before: 'gone', subscriptionId: 'new-1', isNew: true });
  });

  it('keeps an id whose renewal is refused, but not one that is gone', async () => {
    const { subscriptions } = played();
    const refuse = async (): Promise<never> => {
      throw error({ kind: 'refused', reason: 'closed' });
    };
    const kept = await lookAfter(due({ subscriptionId: 'x' }), subscribing({ ...subscriptions, renew: refuse }));
    expect(kept.outcome).toMatchObject({ state: 'refused', lost: false });
    const lost = await lookAfter(due({ subscriptionId: 'x' }), subscribing({ ...subscriptions, create: refuse }));
    expect(lost.outcome).toMatchObject({ state: 'refused', lost: true });
  });

  it('waits longer after each failure, and as long as Graph says', async () => {
    const fail = (retryAfterMs?: number): GraphSubscriptions => ({
      ...played().subscriptions,
      create: async () => {
        throw new GraphError('busy', { kind: 'mailbox_busy', code: 'Busy', retryAfterMs });
      },
    });
    const pauses = await Promise.all(
      [0, 1, 2, 20].map(async (attempts) => (await lookAfter(due({ attempts }), subscribing(fail()))).outcome.dueMs),
    );
    expect(pauses).toEqual([5_000, 10_000, 20_000, 900_000]);
    expect((await lookAfter(due(), subscribing(fail(60_000)))).outcome.dueMs).toBe(60_000);
  });

  it('throws what concerns all subscriptions', async () => {
    const create = async (): Promise<never> => {
      throw new GraphError('refused', { kind: 'credential_refused', code: 'InvalidAuthenticationToken' });
    };
    await expect(lookAfter(due(), subscribing({ ...played().subscriptions, create }))).rejects.toThrow('refused');
  });
});

describe('the life that is asked for', () => {
  /** Graph's clock goes `ahead` ms of ours. */
  const accepting = (most: number, ahead: number) => (expiresAt: Date) => {
    const minutes = (expiresAt.getTime() - Date.now() - ahead) / 60_000;
    if (minutes > most) throw error({ kind: 'too_long', minutes: most });
  };
  const create = async (minutes: number, ahead: number) => {
    const { subscriptions } = played();
    const check = accepting(10_070, ahead);
    const lifetime = new Lifetime(minutes);
    const checked: GraphSubscriptions = {
      ...subscriptions,
      create: async (wanted, signal) => {
        check(wanted.expiresAt);
        return subscriptions.create(wanted, signal);
      },
    };
    const { outcome } = await lookAfter(due(), subscribing(checked, { lifetime }));
    return { state: outcome.state, minutes: lifetime.minutes };
  };

  it('is what Graph gives at most', async () => {
    expect(await create(10_000, 0)).toEqual({ state: 'active', minutes: 10_000 });
    expect(await create(20_000, 0)).toEqual({ state: 'active', minutes: 10_069 });
  });

  it('shrinks where our clock is ahead of Graph’s', async () => {
    const { state, minutes } = await create(10_000, -3 * HOUR);
    expect(state).toBe('active');
    expect(minutes).toBe(9_000);
  });

  it.each([-3, 0, 3])('is renewed at about its half though Graph’s clock goes %i hours ahead', async (hours) => {
    const { subscriptions } = played();
    const granted: GraphSubscriptions = {
      ...subscriptions,
      create: async (wanted, signal) => {
        const expiresAt = new Date(wanted.expiresAt.getTime() + hours * HOUR).toISOString();
        return { ...(await subscriptions.create(wanted, signal)), expiresAt };
      },
    };
    const { outcome } = await lookAfter(due(), subscribing(granted, { lifetime: new Lifetime(10_000) }));
    expect(outcome.dueMs / 60_000 / 10_000).toBeCloseTo(0.5, 1);
  });

  it('is shortened once for all that were refused together', () => {
    const lifetime = new Lifetime(20_000);
    for (let at = 0; at < 4; at++) lifetime.shorten(20_000, 10_070);
    expect(lifetime.minutes).toBe(10_069);
  });
});
