import { type NetworkRequestOptions, ConfidentialClientApplication } from '@azure/msal-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { makeCertificate } from './certificate.ts';
import { TestClient } from './client.ts';

const certificate = makeCertificate();
let simulator: Simulator;
let client: TestClient;

beforeAll(async () => {
  simulator = await startSimulator({
    tenant: { mailboxes: 1, messages: 10, specialUsers: false, certificate: certificate.certificate },
  });
  client = new TestClient(simulator);
});
afterAll(() => simulator.close());

/** What msal-node sends over, with its https addresses mapped back to the simulator. */
function networkClient(paths: string[]) {
  const send = async (method: string, url: string, options?: NetworkRequestOptions) => {
    paths.push(`${method} ${new URL(url).pathname}`);
    const { body, headers } = options ?? {};
    const response = await fetch(url.replace('https://', 'http://'), {
      method,
      ...(headers ? { headers } : {}),
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.json() };
  };
  return {
    sendGetRequestAsync: (url: string, options?: NetworkRequestOptions) => send('GET', url, options),
    sendPostRequestAsync: (url: string, options?: NetworkRequestOptions) => send('POST', url, options),
  } as never;
}

function application(
  credential: object,
  paths: string[] = [],
  tenant = simulator.tenantId,
  clientId = simulator.clientId,
) {
  const host = new URL(simulator.url).host;
  return new ConfidentialClientApplication({
    auth: { clientId, authority: `https://${host}/${tenant}`, knownAuthorities: [host], ...credential },
    system: { networkClient: networkClient(paths) },
  });
}

const scopes = ['https://graph.microsoft.com/.default'];

describe('the real msal-node', () => {
  test('finds the token endpoint and gets a token with a secret', async () => {
    const paths: string[] = [];
    const result = await application({ clientSecret: simulator.clientSecret }, paths).acquireTokenByClientCredential({
      scopes,
    });
    expect(result?.accessToken).toMatch(/^eyJ/);
    expect(result?.expiresOn?.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
    expect(paths).toEqual([
      `GET /${simulator.tenantId}/v2.0/.well-known/openid-configuration`,
      `POST /${simulator.tenantId}/oauth2/v2.0/token`,
    ]);
  });

  test('gets a token with a certificate, whose signature is verified', async () => {
    const { privateKey, thumbprintSha256 } = certificate;
    const result = await application({
      clientCertificate: { privateKey, thumbprintSha256 },
    }).acquireTokenByClientCredential({ scopes });
    expect(result?.accessToken).toMatch(/^eyJ/);
  });

  test('is refused with a certificate that is not registered', async () => {
    const { privateKey, thumbprintSha256 } = makeCertificate();
    const attempt = application({ clientCertificate: { privateKey, thumbprintSha256 } }).acquireTokenByClientCredential(
      { scopes },
    );
    await expect(attempt).rejects.toMatchObject({ errorCode: 'invalid_client', errorNo: 700027 });
  });

  test('is refused with another key under the registered thumbprint', async () => {
    const { privateKey } = makeCertificate();
    const { thumbprintSha256 } = certificate;
    const attempt = application({ clientCertificate: { privateKey, thumbprintSha256 } }).acquireTokenByClientCredential(
      { scopes },
    );
    await expect(attempt).rejects.toMatchObject({ errorCode: 'invalid_client', errorNo: 700027 });
  });

  test('is refused with a certificate that has expired', async () => {
    const expired = makeCertificate(25);
    const { privateKey, thumbprintSha256 } = expired;
    simulator.control.changeTenant({ certificate: expired.certificate });
    const attempt = application({ clientCertificate: { privateKey, thumbprintSha256 } }).acquireTokenByClientCredential(
      { scopes },
    );
    await expect(attempt).rejects.toMatchObject({
      errorNo: 700027,
      errorMessage: expect.stringContaining('The key used is expired.') as string,
    });
    simulator.control.changeTenant({ certificate: certificate.certificate });
  });

  test('tells a wrong secret from an unknown client', async () => {
    const wrongSecret = application({ clientSecret: 'not-the-secret' });
    await expect(wrongSecret.acquireTokenByClientCredential({ scopes })).rejects.toMatchObject({ errorNo: 7000215 });
    const unknown = application(
      { clientSecret: 'x'.repeat(40) },
      [],
      simulator.tenantId,
      '11111111-1111-4111-a111-111111111111',
    );
    await expect(unknown.acquireTokenByClientCredential({ scopes })).rejects.toMatchObject({ errorNo: 700016 });
  });
});

describe('the token endpoint', () => {
  test.each([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['no credential at all', { client_secret: '' }, 401, 'invalid_client', 7000218],
    ['an unknown client', { client_id: '11111111-1111-4111-a111-111111111111' }, 400, 'unauthorized_client', 700016],
    ['a scope other than .default', { scope: 'https://graph.microsoft.com/Mail.Read' }, 400, 'invalid_scope', 70011],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
  ])('answers %s as Entra does', async (_, form, status, error, number) => {
    const got = await client.token(form);
    expect(got.status).toBe(status);
    expect(got.body).toMatchObject({
      error,
      error_codes: [number],
      error_uri: `https://login.microsoftonline.com/error?code=${number}`,
    });
    expect(got.body.error_description).toMatch(
      new RegExp(`^AADSTS${number}: .*\r\nTrace ID: .*\r\nCorrelation ID: .*\r\nTimestamp: .*Z$`),
    );
  });

  test('tells an unknown tenant from one that can be none', async () => {
    expect((await client.token({}, '11111111-1111-4111-a111-111111111111')).body).toMatchObject({
      error: 'invalid_request',
      error_codes: [90002],
    });
    expect((await client.token({}, 'nowhere.example')).body).toMatchObject({ error_codes: [90002] });
    for (const nonsense of ['nonsense', '%zz', "'; DROP TABLE"]) {
      expect((await client.token({}, nonsense)).body).toMatchObject({ error_codes: [900023] });
    }
  });

  test('takes the verified domain in place of the tenant id', async () => {
    expect((await client.token({}, simulator.domain)).status).toBe(200);
  });

  test('answers both discovery paths, and 400 for an unknown tenant', async () => {
    for (const path of ['v2.0/.well-known/openid-configuration', '.well-known/openid-configuration']) {
      const response = await fetch(`${simulator.url}/${simulator.tenantId}/${path}`);
      const document = (await response.json()) as Record<string, string>;
      const authority = `https://${new URL(simulator.url).host}/${simulator.tenantId}`;
      expect(document).toMatchObject({ token_endpoint: `${authority}/oauth2/v2.0/token`, issuer: `${authority}/v2.0` });
      expect(document).toHaveProperty('authorization_endpoint');
      expect(document).toHaveProperty('jwks_uri');
    }
    const unknown = await fetch(`${simulator.url}/nowhere.example/v2.0/.well-known/openid-configuration`);
    expect(unknown.status).toBe(400);
    expect(await unknown.json()).toMatchObject({ error: 'invalid_tenant', error_codes: [90002] });
  });
});

describe('a tenant whose registration changes', () => {
  test('expired secrets, revoked and short-lived tokens, and withdrawn consent show as in Entra and Graph', async () => {
    const own = await startSimulator({ tenant: { mailboxes: 1, messages: 5, specialUsers: false } });
    try {
      const person = new TestClient(own);
      const mailbox = own.control.truth.mailboxes()[0]?.id ?? '';
      expect((await person.get('/users')).status).toBe(200);

      own.control.changeTenant({ revokeTokens: true });
      const revoked = await person.get('/users');
      expect(revoked.status).toBe(401);
      expect(revoked.body.error).toMatchObject({ code: 'InvalidAuthenticationToken' });
      expect(revoked.headers.get('www-authenticate')).toMatch(/^Bearer realm=""/);

      own.control.changeTenant({ roles: ['Mail.Read'] });
      person.forgetToken();
      expect((await person.get('/users')).body.error).toMatchObject({ code: 'Authorization_RequestDenied' });
      expect((await person.get(`/users/${mailbox}/messages`)).status).toBe(200);

      own.control.changeTenant({ roles: ['User.Read.All'] });
      expect((await person.get(`/users/${mailbox}/messages`)).status).toBe(200);
      person.forgetToken();
      const denied = await person.get(`/users/${mailbox}/messages`);
      expect(denied.status).toBe(403);
      expect(denied.body.error).toMatchObject({ code: 'ErrorAccessDenied' });

      own.control.changeTenant({ secretExpired: true });
      expect((await person.token()).body).toMatchObject({ error: 'invalid_client', error_codes: [7000222] });
      own.control.changeTenant({ secretExpired: false, tokenLifetimeSeconds: 0 });
      expect((await person.token()).body.expires_in).toBe(0);
      person.forgetToken();
      expect((await person.get('/users')).body.error).toMatchObject({
        message: 'Lifetime validation failed, the token is expired.',
      });
    } finally {
      await own.close();
    }
  });

  test('requests without a token or with a foreign one are refused', async () => {
    const none = await fetch(`${simulator.url}/v1.0/users`);
    expect(none.status).toBe(401);
    const foreign = await fetch(`${simulator.url}/v1.0/users`, { headers: { authorization: 'Bearer eyJ.eyJ.abc' } });
    expect(await foreign.json()).toMatchObject({ error: { code: 'InvalidAuthenticationToken' } });
  });
});
