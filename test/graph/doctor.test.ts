import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { examine, type ExaminationRequest } from '../../graph/doctor.ts';
import type { CheckReport, Finding } from '../../model/connection-check.ts';
import type { Connection } from '../../model/connection.ts';
import { json, refuse, scripted, type Script, type ScriptedOptions } from './scripted-server.ts';
import { CONNECTION, unhurried } from './support.ts';

const pem = (name: string): string => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
const DAY_MS = 24 * 60 * 60_000;
const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS + 60_000).toISOString();

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenWith = (roles: readonly string[]): string =>
  `${encode({ alg: 'RS256' })}.${encode({ appid: CONNECTION.clientId, roles })}.signature`;

/** An Entra that gives a token with these roles. */
const entraWith =
  (roles: readonly string[], { msgraphHost = 'graph.microsoft.com', date = new Date() } = {}): Script =>
  ({ path }, response) => {
    const answer = path.includes('openid-configuration')
      ? { issuer: 'https://login.microsoftonline.com/x/v2.0', msgraph_host: msgraphHost }
      : { token_type: 'Bearer', expires_in: 3599, access_token: tokenWith(roles) };
    json(response, 200, answer, { date: date.toUTCString() });
  };

/** An Entra that refuses. */
const refusing =
  (status: number, error: string, number: number): Script =>
  ({ path }, response) => {
    if (path.includes('openid-configuration')) return json(response, 200, { issuer: 'x' });
    json(response, status, {
      error,
      error_description: `AADSTS${number}: Refused for ada@harbour.example.`,
      error_codes: [number],
      trace_id: 'trace-1',
    });
  };

interface Tenant {
  readonly users?: Script;
  /** How each mailbox's inbox answers; the last one counts for all that follow. */
  readonly mailboxes?: readonly ('open' | 'policy' | 'denied' | 'none' | Script)[];
  readonly messages?: readonly object[] | Script;
}

const USERS = Array.from({ length: 8 }, (_, index) => ({
  id: `00000000-0000-0000-0000-00000000000${index}`,
  mail: `user${index}@harbour.example`,
}));
const MESSAGE = { id: 'm1', body: { contentType: 'text', content: 'Hello' } };
const denied: Script = (_request, response) => refuse(response, 403, 'ErrorAccessDenied');
const noUsers: Script = (_request, response) => refuse(response, 403, 'Authorization_RequestDenied');

const MAILBOXES: Readonly<Record<'open' | 'policy' | 'denied' | 'none', Script>> = {
  open: (_request, response) => json(response, 200, { id: 'inbox' }),
  policy: (_request, response) => {
    const message = 'Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.';
    json(response, 403, { error: { code: 'ErrorAccessDenied', message } });
  },
  denied,
  none: (_request, response) => refuse(response, 404, 'MailboxNotEnabledForRESTAPI'),
};

/** A Graph of some users with mailboxes. */
function graphOf({ users, mailboxes = ['open'], messages = [MESSAGE] }: Tenant): Script {
  let opened = 0;
  return (request, response) => {
    const path = request.path.split('?')[0] ?? '';
    if (path.endsWith('/users')) return (users ?? ((_q, r) => json(r, 200, { value: USERS })))(request, response);
    if (path.endsWith('/inbox')) {
      const one = mailboxes[Math.min(opened, mailboxes.length - 1)] ?? 'open';
      opened += 1;
      return (typeof one === 'string' ? MAILBOXES[one] : one)(request, response);
    }
    if (path.endsWith('/mailFolders')) return json(response, 200, { value: [{ id: 'inbox' }] });
    if (path.endsWith('/messages')) {
      return typeof messages === 'function' ? messages(request, response) : json(response, 200, { value: messages });
    }
    return refuse(response, 404, 'ResourceNotFound');
  };
}

const GOOD = ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read'];

interface Setting extends Tenant {
  readonly roles?: readonly string[];
  readonly entra?: Script;
  readonly graph?: Script;
  readonly connection?: Connection;
  readonly request?: ExaminationRequest;
  readonly timeoutMs?: number;
}

async function reportFor(setting: Setting): Promise<CheckReport> {
  const { entra = entraWith(setting.roles ?? GOOD), graph = graphOf(setting), connection = CONNECTION } = setting;
  await using server = await scripted(graph, { entra } satisfies ScriptedOptions);
  const options = { graphUrl: server.url, authorityUrl: server.url, requestTimeoutMs: setting.timeoutMs ?? 5_000 };
  const report = await examine(connection, options, setting.request ?? {}, unhurried());
  expect(JSON.stringify(report), 'no address and no secret is in a report').not.toMatch(
    /@harbour|a-secret-of-the-test/,
  );
  return report;
}

function finding({ findings }: CheckReport, name: string): Finding {
  const found = findings.find((one) => one.name === name);
  if (!found) throw new Error(`no finding ${name} among ${findings.map((one) => one.name).join(', ')}`);
  return found;
}

const statuses = ({ findings }: CheckReport): Record<string, string> =>
  Object.fromEntries(findings.map(({ name, status }) => [name, status]));

describe('A connection that is as it should be', () => {
  test('passes every check that can be made', async () => {
    const report = await reportFor({ request: { secretExpiresAt: inDays(100) } });
    expect(report.outcome).toBe('passed');
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['passed']));
    expect(report.findings.map(({ name }) => name)).toEqual([
      'expiry',
      'Microsoft Entra',
      'clock',
      'cloud',
      'token',
      'Microsoft Graph',
      'User.Read.All',
      'Mail.Read',
      'mailboxes',
      'folders',
      'messages',
      'MailboxSettings.Read',
      'other permissions',
    ]);
  });

  test('needs neither MailboxSettings.Read nor a known end of its secret', async () => {
    const report = await reportFor({ roles: ['User.Read.All', 'Mail.Read'] });
    expect(report.outcome).toBe('passed');
    expect(statuses(report)).toMatchObject({ expiry: 'skipped', 'MailboxSettings.Read': 'skipped' });
  });

  test('passes where the token cannot be looked into, by what it can do', async () => {
    const entra: Script = ({ path }, response) =>
      json(response, 200, path.includes('openid') ? {} : { expires_in: 3599, access_token: 'opaque' });
    const report = await reportFor({ entra });
    expect(report.outcome).toBe('passed');
    expect(statuses(report)).toMatchObject({ 'Mail.Read': 'passed', 'other permissions': 'skipped', cloud: 'skipped' });
  });
});

describe('A token that Microsoft Entra refuses', () => {
  const CAUSES: readonly (readonly [number, string, number, RegExp, RegExp, RegExp])[] = [
    [401, 'invalid_client', 7000215, /secret is wrong/, /value \(not its id\)/, /how-to-add-credentials/],
    [401, 'invalid_client', 7000222, /secret has expired/, /Make a new one/, /how-to-add-credentials/],
    [400, 'unauthorized_client', 700016, /client id is unknown/, /Application \(client\) id/, /register-app/],
    [400, 'invalid_request', 90002, /tenant is unknown/, /Directory id/, /find-tenant/],
    [401, 'invalid_client', 700027, /certificate was not accepted/, /Upload/, /how-to-add-credentials/],
    [401, 'unauthorized_client', 7000112, /disabled/, /Enterprise applications/, /disable-user-sign-in/],
    [400, 'invalid_grant', 53003, /Conditional Access/, /Exclude/, /conditional-access/],
    [400, 'invalid_grant', 65001, /Nobody has consented/, /Grant admin consent/, /grant-admin-consent/],
    [401, 'invalid_client', 7999999, /refused/, /^$/, /reference-error-codes/],
  ];

  test.each(CAUSES)('%i %s AADSTS%i: says what it means and what to click', async (...cause) => {
    const [status, error, number, meaning, advice, link] = cause;
    const report = await reportFor({ entra: refusing(status, error, number) });
    const token = finding(report, 'token');
    expect(token).toMatchObject({ status: 'failed', code: `AADSTS${number}`, requestId: 'trace-1' });
    expect(token.meaning).toMatch(meaning);
    expect(token.advice ?? '').toMatch(advice);
    expect(token.link).toMatch(link);
    expect(report.outcome).toBe('failed');
    expect(statuses(report)).toMatchObject({
      'User.Read.All': 'skipped',
      'Mail.Read': 'skipped',
      mailboxes: 'skipped',
    });
  });

  test("for a secret that looks like a secret's id, says so", async () => {
    const credential = { kind: 'secret', clientSecret: '11111111-2222-3333-4444-555555555555' } as const;
    const entra = refusing(401, 'invalid_client', 7000215);
    const report = await reportFor({ entra, connection: { ...CONNECTION, credential } });
    expect(finding(report, 'token').advice).toMatch(/form of a secret's id/);
  });

  test('before it is asked, for a tenant that is none', async () => {
    const report = await reportFor({ connection: { ...CONNECTION, tenantId: 'no tenant' } });
    expect(finding(report, 'token')).toMatchObject({ status: 'failed', code: 'AADSTS900023' });
  });

  test('before it is asked, for a key that is not the certificate’s', async () => {
    const credential = {
      kind: 'certificate',
      certificate: pem('certificate'),
      privateKey: pem('other-key'),
    } as const;
    const report = await reportFor({ connection: { ...CONNECTION, credential } });
    expect(finding(report, 'token')).toMatchObject({ status: 'failed', code: 'InvalidCertificate' });
  });
});

describe('A service that cannot be reached', () => {
  const closedPort = async (): Promise<number> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  };

  test('by a name that does not exist is no fault of the connection', async () => {
    const options = { graphUrl: 'https://graph.invalid', authorityUrl: 'https://login.invalid' };
    const report = await examine(CONNECTION, options, {}, unhurried());
    expect(report.outcome).toBe('unreachable');
    const entra = finding(report, 'Microsoft Entra');
    expect(entra).toMatchObject({ status: 'failed', meaning: expect.stringContaining('login.invalid') as string });
    expect(entra.code).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
    expect(statuses(report)).toMatchObject({ token: 'skipped', clock: 'skipped', 'Microsoft Graph': 'skipped' });
  });

  test('behind a closed port says so', async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    const report = await examine(CONNECTION, { graphUrl: url, authorityUrl: url }, {}, unhurried());
    expect(finding(report, 'Microsoft Entra')).toMatchObject({ code: 'ECONNREFUSED' });
    expect(report.outcome).toBe('unreachable');
  });

  test('over TLS that is not Microsoft’s names the proxy', async () => {
    const tls = { key: pem('key'), cert: pem('certificate') };
    await using server = await scripted(graphOf({}), { entra: entraWith(GOOD), tls });
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '1';
    try {
      const report = await examine(CONNECTION, { graphUrl: server.url, authorityUrl: server.url }, {}, unhurried());
      const entra = finding(report, 'Microsoft Entra');
      expect(entra.meaning).toMatch(/TLS certificate|not valid at the time/);
      expect(entra.advice).toContain('NODE_EXTRA_CA_CERTS');
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  test.each([
    ['never answers', () => undefined, /did not answer in time/],
    [
      'answers with a page',
      (_q, r) => void r.end('<html>Sign in to the guest network</html>'),
      /not answer as Microsoft/,
    ],
    ['wants a proxy’s password', (_q, r) => void r.writeHead(407).end(), /proxy/],
    ['cuts the connection', (_q, r) => void r.destroy(), /is cut/],
    ['is down', (_q, r) => void r.writeHead(503).end(), /no usable answer/],
  ] satisfies [string, Script, RegExp][])('because it %s', async (_name, script, meaning) => {
    const report = await reportFor({ entra: script, timeoutMs: 300 });
    expect(finding(report, 'Microsoft Entra').meaning).toMatch(meaning);
    expect(report.outcome).toBe('unreachable');
    const other = await reportFor({ graph: script, timeoutMs: 300 });
    expect(finding(other, 'Microsoft Graph').meaning).toMatch(meaning);
    expect(other.outcome).toBe('unreachable');
    expect(statuses(other)).toMatchObject({ token: 'passed', 'User.Read.All': 'skipped', mailboxes: 'skipped' });
  });

  test('for a moment is asked again', async () => {
    let turn = 0;
    const good = graphOf({});
    const report = await reportFor({
      graph: (request, response) => (++turn === 1 ? refuse(response, 503, 'x') : good(request, response)),
    });
    expect(report.outcome).toBe('passed');
  });
});

describe('The surroundings', () => {
  test('a clock that is off is told of, with how far', async () => {
    const ahead = await reportFor({ entra: entraWith(GOOD, { date: new Date(Date.now() - 12 * 60_000) }) });
    expect(finding(ahead, 'clock')).toMatchObject({
      status: 'warning',
      meaning: "The worker's clock is 12 minutes ahead of Microsoft's.",
    });
    const behind = await reportFor({ entra: entraWith(GOOD, { date: new Date(Date.now() + 60 * 60_000) }) });
    expect(finding(behind, 'clock').meaning).toContain('60 minutes behind');
  });

  test('a tenant of another cloud is named, with the setting', async () => {
    const report = await reportFor({ entra: entraWith(GOOD, { msgraphHost: 'graph.microsoft.us' }) });
    expect(finding(report, 'cloud')).toMatchObject({
      status: 'failed',
      advice: expect.stringContaining('OUTHAUL_CLOUD=gcc-high') as string,
    });
    expect(report.outcome).toBe('failed');
  });

  test('a token that Graph refuses points at cloud and Conditional Access', async () => {
    const users: Script = (_request, response) => refuse(response, 401, 'InvalidAuthenticationToken');
    const report = await reportFor({ users });
    expect(finding(report, 'Microsoft Graph')).toMatchObject({ status: 'failed', code: 'InvalidAuthenticationToken' });
    expect(report.outcome).toBe('failed');
  });
});

describe('A permission', () => {
  test('to list users that is missing is told with the clicks, and mail is tried all the same', async () => {
    const request = { mailbox: 'user1@harbour.example' };
    const report = await reportFor({ roles: ['Mail.Read'], users: noUsers, request });
    const users = finding(report, 'User.Read.All');
    expect(users).toMatchObject({ status: 'failed', code: 'Authorization_RequestDenied' });
    expect(users.advice).toMatch(
      /Application permissions \(not Delegated\), tick User\.Read\.All.*Grant admin consent/,
    );
    expect(statuses(report)).toMatchObject({ 'Mail.Read': 'passed', mailboxes: 'passed', messages: 'passed' });
  });

  test('that was consented to just now needs minutes', async () => {
    const report = await reportFor({ users: noUsers });
    expect(finding(report, 'User.Read.All').advice).toMatch(/try again in some minutes/);
  });

  test('for mail that is missing is told, and that there is no Mail.Read.All', async () => {
    const report = await reportFor({ roles: ['User.Read.All'], mailboxes: ['denied'] });
    const mail = finding(report, 'Mail.Read');
    expect(mail.status).toBe('failed');
    expect(mail.advice).toMatch(/tick Mail\.Read,.*no Mail\.Read\.All.*RBAC for Applications/s);
    expect(finding(report, 'mailboxes')).toMatchObject({ status: 'failed', code: 'ErrorAccessDenied' });
  });

  test('for parts of mail only means that bodies would be missing', async () => {
    const roles = ['User.Read.All', 'Mail.ReadBasic.All'];
    const report = await reportFor({ roles, messages: [{ id: 'm1' }] });
    expect(finding(report, 'Mail.Read')).toMatchObject({ status: 'failed', code: 'MailReadBasic' });
    expect(finding(report, 'Mail.Read').meaning).toMatch(/bodies, previews and attachments/);
    expect(finding(report, 'messages').status).toBe('failed');
    const refused = await reportFor({ roles, messages: denied });
    expect(statuses(refused)).toMatchObject({ 'Mail.Read': 'failed', messages: 'failed' });
  });

  test('that Exchange gives is as good as one that Entra gives', async () => {
    const report = await reportFor({ roles: ['User.Read.All'], request: { mailbox: 'user1@harbour.example' } });
    expect(finding(report, 'Mail.Read')).toMatchObject({ status: 'passed' });
    expect(finding(report, 'Mail.Read').meaning).toContain('RBAC for Applications');
    expect(report.outcome).toBe('passed');
  });

  test('too many are named, and those that can do harm as such', async () => {
    const report = await reportFor({ roles: [...GOOD, 'Calendars.Read', 'Mail.Send', 'Mail.ReadWrite'] });
    const others = finding(report, 'other permissions');
    expect(others).toMatchObject({ status: 'warning', code: 'DangerousPermissions' });
    expect(others.meaning).toContain('does not use: Calendars.Read, Mail.ReadWrite, Mail.Send.');
    expect(others.meaning).toContain('with Mail.ReadWrite, Mail.Send.');
    expect(others.meaning).toContain('only to mark messages as read');
    expect(report.outcome).toBe('warning');
    const harmless = await reportFor({ roles: [...GOOD, 'RoleManagement.Read.Directory'] });
    expect(finding(harmless, 'other permissions')).toMatchObject({ code: 'SurplusPermissions' });
  });
});

describe('Mailboxes', () => {
  test('of which a policy closes one are read, and the policy is told of', async () => {
    const report = await reportFor({ mailboxes: ['open', 'policy', 'none', 'open'] });
    const mailboxes = finding(report, 'mailboxes');
    expect(mailboxes).toMatchObject({ status: 'warning', code: 'ErrorAccessDenied' });
    expect(mailboxes.meaning).toContain('1 of 5 mailboxes');
    expect(mailboxes.advice).toMatch(/Get-ApplicationAccessPolicy.*Get-ManagementRoleAssignment/s);
    expect(report.outcome).toBe('warning');
  });

  test('that are all closed by a policy may be meant so: one that is open should be named', async () => {
    const report = await reportFor({ mailboxes: ['policy'] });
    expect(finding(report, 'mailboxes')).toMatchObject({ status: 'warning' });
    expect(finding(report, 'mailboxes').meaning).toContain('all 5 that were tried');
    expect(statuses(report)).toMatchObject({ folders: 'skipped', messages: 'skipped' });
    expect(report.outcome).toBe('warning');
  });

  test.each([
    ['is closed by a policy', 'policy', GOOD, /closed to the app by a policy/, /Get-ApplicationAccessPolicy/],
    ['is closed for want of a permission', 'denied', ['User.Read.All'], /closed to the app\./, /tick Mail\.Read/],
    ['does not exist', 'none', GOOD, /does not exist, or has no mailbox/, /Check the address/],
  ] as const)('that were named: one that %s fails', async (_name, mailbox, roles, meaning, advice) => {
    const report = await reportFor({ roles, mailboxes: [mailbox], request: { mailbox: 'user1@harbour.example' } });
    expect(finding(report, 'mailboxes').status).toBe('failed');
    expect(finding(report, 'mailboxes').meaning).toMatch(meaning);
    expect(finding(report, 'mailboxes').advice).toMatch(advice);
    expect(report.outcome).toBe('failed');
  });

  test('that hold no message, or that nobody has, leave open whether bodies can be read', async () => {
    const empty = await reportFor({ messages: [] });
    expect(statuses(empty)).toMatchObject({ 'Mail.Read': 'passed', messages: 'skipped' });
    const nobody = await reportFor({ users: (_request, response) => json(response, 200, { value: [] }) });
    expect(statuses(nobody)).toMatchObject({ 'Mail.Read': 'passed', mailboxes: 'skipped', messages: 'skipped' });
  });
});

describe('The end of a credential', () => {
  test.each([
    [100, 'passed', /in 100 days/],
    [29, 'warning', /expires in 29 days/],
    [1, 'warning', /expires in 1 day,/],
    [-1, 'warning', /has expired/],
  ])('that was told to be in %i days is %s', async (days, status, meaning) => {
    const report = await reportFor({ request: { secretExpiresAt: inDays(days) } });
    expect(finding(report, 'expiry')).toMatchObject({ status });
    expect(finding(report, 'expiry').meaning).toMatch(meaning);
  });

  test('is read from a certificate', async () => {
    const credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') } as const;
    const report = await reportFor({ connection: { ...CONNECTION, credential } });
    expect(finding(report, 'expiry').meaning).toMatch(/^The certificate .*\d{4}-\d\d-\d\d/);
  });

  test('is asked of Graph where the app may see it, and found by the first characters', async () => {
    const good = graphOf({});
    const graph: Script = (request, response) => {
      if (!request.path.includes('/applications(')) return good(request, response);
      json(response, 200, {
        passwordCredentials: [
          { hint: 'xyz', endDateTime: inDays(3) },
          { hint: 'a-s', endDateTime: inDays(20) },
        ],
      });
    };
    const report = await reportFor({ graph, roles: [...GOOD, 'Application.Read.All'] });
    expect(finding(report, 'expiry')).toMatchObject({ status: 'warning' });
    expect(report.expiresAt?.slice(0, 10)).toBe(inDays(20).slice(0, 10));
  });
});

describe('An examination', () => {
  test('ends when it is told to', async () => {
    await using server = await scripted(() => undefined, { entra: entraWith(GOOD) });
    const stop = new AbortController();
    const options = { graphUrl: server.url, authorityUrl: server.url };
    const running = examine(CONNECTION, options, {}, stop.signal);
    await expect.poll(() => server.seen.length).toBe(1);
    stop.abort(new Error('told to'));
    await expect(running).rejects.toThrow('told to');
  });
});
