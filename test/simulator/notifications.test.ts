import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NotificationSettings } from '../../simulator/index.ts';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';
import { hasOpenApi, OpenApi } from './openapi.ts';
import { type Item, Receiver } from './receiver.ts';

let simulator: Simulator;
let client: TestClient;
let receiver: Receiver;
let mailboxes: TruthMailbox[];
let mailbox: TruthMailbox;

beforeEach(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 3, messages: 100, specialUsers: false } });
  client = new TestClient(simulator);
  receiver = await Receiver.start();
  mailboxes = simulator.control.truth.mailboxes();
  [mailbox] = mailboxes as [TruthMailbox];
});
afterEach(async () => {
  await simulator.close();
  await receiver.close();
});

const IMMUTABLE = { prefer: 'IdType="ImmutableId"' };
const arrive = (folder = 'inbox') => simulator.control.addMessage({ mailbox: mailbox.id, folder });
const counts = () => simulator.control.notifications.counts();
const set = (settings: Partial<NotificationSettings>) => simulator.control.notifications.set(settings);
const settled = () => expect.poll(() => counts().pending, { timeout: 10_000 }).toBe(0);
/** Graph's own examples have the id there, and this capitalization; its description has neither. */
const KNOWN_DIFFERENCE = 'Microsoft.Graph.Message has no member id';
const idsOf = (items: readonly Item[]) => items.map(({ resourceData }) => textOf(resourceData.id));

/** Subscribes to a mailbox, with immutable ids and lifecycle notifications; the subscription's id. */
async function subscribe(change: object = {}, headers: Record<string, string> = IMMUTABLE): Promise<string> {
  const { status, body } = await client.request('POST', '/subscriptions', headers, {
    changeType: 'created,updated,deleted',
    notificationUrl: `${receiver.url}/hook`,
    lifecycleNotificationUrl: `${receiver.url}/lifecycle`,
    resource: `/users/${mailbox.id}/messages`,
    expirationDateTime: new Date(Date.now() + 3_600_000).toISOString(),
    clientState: 'a secret',
    ...change,
  });
  expect(status).toBe(201);
  return textOf(body.id);
}

/** What came, as kind and message. */
async function came(count: number, path?: string): Promise<Item[]> {
  await expect.poll(() => receiver.items(path).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
  const items = receiver.items(path);
  expect(items).toHaveLength(count);
  return items;
}

describe('a notification', () => {
  test('says what happened to which message, and that it comes from the subscription', async () => {
    const subscriptionId = await subscribe();
    const { id } = arrive();
    const [item] = await came(1);
    const { body } = await client.get(`/users/${mailbox.id}/messages/${encodeURIComponent(id)}`, IMMUTABLE);
    const subscription = (await client.get(`/subscriptions/${subscriptionId}`)).body;
    expect(item).toEqual({
      id: expect.any(String) as string,
      subscriptionId,
      subscriptionExpirationDateTime: subscription.expirationDateTime,
      clientState: 'a secret',
      changeType: 'created',
      resource: `Users/${mailbox.id}/Messages/${id}`,
      tenantId: simulator.tenantId,
      resourceData: {
        '@odata.type': '#Microsoft.Graph.Message',
        '@odata.id': `Users/${mailbox.id}/Messages/${id}`,
        '@odata.etag': body['@odata.etag'],
        id,
      },
    });
    expect(receiver.posts()[0]?.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  test('carries default ids where the subscription did not ask for immutable ones', async () => {
    await subscribe({}, {});
    const { id } = arrive();
    const moved = simulator.control.moveMessage({ mailbox: mailbox.id, id }, 'archive');
    const [created, deleted, again] = idsOf(await came(3));
    expect(created).toBe(deleted);
    expect(again).toBe(moved.id);
    expect(created).not.toBe(id);
  });

  test('comes of every change: arrived, read, changed, moved, deleted, restored', async () => {
    await subscribe();
    const { id } = arrive();
    const ref = { mailbox: mailbox.id, id };
    await client.sim('PATCH', '/messages', { ...ref, patch: { isRead: true } });
    await client.sim('PATCH', '/messages', { ...ref, patch: { subject: 'Changed' } });
    await client.sim('POST', '/messages/move', { ...ref, folder: 'archive' });
    await client.sim('DELETE', '/messages', ref);
    await client.sim('POST', '/messages/restore', { ...ref, folder: 'inbox' });
    const items = await came(7);
    expect(items.map(({ changeType }) => changeType)).toEqual([
      'created', 'updated', 'updated', 'deleted', 'created', 'deleted', 'created',
    ]); // prettier-ignore
    expect(new Set(idsOf(items))).toEqual(new Set([id]));
    expect((await client.get(`/users/${mailbox.id}/messages/${encodeURIComponent(id)}`, IMMUTABLE)).status).toBe(200);
  });

  test('comes only of the folder, the mailbox and the changes that were asked for', async () => {
    await subscribe({ resource: `/users/${mailbox.id}/mailFolders('inbox')/messages`, changeType: 'created' });
    const archive = mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'archive');
    await subscribe({ resource: `/users/${mailbox.id}/mailFolders/${archive?.id}/messages`, changeType: 'deleted' });
    arrive('drafts');
    simulator.control.addMessage({ mailbox: mailboxes[1]?.id ?? '', folder: 'inbox' });
    const { id } = arrive('archive');
    simulator.control.moveMessage({ mailbox: mailbox.id, id }, 'inbox');
    expect((await came(2)).map(({ changeType }) => changeType)).toEqual(['deleted', 'created']);
    await settled();
    expect(counts()).toMatchObject({ made: 2, delivered: 2 });
  });

  test('does not come of hidden folders, or once the subscription has ended', async () => {
    const id = await subscribe();
    const made = simulator.control.createFolder(mailbox.id, 'inbox', 'Below deck', true);
    arrive(made.id);
    await client.request('DELETE', `/subscriptions/${id}`);
    arrive();
    await subscribe();
    const seen = arrive();
    expect(idsOf(await came(1))).toEqual([seen.id]);
  });

  test('shares its request with others, of other subscriptions, too', async () => {
    set({ batchMs: 100 });
    await subscribe();
    await subscribe({ resource: `/users/${mailboxes[1]?.id}/messages` });
    for (let turn = 0; turn < 5; turn++) {
      arrive();
      simulator.control.addMessage({ mailbox: mailboxes[1]?.id ?? '', folder: 'inbox' });
    }
    const items = await came(10);
    expect(receiver.posts()).toHaveLength(1);
    expect(new Set(items.map(({ subscriptionId }) => subscriptionId)).size).toBe(2);
    set({ batchSize: 4 });
    for (let turn = 0; turn < 8; turn++) arrive();
    await came(18);
    expect(receiver.posts().map(({ body }) => body.value.length)).toEqual([10, 4, 4]);
  });

  test.skipIf(!hasOpenApi)("holds against Graph's published description, as lifecycle notifications do", async () => {
    const api = new OpenApi();
    await subscribe();
    arrive();
    simulator.control.notifications.lifecycle({ all: true, event: 'missed' });
    await came(1);
    await came(1, '/lifecycle');
    const posts = [...receiver.posts(), ...receiver.posts('/lifecycle')];
    for (const { body } of posts) {
      const faults = api.faultsOfSchema('microsoft.graph.changeNotificationCollection', body);
      expect(faults.filter((fault) => fault !== KNOWN_DIFFERENCE)).toEqual([]);
    }
  });
});

describe('on the way', () => {
  test('a part is lost on purpose, the same for the same seed, and each loss is known', async () => {
    await subscribe();
    await subscribe({ resource: `/users/${mailboxes[1]?.id}/messages` });
    const run = async (seed: number) => {
      await client.sim('PUT', '/notifications', { loss: 0.3, seed });
      await client.sim('DELETE', '/notifications');
      const first = simulator.control.events().last;
      for (let turn = 0; turn < 200; turn++) {
        simulator.control.addMessage({ mailbox: mailboxes[turn % 2]?.id ?? '', folder: 'inbox' });
      }
      await settled();
      const { events } = simulator.control.events({ after: first });
      return { told: events.map(({ notifications }) => notifications.delivered), counts: counts() };
    };
    const one = await run(1);
    expect(one.counts).toMatchObject({ made: 200, delivered: 200 - one.counts.lost, failed: 0 });
    expect(one.counts.trueLoss).toBeCloseTo(one.counts.lost / 200);
    expect([one.counts.lost > 40, one.counts.lost < 80]).toEqual([true, true]);
    expect(one.told.filter((delivered) => delivered === 0)).toHaveLength(one.counts.lost);
    const perMailbox = Object.values(one.counts.mailboxes);
    expect(perMailbox.map(({ made }) => made)).toEqual([100, 100]);
    expect(perMailbox.reduce((sum, { lost }) => sum + lost, 0)).toBe(one.counts.lost);
    expect(one.counts.byChangeType.created).toMatchObject({ made: 200, lost: one.counts.lost });
    expect((await run(1)).told).toEqual(one.told);
    expect((await run(2)).told).not.toEqual(one.told);
  });

  test('some are doubled, and count once', async () => {
    await subscribe();
    set({ duplicates: 1 });
    arrive();
    const [one, two] = await came(2);
    expect(one).toEqual(two);
    await settled();
    expect(counts()).toMatchObject({ made: 1, delivered: 1, duplicated: 1, sent: 2, trueLoss: 0 });
  });

  test('they keep the order of their subscription, unless they are to be reordered', async () => {
    await subscribe();
    set({ delayMs: [0, 40] });
    const ordered = Array.from({ length: 40 }, () => arrive().id);
    expect(idsOf(await came(40))).toEqual(ordered);
    set({ reorder: 0.3 });
    const more = Array.from({ length: 40 }, () => arrive().id);
    const items = idsOf(await came(80)).slice(40);
    expect(items).not.toEqual(more);
    expect(new Set(items)).toEqual(new Set(more));
  });

  test('they take the time that they are given', async () => {
    await subscribe();
    set({ delayMs: [150, 200] });
    const before = Date.now();
    arrive();
    await came(1);
    expect((receiver.posts()[0]?.at ?? 0) - before).toBeGreaterThanOrEqual(150);
  });

  test('they are sent again until they are accepted, with growing pauses', async () => {
    await subscribe();
    set({ backoffScale: 0.01 });
    receiver.answering = ({ token }, response) =>
      token === null && receiver.posts().length < 4 && Boolean(response.writeHead(503).end());
    arrive();
    await came(4);
    const times = receiver.posts().map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => at - (times[index] as number));
    expect(pauses[0]).toBeGreaterThanOrEqual(49);
    expect(pauses[2]).toBeGreaterThanOrEqual(198);
    await settled();
    expect(counts()).toMatchObject({ made: 1, delivered: 1, sent: 1, retried: 3, requests: 4, refused: 3 });
  });

  test('an endpoint that is too slow is asked again, and known as slow', async () => {
    expect(simulator.control.notifications.settings()).toMatchObject({
      firstTimeoutMs: 3_000,
      retryTimeoutMs: 10_000,
    });
    await subscribe();
    set({ firstTimeoutMs: 50, retryTimeoutMs: 5_000, backoffScale: 0.001 });
    receiver.answering = async ({ token }, response) => {
      if (token !== null) return false;
      await delay(80);
      response.writeHead(202).end();
      return true;
    };
    arrive();
    await settled();
    expect(counts()).toMatchObject({ delivered: 1, retried: 1, requests: 2, refused: 1, slow: 2 });
  });

  test('they are given up when hours are over, and when nobody waits for them any longer', async () => {
    const id = await subscribe();
    await receiver.close();
    set({ backoffScale: 0.000_1 });
    arrive();
    await settled();
    expect(counts()).toMatchObject({ made: 1, failed: 1, delivered: 0, trueLoss: 1 });
    expect(counts().retried).toBeGreaterThan(2);
    set({ backoffScale: 0.01 });
    arrive();
    await expect.poll(() => counts().refused).toBeGreaterThan(counts().retried);
    await client.request('DELETE', `/subscriptions/${id}`);
    await settled();
    expect(counts()).toMatchObject({ made: 2, failed: 2 });
  });

  test('no more wait for an endpoint than there is room for', async () => {
    await subscribe();
    set({ queueLimit: 5, delayMs: [50, 50] });
    for (let turn = 0; turn < 8; turn++) arrive();
    expect(counts()).toMatchObject({ made: 8, failed: 3, pending: 5 });
    await came(5);
  });

  test('two thousand pass in moments', async () => {
    await subscribe();
    for (let turn = 0; turn < 2_000; turn++) arrive();
    await settled();
    expect(new Set(idsOf(receiver.items())).size).toBe(2_000);
    expect(counts()).toMatchObject({ delivered: 2_000, requests: 20 });
  });

  test.each([{ loss: 2 }, { delayMs: [5, 1] }, { lost: 0.1 }, { lifetimeScale: 0 }])(
    'they cannot have %j',
    async (settings) => {
      await expect(client.sim('PUT', '/notifications', settings)).rejects.toThrow(/^400 /);
    },
  );

  test('what is set and what happened can be read', async () => {
    await client.sim('PUT', '/notifications', { loss: 0.1 });
    await client.sim('PUT', '/notifications', { batchMs: 20 });
    expect(await client.sim('GET', '/notifications')).toMatchObject({
      made: 0,
      sent: 0,
      lifecycle: { made: 0 },
      settings: { loss: 0.1, batchMs: 20, delayMs: [0, 0], subscriptionsPerMailbox: 1_000 },
    });
  });
});

describe('lifecycle notifications', () => {
  test('come on demand to the address for them, joined where it is the same', async () => {
    const one = await subscribe();
    const two = await subscribe({ changeType: 'created' });
    await subscribe({ changeType: 'deleted', lifecycleNotificationUrl: undefined });
    const order = { mailboxId: mailbox.userPrincipalName, event: 'missed' };
    expect(await client.sim('POST', '/lifecycle', order)).toEqual({ sent: 2, withoutAddress: 1 });
    const items = await came(2, '/lifecycle');
    expect(items.map(({ subscriptionId }) => subscriptionId)).toEqual([one, two]);
    expect(items[0]).toEqual({
      subscriptionId: one,
      subscriptionExpirationDateTime: expect.any(String) as string,
      tenantId: simulator.tenantId,
      clientState: 'a secret',
      lifecycleEvent: 'missed',
    });
    expect(receiver.posts('/lifecycle')).toHaveLength(1);
    await expect.poll(() => counts().lifecycle).toMatchObject({ made: 2, delivered: 2 });
  });

  test('of a removal: the subscription is gone', async () => {
    const id = await subscribe();
    await client.sim('POST', '/lifecycle', { subscriptionId: id, event: 'subscriptionRemoved' });
    expect(await came(1, '/lifecycle')).toMatchObject([{ lifecycleEvent: 'subscriptionRemoved' }]);
    expect((await client.get(`/subscriptions/${id}`)).status).toBe(404);
  });

  test('that ask for reauthorization wait for a renewal or a reauthorization', async () => {
    const path = `/subscriptions/${await subscribe()}`;
    const ask = () => client.sim('POST', '/lifecycle', { all: true, event: 'reauthorizationRequired' });
    const waits = () => simulator.control.subscriptions.list().map(({ mustReauthorize }) => mustReauthorize);
    await ask();
    expect(waits()).toEqual([true]);
    await client.request('POST', `${path}/reauthorize`);
    expect(waits()).toEqual([false]);
    await ask();
    const expirationDateTime = new Date(Date.now() + 7_200_000).toISOString();
    await client.request('PATCH', path, {}, { expirationDateTime });
    expect(waits()).toEqual([false]);
    await came(2, '/lifecycle');
  });

  test.each([{ event: 'missed' }, { all: true, event: 'lost' }, { subscriptionId: 'none', event: 'missed' }])(
    'cannot be %j',
    async (order) => {
      await expect(client.sim('POST', '/lifecycle', order)).rejects.toThrow(/^40[04] /);
    },
  );
});
