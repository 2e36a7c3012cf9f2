import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

interface Inner {
  id: string;
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

let simulator: Simulator;
let client: TestClient;
let mailbox: string;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 2, messages: 100, specialUsers: false } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
});
afterAll(() => simulator.close());

async function batch(requests: object[]): Promise<{ status: number; responses: Map<string, Inner>; order: string[] }> {
  const { status, body } = await client.request(
    'POST',
    '/$batch',
    { 'content-type': 'application/json' },
    { requests },
  );
  const responses = (body.responses ?? []) as Inner[];
  return { status, responses: new Map(responses.map((each) => [each.id, each])), order: responses.map(({ id }) => id) };
}

const get = (id: string, url: string, rest: object = {}) => ({ id, method: 'GET', url, ...rest });

test('inner requests are answered like others, each with its own headers and status', async () => {
  const [message] = simulator.control.truth.page({ mailbox, limit: 1 }).value;
  const key = encodeURIComponent(textOf(message?.message.id));
  const { status, responses } = await batch([
    get('1', `/users/${mailbox}/messages/${key}`, { headers: { Prefer: 'IdType="ImmutableId"' } }),
    get('2', `users/${mailbox}/mailFolders/nowhere`),
    get('3', `/users/${mailbox}/messages/${key}/$value`),
    get('4', `/users/${mailbox}/mailFolders/delta?$select=totalItemCount`, {
      headers: { prefer: 'odata.maxpagesize=100' },
    }),
  ]);
  expect(status).toBe(200);
  expect(responses.get('1')).toMatchObject({
    status: 200,
    headers: { 'preference-applied': 'IdType="ImmutableId"' },
    body: message?.message,
  });
  expect(responses.get('2')).toMatchObject({ status: 400, body: { error: { code: 'ErrorInvalidIdMalformed' } } });
  expect(Buffer.from(textOf(responses.get('3')?.body), 'base64').toString()).toContain('MIME-Version: 1.0');
  expect(responses.get('4')?.body).toHaveProperty('@odata.deltaLink');
});

test('twenty requests go, at most four at a time; more, none or twins are refused', async () => {
  simulator.control.resetStats();
  const many = (count: number) =>
    Array.from({ length: count }, (_, id) => get(String(id), `/users/${mailbox}/mailFolders/inbox`));
  simulator.control.setLatency(5);
  const { responses } = await batch(many(20));
  simulator.control.setLatency(0);
  expect([...responses.values()].every(({ status }) => status === 200)).toBe(true);
  expect(simulator.control.stats().mailboxes[mailbox]).toMatchObject({ requests: 20, peakConcurrency: 4 });
  for (const wrong of [many(21), [], [...many(1), ...many(1)]]) expect((await batch(wrong)).status).toBe(400);
});

test('dependencies are kept, and fail with what they depend on', async () => {
  const { order, responses } = await batch([
    get('last', '/users?$top=1', { dependsOn: ['first'] }),
    get('first', '/users?$top=1'),
    get('bad', '/users/x/calendars'),
    get('after', '/users?$top=1', { dependsOn: ['bad'] }),
  ]);
  expect(order.indexOf('first')).toBeLessThan(order.indexOf('last'));
  expect(responses.get('last')?.status).toBe(200);
  expect(responses.get('after')?.status).toBe(424);
  expect((await batch([get('1', '/users', { dependsOn: ['1'] })])).status).toBe(400);
});

test('one failing inner request leaves the others and the outer status alone', async () => {
  simulator.control.failNext({
    mailbox,
    kind: 'mailFolder',
    status: 429,
    code: 'ApplicationThrottled',
    message: 'Application is over its MailboxConcurrency limit.',
    retryAfter: 2,
  });
  const { status, responses } = await batch([
    get('1', `/users/${mailbox}/mailFolders/inbox`),
    get('2', `/users/${mailbox}/messages`),
  ]);
  expect(status).toBe(200);
  expect(responses.get('1')).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
  expect(responses.get('2')?.status).toBe(200);
});

test('inner requests count as in flight until nobody waits for the answer of their batch any more', async () => {
  const hold = simulator.control.hold({ mailbox });
  const inFlight = (): number | undefined => simulator.control.stats().mailboxes[mailbox]?.inFlight;
  const controller = new AbortController();
  const given = fetch(`${simulator.url}/v1.0/$batch`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${textOf((await client.token()).body.access_token)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ requests: ['1', '2', '3'].map((id) => get(id, `/users/${mailbox}/mailFolders/inbox`)) }),
    signal: controller.signal,
  });
  await expect.poll(inFlight).toBe(3);
  controller.abort();
  await expect(given).rejects.toThrow();
  await expect.poll(inFlight).toBe(0);
  hold.release();
});
