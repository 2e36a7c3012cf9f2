import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { RequestWindow } from '../../simulator/msgraph/request-window.ts';
import { type Got, TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;
let other: TruthMailbox;

beforeEach(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 2, messages: 100, specialUsers: false } });
  client = new TestClient(simulator);
  [mailbox, other] = simulator.control.truth.mailboxes() as [TruthMailbox, TruthMailbox];
  await client.get('/organization');
  simulator.control.resetStats();
});
afterEach(() => simulator.close());

const inboxOf = ({ id }: TruthMailbox) => `/users/${id}/mailFolders/inbox`;
const useOf = ({ id }: TruthMailbox) => simulator.control.stats().mailboxes[id];
const many = (count: number, path: string) => Array.from({ length: count }, () => client.get(path));
const refused = (got: Got, message: string, retryAfter: RegExp) => {
  expect([got.status, got.body.error]).toMatchObject([429, { code: 'ApplicationThrottled', message }]);
  expect(got.headers.get('retry-after')).toMatch(retryAfter);
};
const CONCURRENCY = 'Application is over its MailboxConcurrency limit.';

describe('four requests at a time', () => {
  test('are served; a fifth is refused as Graph refuses it, and the ground truth knows', async () => {
    const hold = simulator.control.hold({ mailbox: mailbox.id });
    const four = many(4, inboxOf(mailbox));
    await expect.poll(() => hold.waiting).toBe(4);
    refused(await client.get(inboxOf(mailbox)), CONCURRENCY, /^1$/);
    const elsewhere = client.get(inboxOf(other));
    const directory = client.get(`/users/${mailbox.id}`);
    await expect.poll(() => hold.waiting).toBe(5);
    hold.release();
    expect((await Promise.all([...four, elsewhere, directory])).map(({ status }) => status)).toEqual(
      Array<number>(6).fill(200),
    );
    expect((await client.get(inboxOf(mailbox))).status).toBe(200);
    expect(useOf(mailbox)).toMatchObject({ requests: 6, inFlight: 0, peakConcurrency: 5, throttled: 1 });
    expect(useOf(other)).toMatchObject({ peakConcurrency: 1, throttled: 0 });
    const stats = simulator.control.stats();
    expect(stats).toMatchObject({ throttled: 1, peakMailboxConcurrency: 5, peakMailboxWindow: 6 });
    expect(stats.mailboxPeak?.requests.map(({ kind }) => kind)).toEqual(Array<string>(5).fill('mailFolder'));
    expect(stats.mailboxPeak?.requests.at(-1)?.ms).toBe(0);
  });

  test('are not too many for a client that counts its own, however fast it is', async () => {
    let left = 400;
    const reader = async () => {
      while (left-- > 0) expect((await client.get(`${inboxOf(mailbox)}/messages?$top=50`)).status).toBe(200);
    };
    await Promise.all([reader(), reader(), reader(), reader()]);
    expect(useOf(mailbox)).toMatchObject({ requests: 400, inFlight: 0, throttled: 0 });
    expect(useOf(mailbox)?.peakConcurrency).toBeLessThanOrEqual(4);
  });

  test('include those that a batch has forwarded', async () => {
    simulator.control.setLatency(20);
    const requests = Array.from({ length: 12 }, (_, id) => ({ id: String(id), method: 'GET', url: inboxOf(mailbox) }));
    const batch = () => client.request('POST', '/$batch', {}, { requests });
    const statuses = ({ body }: Got) => (body.responses as { status: number }[]).map(({ status }) => status);
    expect(new Set(statuses(await batch()))).toEqual(new Set([200]));
    expect(useOf(mailbox)).toMatchObject({ peakConcurrency: 4, throttled: 0 });

    const [one, two] = await Promise.all([batch(), batch()]);
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(new Set([...statuses(one), ...statuses(two)])).toEqual(new Set([200, 429]));
    expect(useOf(mailbox)?.peakConcurrency).toBeGreaterThan(4);
  });

  test('hold until the answer was read, or the client is gone', async () => {
    simulator.control.addFault({ mailbox: mailbox.id, effect: { type: 'silence' } });
    const token = (await client.token()).body.access_token as string;
    const controller = new AbortController();
    const four = Array.from({ length: 4 }, () =>
      fetch(`${simulator.url}/v1.0${inboxOf(mailbox)}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: controller.signal,
      }),
    );
    await expect.poll(() => useOf(mailbox)?.inFlight).toBe(4);
    simulator.control.clearFaults();
    expect((await client.get(inboxOf(mailbox))).status).toBe(429);
    controller.abort();
    await Promise.allSettled(four);
    await expect.poll(() => useOf(mailbox)?.inFlight).toBe(0);
    expect((await client.get(inboxOf(mailbox))).status).toBe(200);
  });

  test('can be another number, or none', async () => {
    await client.sim('POST', '/limits', { mailboxConcurrency: 1 });
    simulator.control.setLatency(20);
    expect((await Promise.all(many(2, inboxOf(mailbox)))).map(({ status }) => status).sort()).toEqual([200, 429]);
    await client.sim('POST', '/limits', { mailboxConcurrency: null });
    expect(new Set((await Promise.all(many(12, inboxOf(mailbox)))).map(({ status }) => status))).toEqual(
      new Set([200]),
    );
    expect(useOf(mailbox)?.peakConcurrency).toBeGreaterThan(4);
  });
});

describe('the budget of a mailbox', () => {
  test('is spent by every request, refused ones included, and says when there is more', async () => {
    simulator.control.setLimits({ mailboxRequests: 5, mailboxWindowSeconds: 60 });
    for (let turn = 0; turn < 5; turn++) expect((await client.get(inboxOf(mailbox))).status).toBe(200);
    const got = await client.get(inboxOf(mailbox));
    refused(got, 'Application is over its MailboxRequests limit.', /^\d+$/);
    const seconds = Number(got.headers.get('retry-after'));
    expect([seconds >= 58, seconds <= 60]).toEqual([true, true]);
    expect((await client.get(inboxOf(other))).status).toBe(200);
    expect(useOf(mailbox)).toMatchObject({ inWindow: 6, peakInWindow: 6, throttled: 1 });
  });

  test('comes back with time', async () => {
    simulator.control.setLimits({ mailboxRequests: 2, mailboxWindowSeconds: 0.3 });
    expect((await client.get(inboxOf(mailbox))).status).toBe(200);
    await Promise.all(many(3, inboxOf(mailbox)));
    await expect.poll(async () => (await client.get(inboxOf(mailbox))).status, { interval: 200 }).toBe(200);
  });

  test('is as documented where nothing else is said, and is kept when the counts are reset', async () => {
    expect(await client.sim('GET', '/limits')).toEqual({
      mailboxConcurrency: 4,
      mailboxRequests: 10_000,
      mailboxWindowSeconds: 600,
      requestsPerSecond: 2_000,
    });
    await client.get(inboxOf(mailbox));
    await client.sim('DELETE', '/stats');
    await client.get(inboxOf(mailbox));
    expect(useOf(mailbox)).toMatchObject({ requests: 1, inWindow: 2 });
  });

  test.each([{ mailboxConcurrency: 0 }, { mailboxRequests: 'many' }, { concurrency: 4 }])(
    'and the other limits cannot be %j',
    async (limits) => {
      await expect(client.sim('POST', '/limits', limits)).rejects.toThrow(/^400 /);
    },
  );
});

test('the limit of the application as a whole refuses requests of any kind', async () => {
  const few = await startSimulator({ tenant: { mailboxes: 1, messages: 1 }, limits: { requestsPerSecond: 3 } });
  try {
    const reader = new TestClient(few);
    const all = await Promise.all(Array.from({ length: 8 }, () => reader.get('/organization')));
    const throttled = all.filter(({ status }) => status === 429);
    expect(throttled.length).toBeGreaterThanOrEqual(1);
    expect(throttled[0]?.body.error).toMatchObject({ code: 'TooManyRequests', message: 'Please retry again later.' });
    expect(throttled[0]?.headers.get('retry-after')).toBe('1');
  } finally {
    await few.close();
  }
});

describe('a window of requests', () => {
  test('slides: it forgets what is older, slice by slice, and tells when there is room', () => {
    const window = new RequestWindow(60_000);
    expect([window.add(1_000_000), window.add(1_000_500), window.add(1_030_000)]).toEqual([1, 2, 3]);
    expect(window.untilBelow(3, 1_030_000)).toBe(30_000);
    expect(window.untilBelow(1, 1_030_000)).toBe(60_000);
    expect([window.count(1_059_999), window.count(1_060_000), window.count(1_089_999)]).toEqual([3, 1, 1]);
    expect(window.count(1_090_000)).toBe(0);
    expect([window.add(9_000_000), window.count(9_059_000)]).toEqual([1, 1]);
  });
});
