import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AadstsNumber, type Simulator, startSimulator, type TenantChange } from '../../simulator/index.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;

beforeEach(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messages: 5, specialUsers: false } });
  client = new TestClient(simulator);
});
afterEach(() => simulator.close());

describe('what an administrator can break is told apart', () => {
  const cases: [string, TenantChange, number, string, number][] = [
    ['the secret was replaced', { clientSecret: 'another' }, 401, 'invalid_client', 7000215],
    ['the secret has expired', { secretExpired: true }, 401, 'invalid_client', 7000222],
    ['the application was deleted', { app: 'deleted' }, 400, 'unauthorized_client', 700016],
    ['its service principal was deleted', { app: 'notInTenant' }, 401, 'invalid_client', 7000229],
    ['the application is disabled', { app: 'disabled' }, 400, 'unauthorized_client', 7000112],
    ['a Conditional Access policy blocks it', { app: 'blocked' }, 400, 'invalid_grant', 53003],
    ['the tenant is gone', { tenantGone: true }, 400, 'invalid_request', 90002],
  ];
  test.each(cases)('%s', async (_, change, status, error, number) => {
    expect((await client.token()).status).toBe(200);
    await client.sim('POST', '/tenant', change);
    const got = await client.token();
    expect(got.status).toBe(status);
    expect(got.body).toMatchObject({ error, error_codes: [number] });
    expect(got.body.error_description).toMatch(new RegExp(`^AADSTS${number}: `));
    await client.sim('POST', '/tenant', {
      app: 'enabled',
      tenantGone: false,
      secretExpired: false,
      clientSecret: simulator.clientSecret,
    });
    expect((await client.token()).status).toBe(200);
  });

  test('consent that is missing shows in Graph, with a new token only', async () => {
    const mailbox = `/users/${simulator.control.truth.mailboxes()[0]?.id}`;
    await client.sim('POST', '/tenant', { roles: [] });
    const codes = [];
    for (const path of ['/users', `${mailbox}/messages`, `${mailbox}/mailboxSettings`]) {
      const { status, body } = await client.get(path);
      codes.push([status, (body.error as { code: string }).code]);
    }
    expect(codes).toEqual([
      [403, 'Authorization_RequestDenied'],
      [403, 'ErrorAccessDenied'],
      [403, 'ErrorAccessDenied'],
    ]);
  });

  test('a change that makes no sense is refused', async () => {
    await expect(client.sim('POST', '/tenant', { app: 'asleep' })).rejects.toThrow(/^400 .*app/);
    await expect(client.sim('POST', '/tenant', { secret: 'x' })).rejects.toThrow(/^400 .*secret/);
  });
});

describe('faults of the token endpoint', () => {
  const numbers: [AadstsNumber, number, string][] = [
    [7000215, 401, 'invalid_client'],
    [7000222, 401, 'invalid_client'],
    [700016, 400, 'unauthorized_client'],
    [7000229, 401, 'invalid_client'],
    [7000112, 400, 'unauthorized_client'],
    [700027, 401, 'invalid_client'],
    [90002, 400, 'invalid_request'],
    [900023, 400, 'invalid_request'],
    [53003, 400, 'invalid_grant'],
    [90033, 503, 'temporarily_unavailable'],
  ];
  test.each(numbers)('AADSTS%i, so many times', async (number, status, error) => {
    await client.sim('POST', '/faults', { kind: 'token', times: 1, effect: { type: 'entra', number } });
    const got = await client.token();
    expect([got.status, got.body]).toMatchObject([status, { error, error_codes: [number] }]);
    expect((await client.token()).status).toBe(200);
    expect(simulator.control.stats().faults).toEqual({ [`AADSTS ${number}`]: 1 });
  });

  test('a status with Retry-After, HTML, a broken connection, a cut answer', async () => {
    const strike = async (effect: object) => {
      await client.sim('POST', '/faults', { kind: 'token', times: 1, effect });
      return client.token();
    };
    const throttled = await strike({ type: 'status', status: 429, retryAfter: 5 });
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '5']);
    expect(throttled.body.error).toBe('temporarily_unavailable');
    const html = await strike({ type: 'status', status: 502, body: 'html' });
    expect([html.status, html.headers.get('content-type')]).toEqual([502, 'text/html']);
    await expect(strike({ type: 'reset', moment: 'before' })).rejects.toThrow();
    await expect(strike({ type: 'truncate' })).rejects.toThrow(/JSON/);
    expect((await client.token()).status).toBe(200);
  });

  test('strike requests for tokens only where they name them', async () => {
    await client.token();
    await client.sim('POST', '/faults', { effect: { type: 'status', status: 500 } });
    expect((await client.token()).status).toBe(200);
    expect((await client.get('/organization')).status).toBe(500);
  });
});

test('tokens that live for seconds end in the middle of a walk', async () => {
  await client.sim('POST', '/tenant', { tokenLifetimeSeconds: 1 });
  expect((await client.get('/users')).status).toBe(200);
  await expect.poll(async () => (await client.get('/users')).status, { timeout: 5_000 }).toBe(401);
  client.forgetToken();
  expect((await client.get('/users')).status).toBe(200);
});
