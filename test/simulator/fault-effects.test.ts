import { Agent } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FaultRule, type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { type Got, TestClient, textOf } from './client.ts';
import { plainGet } from './plain-get.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;
let other: TruthMailbox;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 1_200, oddMessages: false } });
  client = new TestClient(simulator);
  [mailbox, other] = simulator.control.truth.mailboxes() as [TruthMailbox, TruthMailbox];
});
afterEach(() => simulator.control.clearFaults());
afterAll(() => simulator.close());

const inboxOf = ({ id }: TruthMailbox) => `/users/${id}/mailFolders/inbox`;
const statusOf = async (path: string) => (await client.get(path)).status;

/** Puts faults in force over HTTP; gives their ids. */
async function fault(rule: FaultRule): Promise<number[]> {
  return (await client.sim<{ ids: number[] }>('POST', '/faults', rule)).ids;
}

describe('an answer with a status of failure', () => {
  const struck = async (effect: FaultRule['effect']): Promise<Got> => {
    await fault({ kind: 'organization', times: 1, effect });
    return client.get('/organization');
  };

  test.each([
    [429, 'ApplicationThrottled', 'Application is over its MailboxConcurrency limit.'],
    [500, 'InternalServerError', 'Error while processing response.'],
    [502, 'UnknownError', ''],
    [503, 'ServiceUnavailable', expect.any(String)],
    [504, 'UnknownError', ''],
  ])('%i has the code and the words that Graph has for it', async (status, code, message: unknown) => {
    const got = await struck({ type: 'status', status });
    expect(got.status).toBe(status);
    expect(got.body.error).toMatchObject({ code, message, innerError: { 'request-id': expect.any(String) as string } });
    expect(got.headers.get('request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('has Retry-After in seconds, in parts of them, as a date, of ten minutes, or none', async () => {
    const after = async (retryAfter?: number | { date: number }) =>
      (await struck({ type: 'status', status: 429, ...(retryAfter !== undefined && { retryAfter }) })).headers.get(
        'retry-after',
      );
    expect([await after(3), await after(0.35), await after(600), await after()]).toEqual(['3', '0.35', '600', null]);
    const date = await after({ date: 60 });
    expect(date).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    expect(Math.abs(Date.parse(date ?? '') - Date.now() - 60_000)).toBeLessThan(5_000);
  });

  test('can be one of a front end: HTML, or nothing at all', async () => {
    const html = await struck({ type: 'status', status: 502, body: 'html' });
    expect([html.status, html.headers.get('content-type'), html.text]).toEqual([
      502,
      'text/html',
      expect.stringContaining('<html>'),
    ]);
    const empty = await struck({ type: 'status', status: 503, body: 'empty', retryAfter: 1 });
    expect([empty.status, empty.text, empty.headers.get('retry-after')]).toEqual([503, '', '1']);
  });

  test('can have any code and message', async () => {
    const got = await struck({ type: 'status', status: 500, code: 'ErrorCorruptData', message: 'It is.' });
    expect(got.body.error).toMatchObject({ code: 'ErrorCorruptData', message: 'It is.' });
  });
});

describe('a connection', () => {
  const path = () => `/users/${mailbox.id}/messages?$top=100`;

  test('that is reset before the answer brings nothing', async () => {
    await fault({ kind: 'messages', effect: { type: 'reset', moment: 'before' } });
    expect(await plainGet(client, path())).toEqual({ body: '', error: 'ECONNRESET' });
  });

  test('that is reset during the answer brings its head and a part of its body', async () => {
    const whole = (await client.get(path())).text;
    await fault({ kind: 'messages', effect: { type: 'reset', moment: 'during' } });
    const { status, body, error } = await plainGet(client, path());
    expect([status, error]).toEqual([200, 'ECONNRESET']);
    expect(body.length).toBeLessThan(whole.length);
  });

  test('that is reset after the answer brings all of it, and cannot be used again', async () => {
    await fault({ kind: 'messages', times: 1, effect: { type: 'reset', moment: 'after' } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    const first = await plainGet(client, path(), agent);
    expect(first.error).toBeUndefined();
    expect(JSON.parse(first.body)).toHaveProperty('value');
    await expect.poll(() => Object.keys(agent.freeSockets)).toEqual([]);
    expect((await plainGet(client, path(), agent)).status).toBe(200);
    expect(sockets.size).toBe(2);
    agent.destroy();
  });

  test('that stays silent is held until the client gives up, and counts as in flight until then', async () => {
    await fault({ kind: 'messages', effect: { type: 'silence' } });
    const token = textOf((await client.token()).body.access_token);
    const controller = new AbortController();
    const request = fetch(`${simulator.url}/v1.0${path()}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: controller.signal,
    });
    const inFlight = () => simulator.control.stats().mailboxes[mailbox.id]?.inFlight;
    await expect.poll(inFlight).toBe(1);
    controller.abort();
    await expect(request).rejects.toThrow();
    await expect.poll(inFlight).toBe(0);
  });

  test('that trickles brings everything, bit by bit', async () => {
    await fault({ kind: 'organization', effect: { type: 'trickle', bytes: 40, every: 2 } });
    const token = textOf((await client.token()).body.access_token);
    const response = await fetch(`${simulator.url}/v1.0/organization`, {
      headers: { authorization: `Bearer ${token}` },
    });
    let parts = 0;
    let body = '';
    for await (const part of response.body ?? []) {
      parts++;
      body += Buffer.from(part as Uint8Array).toString();
    }
    expect(parts).toBeGreaterThan(3);
    expect(JSON.parse(body)).toHaveProperty('value');
  });

  test('can be slow to begin', async () => {
    await fault({ kind: 'organization', effect: { type: 'delay', milliseconds: 60 } });
    const before = performance.now();
    expect(await statusOf('/organization')).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(55);
  });

  test('that belongs to a batch is not broken by one of its requests', async () => {
    await fault({ mailbox: mailbox.id, effect: { type: 'reset', moment: 'before' } });
    const requests = [{ id: '1', method: 'GET', url: inboxOf(mailbox) }];
    const { body } = await client.request('POST', '/$batch', {}, { requests });
    expect(body.responses).toMatchObject([{ status: 200 }]);
  });
});

describe('a truncated answer', () => {
  test('is a proper 200 whose JSON ends too early', async () => {
    const path = `/users/${mailbox.id}/messages?$top=20`;
    const whole = (await client.get(path)).text;
    await fault({ kind: 'messages', effect: { type: 'truncate', keep: 0.7 } });
    const { status, body, error } = await plainGet(client, path);
    expect([status, error]).toEqual([200, undefined]);
    expect(whole.startsWith(body)).toBe(true);
    expect(Buffer.byteLength(body)).toBe(Math.floor(Buffer.byteLength(whole) * 0.7));
    expect(() => JSON.parse(body) as unknown).toThrow();
  });

  test('can hold an error, as when Graph fails while it streams', async () => {
    await fault({ kind: 'messages', effect: { type: 'truncate', error: { code: 'ErrorInvalidIdMalformed' } } });
    const { status, body } = await plainGet(client, `/users/${mailbox.id}/messages`);
    expect(status).toBe(200);
    expect(body).toMatch(/"value":\[\{"error":\{"code":"ErrorInvalidIdMalformed","message":""\}\}$/);
  });

  test('is cut only where it is JSON, unless MIME text and counts are meant, too', async () => {
    const id = textOf((await client.get(`/users/${mailbox.id}/messages?$top=1`)).body.value[0]?.id);
    const path = `/users/${mailbox.id}/messages/${encodeURIComponent(id)}/$value`;
    const whole = (await client.get(path)).text;
    const [first] = await fault({ kind: 'messageValue', effect: { type: 'truncate' } });
    expect((await client.get(path)).text).toBe(whole);
    simulator.control.removeFault(first ?? 0);
    await fault({ kind: 'messageValue', effect: { type: 'truncate', of: 'any', keep: 0 } });
    expect((await client.get(path)).text).toBe('');
  });
});

describe('tokens and mailboxes', () => {
  test('a token is revoked in the middle: 401 until a new one is asked for', async () => {
    await fault({ kind: 'organization', after: 1, times: 1, effect: { type: 'revokeTokens' } });
    expect(await statusOf('/organization')).toBe(200);
    const got = await client.get('/organization');
    expect([got.status, got.body.error]).toMatchObject([401, { code: 'InvalidAuthenticationToken' }]);
    expect(got.headers.get('www-authenticate')).toContain('Bearer');
    expect(await statusOf('/organization')).toBe(401);
    client.forgetToken();
    expect(await statusOf('/organization')).toBe(200);
  });

  test.each([
    ['denied', 403, 'ErrorAccessDenied'],
    ['notEnabled', 404, 'MailboxNotEnabledForRESTAPI'],
    ['gone', 404, 'ErrorInvalidUser'],
    ['onHold', 503, 'MailboxInfoStale'],
    ['moving', 503, 'ErrorMailboxMoveInProgress'],
    ['storeUnavailable', 503, 'ErrorMailboxStoreUnavailable'],
  ] as const)('a mailbox becomes %s in the middle', async (state, status, code) => {
    await fault({ mailbox: mailbox.id, after: 1, effect: { type: 'mailbox', state } });
    expect(await statusOf(inboxOf(mailbox))).toBe(200);
    for (const path of [
      inboxOf(mailbox),
      `${inboxOf(mailbox)}/messages/delta`,
      `/users/${mailbox.id}/mailboxSettings`,
    ]) {
      const got = await client.get(path);
      expect([got.status, got.body.error]).toMatchObject([status, { code }]);
    }
    expect([await statusOf(inboxOf(other)), await statusOf(`/users/${mailbox.id}`)]).toEqual([200, 200]);
  });

  test('a mailbox over its quota can be listed, and not be followed by delta', async () => {
    await fault({ mailbox: mailbox.id, effect: { type: 'mailbox', state: 'overQuota' } });
    const got = await client.get(`${inboxOf(mailbox)}/messages/delta`);
    expect([got.status, got.body.error]).toMatchObject([507, { code: 'ErrorQuotaExceeded' }]);
    expect(await statusOf(`${inboxOf(mailbox)}/messages`)).toBe(200);
  });
});
