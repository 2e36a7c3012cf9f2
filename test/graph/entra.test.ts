import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Connection, Credential } from '../../model/connection.ts';
import { issueToken, json, refuse, scripted, type Script } from './scripted-server.ts';
import { CONNECTION, failureOf, open, unhurried } from './support.ts';

afterEach(() => void vi.restoreAllMocks());

const pem = (name: string): string => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');

/** A refusal as Entra words it. */
function refusal(status: number, error: string, number: number, words: string): Script {
  return (_request, response) =>
    json(response, status, {
      error,
      error_description: `AADSTS${number}: ${words} ada@harbour.example\r\nTrace ID: 1111-22\r\nCorrelation ID: 3333-44`,
      error_codes: [number],
      timestamp: '2026-11-20 06:03:00Z',
      trace_id: '1111-22',
      correlation_id: '3333-44',
      error_uri: `https://login.microsoftonline.com/error?code=${number}`,
    });
}

const emptyList: Script = (_request, response) => json(response, 200, { value: [] });

/** The failure of a first request where Entra follows a script. */
async function refusedBy(entra: Script, connection: Connection = CONNECTION, maxRetries = 0) {
  await using server = await scripted(emptyList, { entra });
  await using opened = open(server.url, { maxRetries, requestTimeoutMs: 2_000 }, connection);
  const error = await failureOf(opened.graph.usersPage({}, unhurried()));
  return { error, asked: server.entra.length, graphAsked: server.seen.length };
}

describe('A refusal of Microsoft Entra', () => {
  const REASONS: readonly (readonly [number, string, number, RegExp])[] = [
    [401, 'invalid_client', 7000215, /client secret is wrong.*value \(not its id\)/],
    [401, 'invalid_client', 7000222, /client secret has expired/],
    [400, 'unauthorized_client', 700016, /client id is unknown in this tenant/],
    [400, 'invalid_request', 90002, /tenant is unknown/],
    [400, 'invalid_request', 900023, /tenant id is malformed/],
    [401, 'invalid_client', 7000218, /no client secret and no certificate/],
    [401, 'invalid_client', 7000216, /needs a client secret or a certificate/],
    [400, 'invalid_scope', 70011, /scope is not valid/],
    [400, 'invalid_scope', 1002012, /scope is not valid for an app without a user/],
    [401, 'invalid_client', 700027, /certificate was not accepted/],
    [401, 'invalid_client', 700024, /clock of this machine/],
    [401, 'invalid_client', 7000229, /not in this tenant.*Grant admin consent/],
    [400, 'unauthorized_client', 7000112, /disabled in this tenant.*Enterprise applications/],
    [400, 'invalid_grant', 65001, /Nobody has consented.*Grant admin consent/],
    [400, 'invalid_grant', 53003, /Conditional Access policy blocks the app/],
    [400, 'interaction_required', 50076, /multi-factor authentication/],
    [401, 'invalid_client', 7999999, /refused the client secret or certificate/],
    [400, 'strange_error', 7999998, /refused the credentials/],
  ];

  test.each(REASONS)('%i %s AADSTS%i tells an administrator what to do', async (status, error, number, words) => {
    const refused = await refusedBy(refusal(status, error, number, 'Refused'));
    expect(refused.error).toMatchObject({
      kind: 'credential_refused',
      code: `AADSTS${number}`,
      status,
      requestId: '1111-22',
    });
    expect(refused.error.retryable).toBe(false);
    expect(refused.error.reason).toMatch(words);
    expect(refused.error.reason).toMatch(new RegExp(`\\(AADSTS${number}\\)$`));
    expect(JSON.stringify(refused.error) + refused.error.message + refused.error.reason).not.toContain('ada@');
    expect(refused).toMatchObject({ asked: 1, graphAsked: 0 });
  });

  test('has a reason of its own for each number', async () => {
    const reasons = await Promise.all(
      REASONS.map(
        async ([status, error, number]) => (await refusedBy(refusal(status, error, number, ''))).error.reason,
      ),
    );
    expect(new Set(reasons).size).toBe(REASONS.length);
  });

  test('is found by its number in the words where the list of numbers is missing', async () => {
    const { error } = await refusedBy((_request, response) =>
      json(response, 401, { error: 'invalid_client', error_description: 'AADSTS7000222: The secret is expired.' }),
    );
    expect(error).toMatchObject({ kind: 'credential_refused', code: 'AADSTS7000222' });
  });

  test('does not make the next request fail without being asked', async () => {
    let turn = 0;
    await using server = await scripted(emptyList, {
      entra: (request, response) =>
        ++turn === 1 ? refusal(503, 'server_error', 90033, '')(request, response) : issueToken(request, response),
    });
    await using opened = open(server.url, { maxRetries: 1 });
    expect(await opened.graph.usersPage({}, unhurried())).toEqual({ users: [] });
    expect(server.entra).toHaveLength(2);
  });
});

describe('A login service in trouble', () => {
  const html: Script = (_request, response) =>
    void response.writeHead(503, { 'content-type': 'text/html' }).end('<html>busy</html>');
  const TROUBLES: readonly (readonly [string, Script, object])[] = [
    ['answers HTML', html, { kind: 'unavailable', status: 503 }],
    ['answers 500 with an empty object', (_q, r) => json(r, 500, {}), { kind: 'unavailable', status: 500 }],
    ['answers 200 without a token', (_q, r) => json(r, 200, {}), { kind: 'unavailable' }],
    [
      'answers 200 with an empty token',
      (_q, r) => json(r, 200, { token_type: 'Bearer', expires_in: 3599, access_token: '' }),
      { kind: 'unavailable' },
    ],
    ['answers 200 with HTML', (_q, r) => void r.end('<html>login</html>'), { kind: 'unavailable', code: 'Truncated' }],
    ['answers 200 with null', (_q, r) => json(r, 200, null), { kind: 'unavailable', code: 'Truncated' }],
    ['is overloaded', refusal(400, 'temporarily_unavailable', 90033, ''), { kind: 'unavailable', code: 'AADSTS90033' }],
    [
      'throttles',
      (_q, r) => json(r, 429, { error: 'slow_down' }, { 'retry-after': '17' }),
      { kind: 'throttled', retryAfterMs: 17_000 },
    ],
    ['resets the connection', (_q, r) => void r.destroy(), { kind: 'unavailable', code: 'NetworkError' }],
    ['never answers', () => undefined, { kind: 'unavailable', code: 'Timeout' }],
    [
      'stops in the middle',
      (_q, r) => void r.writeHead(200, { 'content-length': '100' }).write('{"token', () => r.destroy()),
      { kind: 'unavailable' },
    ],
    [
      'redirects',
      (_q, r) => void r.writeHead(302, { location: 'https://evil.example/' }).end(),
      { kind: 'unavailable', status: 302 },
    ],
  ];

  test.each(TROUBLES)('which %s is no refusal of the credential', async (_name, script, expected) => {
    const { error } = await refusedBy(script);
    expect(error).toMatchObject({ ...expected, retryable: true });
    expect(error.reason).toBeUndefined();
  });

  test('is asked again within the same call', async () => {
    const { asked } = await refusedBy(html, CONNECTION, 2);
    expect(asked).toBe(3);
  });
});

describe('A token', () => {
  test('whose end is not told is used for a while', async () => {
    await using server = await scripted(emptyList, {
      entra: (_request, response) => json(response, 200, { token_type: 'Bearer', access_token: 'endless' }),
    });
    await using opened = open(server.url);
    for (let request = 0; request < 3; request += 1) await opened.graph.usersPage({}, unhurried());
    expect(server.entra).toHaveLength(1);
  });

  test('is asked for as msal-node does, in a form, for the Graph of the cloud', async () => {
    await using server = await scripted(emptyList);
    await using opened = open(server.url);
    await opened.graph.usersPage({}, unhurried());
    const [request] = server.entra;
    expect(server.entra).toHaveLength(1);
    expect(request).toMatchObject({ method: 'POST' });
    expect(request?.path).toMatch(/^\/harbour\.example\/oauth2\/v2\.0\/token/);
    const form = new URLSearchParams(request?.body);
    expect(Object.fromEntries(form)).toMatchObject({
      grant_type: 'client_credentials',
      client_id: CONNECTION.clientId,
      client_secret: 'a-secret-of-the-test',
    });
    expect(form.get('scope')).toContain('https://graph.microsoft.com/.default');
    expect(server.seen[0]?.headers['authorization']).toMatch(/^Bearer token-\d+$/);
  });

  test('is asked for once by 50 requests at the same time', async () => {
    await using server = await scripted(emptyList);
    await using opened = open(server.url);
    await Promise.all(Array.from({ length: 50 }, () => opened.graph.usersPage({}, unhurried())));
    expect(server.entra).toHaveLength(1);
    expect(server.seen).toHaveLength(50);
  });

  test('of a certificate is asked for with a signed assertion', async () => {
    const credential: Credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') };
    await using server = await scripted(emptyList);
    await using opened = open(server.url, {}, { ...CONNECTION, credential });
    await opened.graph.usersPage({}, unhurried());
    const form = new URLSearchParams(server.entra[0]?.body);
    expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const [header] = form.get('client_assertion')?.split('.') ?? [];
    expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString())).toMatchObject({ alg: 'PS256' });
    expect(form.has('client_secret')).toBe(false);
  });

  test.each([
    ['certificate that is none', { certificate: 'nonsense', privateKey: pem('key') }],
    ['key that is none', { certificate: pem('certificate'), privateKey: 'nonsense' }],
    ['key of another certificate', { certificate: pem('certificate'), privateKey: pem('other-key') }],
  ])('cannot be had with a %s, and nobody is asked', async (_name, parts) => {
    const credential: Credential = { kind: 'certificate', ...parts };
    const { error, asked } = await refusedBy(issueToken, { ...CONNECTION, credential });
    expect(error).toMatchObject({ kind: 'credential_refused', code: 'InvalidCertificate', retryable: false });
    expect(error.reason).toMatch(/PEM/);
    expect(asked).toBe(0);
  });

  test.each(['a tenant', '../common', "x'y", 'a/b', '', 'ü.example', 'x'.repeat(1_000)])(
    'cannot be had from the malformed tenant %j, and nobody is asked',
    async (tenantId) => {
      const { error, asked } = await refusedBy(issueToken, { ...CONNECTION, tenantId });
      expect(error).toMatchObject({ kind: 'credential_refused', code: 'AADSTS900023' });
      expect(error.reason).toMatch(/malformed/);
      expect(asked).toBe(0);
    },
  );

  test('cannot be had with an empty secret', async () => {
    const credential: Credential = { kind: 'secret', clientSecret: '' };
    expect((await refusedBy(issueToken, { ...CONNECTION, credential })).error.reason).toMatch(/secret is empty/);
  });

  test('that Graph refuses is renewed once, by however many requests', async () => {
    const graph: Script = ({ headers }, response) =>
      headers['authorization'] === `Bearer ${first}`
        ? json(response, 401, { error: { code: 'InvalidAuthenticationToken', message: 'expired' } })
        : emptyList({} as never, response);
    let first = '';
    await using server = await scripted(graph);
    await using opened = open(server.url);
    await opened.graph.usersPage({}, unhurried());
    first = server.seen[0]?.headers['authorization']?.slice('Bearer '.length) ?? '';
    await Promise.all(Array.from({ length: 50 }, () => opened.graph.usersPage({}, unhurried())));
    expect(server.entra).toHaveLength(2);
  });

  test('from before a consent is renewed when it is not enough, so that the consent takes effect', async () => {
    const graph: Script = ({ headers }, response) =>
      headers['authorization'] === `Bearer ${first}`
        ? refuse(response, 403, 'ErrorAccessDenied')
        : json(response, 200, { id: 'inbox' });
    let first = '';
    await using server = await scripted(graph);
    await using opened = open(server.url);
    await opened.graph.mailbox('u').folder('inbox', unhurried());
    first = server.seen[0]?.headers['authorization']?.slice('Bearer '.length) ?? '';
    const mailbox = opened.graph.mailbox('u');
    expect(await failureOf(mailbox.folder('inbox', unhurried()))).toMatchObject({ kind: 'mailbox_denied' });
    expect(server.entra).toHaveLength(1);
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3 * 60_000);
    expect(await mailbox.folder('inbox', unhurried())).toMatchObject({ id: 'inbox' });
    expect(server.entra).toHaveLength(2);
  });

  test('that Graph refuses again after its renewal is a refused credential, with what to look at', async () => {
    await using server = await scripted((_request, response) =>
      json(response, 401, { error: { code: 'InvalidAuthenticationToken', message: 'no' } }),
    );
    await using opened = open(server.url);
    const error = await failureOf(opened.graph.usersPage({}, unhurried()));
    expect(error).toMatchObject({ kind: 'credential_refused', status: 401, code: 'InvalidAuthenticationToken' });
    expect(error.reason).toMatch(/right cloud/);
    expect([server.entra.length, server.seen.length]).toEqual([2, 2]);
  });
});

describe('A login service of one’s own over https', () => {
  const allowed = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  afterEach(() => {
    if (allowed === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = allowed;
  });

  test('is asked where its token endpoint is', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const tls = { cert: pem('certificate'), key: pem('key') };
    const entra: Script = (request, response) => {
      if (request.method === 'POST') return issueToken(request, response);
      const base = `https://${request.headers['host']}/harbour.example`;
      json(response, 200, {
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/authorize`,
        token_endpoint: `${base}/elsewhere/oauth2/token`,
        jwks_uri: `${base}/keys`,
      });
    };
    await using server = await scripted(emptyList, { entra, tls });
    await using opened = open(server.url);
    await opened.graph.usersPage({}, unhurried());
    expect(server.entra.map(({ method, path }) => `${method} ${path.split('?')[0]}`)).toEqual([
      'GET /harbour.example/v2.0/.well-known/openid-configuration',
      'POST /harbour.example/elsewhere/oauth2/token',
    ]);
  });

  test('is sent no secret where its token endpoint has no https', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const tls = { cert: pem('certificate'), key: pem('key') };
    const entra: Script = (request, response) => {
      const base = `https://${request.headers['host']}/harbour.example`;
      json(response, 200, {
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/authorize`,
        token_endpoint: 'http://login.example/oauth2/token',
        jwks_uri: `${base}/keys`,
      });
    };
    await using server = await scripted(emptyList, { entra, tls });
    await using opened = open(server.url);
    const error = await failureOf(opened.graph.usersPage({}, unhurried()));
    expect(error).toMatchObject({ kind: 'credential_refused', code: 'InsecureEndpoint' });
  });

  test('which does not know the tenant says so', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const tls = { cert: pem('certificate'), key: pem('key') };
    await using server = await scripted(emptyList, { entra: refusal(400, 'invalid_tenant', 90002, ''), tls });
    await using opened = open(server.url);
    const error = await failureOf(opened.graph.usersPage({}, unhurried()));
    expect(error).toMatchObject({ kind: 'credential_refused', code: 'AADSTS90002' });
  });
});
