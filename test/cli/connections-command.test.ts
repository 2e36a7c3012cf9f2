import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

interface Asked {
  readonly call: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
}

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const OTHER = '11111111-d9cb-469f-a165-70867728950e';
const connection = (over: object = {}) => ({
  id: ID,
  organizationId: 'contoso',
  tenantId: 'contoso.example',
  clientId: 'client-1111',
  cloud: 'global',
  credential: { kind: 'secret', expiresAt: '2026-12-01T00:00:00Z', expiresInDays: 9 },
  createdAt: '2026-11-01T00:00:00Z',
  rotatedAt: '2026-11-01T00:00:00Z',
  lastCheck: { checkedAt: '2026-11-20T00:00:00Z', outcome: 'passed' },
  warnings: ['The client secret of the connection expires in 9 days'],
  ...over,
});
const FINDINGS = [
  { name: 'token', status: 'passed', meaning: 'Microsoft Entra accepts the credential.' },
  {
    name: 'User.Read.All',
    status: 'failed',
    meaning: 'The app may not list users.\u001b[2J',
    advice: 'Open App registrations, the app, API permissions, and grant it.',
    link: 'https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent',
    code: 'Authorization_RequestDenied',
    requestId: 'r-1',
  },
  { name: 'mailboxes', status: 'skipped', meaning: 'There is no token to try it with.' },
];
const checked = (outcome: string, findings: readonly object[] = FINDINGS) => ({
  connection: connection(),
  outcome,
  checkedAt: '2026-11-21T09:00:00Z',
  findings,
});

let api: FakeApi;
let folder: string;
let asked: Asked[];
let listed: object[];
let answer: (asked: Asked) => { status?: number; body: object };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
  asked = [];
  listed = [connection()];
  answer = () => ({ body: checked('passed', FINDINGS.slice(0, 1)) });
  api = await fakeApi((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://api');
      const text = await readBody(request);
      const one: Asked = {
        call: `${request.method} ${url.pathname}`,
        query: Object.fromEntries(url.searchParams),
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      asked.push(one);
      const { status = 200, body } =
        one.call === 'GET /api/v1/connections' ? { body: { connections: listed } } : answer(one);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ success: status < 400, ...body }));
    })();
  });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const outhaul = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
  runCli([...args, '--url', api.url, '--data-dir', folder], options);
const secretFile = async (text: string): Promise<string> => {
  const file = join(folder, 'secret');
  await writeFile(file, text);
  return file;
};

describe('outhaul doctor', () => {
  it('tells each check, what is missing and what to do, and fails when something needed is', async () => {
    answer = () => ({ body: checked('failed') });
    const { code, out } = await outhaul(['doctor', '--organization', 'contoso', '--mailbox', 'ada@contoso.example']);
    expect(code).toBe(1);
    expect(asked.map(({ call }) => call)).toEqual(['GET /api/v1/connections', `POST /api/v1/connections/${ID}/check`]);
    expect(asked[0]?.query).toEqual({ organizationId: 'contoso' });
    expect(asked[1]?.body).toEqual({ mailbox: 'ada@contoso.example' });
    expect(out).toContain('Connection of contoso: app client-1111 in tenant contoso.example');
    expect(out).toMatch(/^passed {3}token: Microsoft Entra accepts/m);
    expect(out).toMatch(/^failed {3}User\.Read\.All: The app may not list users/m);
    expect(out).toMatch(/^ {9}To do: Open App registrations/m);
    expect(out).toMatch(/^ {9}https:\/\/learn\.microsoft\.com\/entra/m);
    expect(out).toMatch(/^ {9}\(Authorization_RequestDenied, request r-1\)/m);
    expect(out).toContain('A scan cannot do with this connection: 1 check failed.');
    expect(out).not.toContain('\u001b');
  });

  it('fits its words into a terminal', async () => {
    answer = () => ({ body: checked('failed') });
    const { out } = await outhaul(['doctor'], { columns: 60, env: { NO_COLOR: '1' } });
    expect(
      Math.max(
        ...out
          .split('\n')
          .filter((line) => !line.includes('https:'))
          .map((line) => line.length),
      ),
    ).toBeLessThan(80);
    expect(out).toMatch(/To do: Open App registrations, the app, API\n {9}permissions/);
  });

  it.each([
    ['passed', 0, 'Everything that a scan needs is there.'],
    ['warning', 0, 'see the warnings'],
    ['unreachable', 1, 'Microsoft gave no answer'],
  ])('of a connection that is %s exits with %i', async (outcome, code, words) => {
    answer = () => ({ body: checked(outcome) });
    const result = await outhaul(['doctor']);
    expect(result.code).toBe(code);
    expect(result.out).toContain(words);
  });

  it('prints what the API answers with --json, and exits as it does without', async () => {
    answer = () => ({ body: checked('failed') });
    const { code, out } = await outhaul(['doctor', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({ success: true, ...checked('failed') });
  });

  it('says what to do where there is no connection, or more than one', async () => {
    listed = [];
    expect(await outhaul(['doctor'])).toMatchObject({
      code: 1,
      notes: expect.stringContaining('outhaul connections add') as string,
    });
    listed = [connection(), connection({ id: OTHER, organizationId: 'fabrikam' })];
    const { code, notes } = await outhaul(['doctor']);
    expect(code).toBe(2);
    expect(notes).toContain('--organization');
  });
});

describe('outhaul connections', () => {
  it('lists them, with when they end and what to look after', async () => {
    listed.push(
      connection({ id: OTHER, credential: { kind: null, expiresAt: null, expiresInDays: null }, lastCheck: null }),
    );
    const { code, out, notes } = await outhaul(['connections', 'list']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ID +ORGANIZATION +CLIENT ID/);
    expect(out).toContain('2026-12-01 (9 d)');
    expect(out).toMatch(/unreadable +not known +never/);
    expect(notes).toContain('warning: contoso: The client secret of the connection expires in 9 days.');
    expect(JSON.parse((await outhaul(['connections', 'list', '--json'])).out)).toHaveLength(2);
  });

  it('adds one with a secret from the environment, and prints its id', async () => {
    const args = ['connections', 'add', '--organization', 'contoso', '--tenant', 'contoso.example'];
    const { code, out, notes } = await outhaul(
      [...args, '--client-id', 'client-1111', '--secret-expires-at', '2027-01-31'],
      { env: { CLIENT_SECRET: 'S3cret-value' } },
    );
    expect({ code, out }).toEqual({ code: 0, out: `${ID}\n` });
    expect(notes).toContain('works and is kept');
    expect(notes).not.toContain('S3cret-value');
    expect(asked[0]).toMatchObject({
      call: 'POST /api/v1/connections',
      body: {
        organizationId: 'contoso',
        auth: { tenantId: 'contoso.example', clientId: 'client-1111', clientSecret: 'S3cret-value' },
        secretExpiresAt: '2027-01-31',
      },
    });
  });

  it('adds none where nothing names one', async () => {
    expect(await outhaul(['connections', 'add'])).toMatchObject({ code: 2 });
    expect(asked).toEqual([]);
  });

  it('rotates the only one with a secret from a file, or a certificate', async () => {
    const file = await secretFile('S3cret-value\n');
    expect((await outhaul(['connections', 'rotate', '--client-secret-file', file])).code).toBe(0);
    expect(asked.at(-1)).toEqual({
      call: `POST /api/v1/connections/${ID}/rotate`,
      query: {},
      body: { clientSecret: 'S3cret-value' },
    });
    const certificate = await secretFile('-----BEGIN CERTIFICATE-----');
    expect((await outhaul(['connections', 'rotate', ID, '--certificate', certificate])).code).toBe(0);
    expect(asked.at(-1)?.body).toEqual({ clientCertificate: '-----BEGIN CERTIFICATE-----' });
  });

  it.each([[['add', '--tenant', 't', '--client-id', 'c']], [['rotate']]])(
    'takes no secret as an argument (%j)',
    async (args) => {
      const { code, notes } = await outhaul(['connections', ...args, '--client-secret', 'S3cret-value']);
      expect(code).toBe(2);
      expect(notes).toContain('not taken as an argument');
      expect(notes).not.toContain('S3cret-value');
      expect(asked).toEqual([]);
    },
  );

  it('tells why a credential was refused', async () => {
    answer = () => ({
      status: 422,
      body: {
        error: 'Invalid',
        message: 'Credential validation failed',
        reason: 'The client secret is wrong.',
        requestId: 'r',
      },
    });
    const { code, notes } = await outhaul(['connections', 'rotate'], { env: { CLIENT_SECRET: 'S3cret-value' } });
    expect(code).toBe(1);
    expect(notes).toContain('The client secret is wrong.');
  });

  it('checks one as the doctor does', async () => {
    answer = () => ({ body: checked('failed') });
    const { code, out } = await outhaul(['connections', 'check', ID.toUpperCase()]);
    expect(code).toBe(1);
    expect(out).toContain('User.Read.All');
  });

  it('removes one by its id only', async () => {
    answer = () => ({ body: { id: ID, message: 'gone' } });
    expect((await outhaul(['connections', 'remove'])).code).toBe(2);
    const { code, notes } = await outhaul(['connections', 'remove', ID]);
    expect(code).toBe(0);
    expect(notes).toContain('contoso is removed');
    expect(asked.at(-1)?.call).toBe(`DELETE /api/v1/connections/${ID}`);
    expect(await outhaul(['connections', 'remove', OTHER])).toMatchObject({
      code: 1,
      notes: expect.stringContaining('outhaul connections list') as string,
    });
  });
});

describe('outhaul scan', () => {
  it('tells of a credential that ends soon', async () => {
    answer = () => ({
      status: 202,
      body: {
        scanId: 's1',
        status: 'running',
        startTime: 't',
        message: 'm',
        warnings: ['The client secret ends soon'],
      },
    });
    const { notes } = await outhaul(['scan', '--no-watch', '--scan-id', 's1']);
    expect(notes).toContain('warning: The client secret ends soon.');
  });
});
