import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApiStage, type ApiStage, type Body } from './support/stage.ts';

const AUTH = {
  clientId: '11111111-2222-3333-4444-555555555555',
  clientSecret: 'a-secret-that-is-long-enough',
  tenantId: '66666666-7777-8888-9999-000000000000',
};
const CONFIG = { scanId: 'scan-1', organizationId: 'contoso', type: ['email'], auth: AUTH };

const without = (name: keyof typeof AUTH): object => ({ ...AUTH, [name]: undefined });

const NASTY_IDS = [
  ['empty', ''],
  ['a quote', "o'brien"],
  ['a semicolon', 'a;b'],
  ['a slash', 'a/b'],
  ['dots and slashes', '../../etc/passwd'],
  ['SQL', "x'; DROP SCHEMA outhaul CASCADE; --"],
  ['a double quote', 'a"b'],
  ['a space', 'a b'],
  ['Unicode', 'organización'],
  ['look-alikes', 'аdmin'],
  ['emoji', '😀'],
  ['a NUL', 'a\u0000b'],
  ['a lone surrogate', 'a\ud800'],
  ['a line break', 'a\nb'],
  ['a final line break', 'abc\n'],
  ['101 characters', 'a'.repeat(101)],
  ['1,000 characters', 'a'.repeat(1000)],
  ['a percent sign', '%00'],
  ['a template', '${7*7}'],
] as const;

/** What is wrong, the config that has it, the field at fault, and the words for it. */
const BAD_CONFIGS: [what: string, config: unknown, path: string, message: string | RegExp][] = [
  ['no Client ID', { ...CONFIG, auth: without('clientId') }, 'config.auth.clientId', 'Client ID is required'],
  [
    'no Client Secret',
    { ...CONFIG, auth: without('clientSecret') },
    'config.auth.clientSecret',
    'Client Secret is required',
  ],
  ['no Tenant ID', { ...CONFIG, auth: without('tenantId') }, 'config.auth.tenantId', 'Tenant ID is required'],
  [
    'a null secret',
    { ...CONFIG, auth: { ...AUTH, clientSecret: null } },
    'config.auth.clientSecret',
    'Client Secret is required',
  ],
  [
    'a short secret',
    { ...CONFIG, auth: { ...AUTH, clientSecret: '123456789' } },
    'config.auth.clientSecret',
    /at least 10/,
  ],
  ['an empty client id', { ...CONFIG, auth: { ...AUTH, clientId: '' } }, 'config.auth.clientId', /at least 10/],
  ['a numeric client id', { ...CONFIG, auth: { ...AUTH, clientId: 1234567890 } }, 'config.auth.clientId', /string/],
  [
    'a tenant that is a path',
    { ...CONFIG, auth: { ...AUTH, tenantId: 'common/../other' } },
    'config.auth.tenantId',
    /GUID or a domain/,
  ],
  [
    'a secret with a NUL',
    { ...CONFIG, auth: { ...AUTH, clientSecret: 'abcdefghij\u0000' } },
    'config.auth.clientSecret',
    /ASCII/,
  ],
  [
    'a secret of 1,001 characters',
    { ...CONFIG, auth: { ...AUTH, clientSecret: 'x'.repeat(1001) } },
    'config.auth.clientSecret',
    /at most 1000/,
  ],
  [
    'an unknown credential field',
    { ...CONFIG, auth: { ...AUTH, accessToken: 'x' } },
    'config.auth.accessToken',
    'is not a known field',
  ],
  [
    'a certificate that is none',
    { ...CONFIG, auth: { ...without('clientSecret'), clientCertificate: 'x' } },
    'config.auth.clientCertificate',
    /no certificate/,
  ],
  [
    'a certificate of a wrong type',
    { ...CONFIG, auth: { ...without('clientSecret'), clientCertificate: 5 } },
    'config.auth.clientCertificate',
    /PEM/,
  ],
  [
    'secret and certificate',
    { ...CONFIG, auth: { ...AUTH, clientCertificate: 'x' } },
    'config.auth.clientCertificate',
    /not both|no certificate/,
  ],
  ['auth as text', { ...CONFIG, auth: 'secret' }, 'config.auth', /object/],
  ['no scanId', { ...CONFIG, scanId: undefined }, 'config.scanId', /string/],
  ['a numeric scanId', { ...CONFIG, scanId: 5 }, 'config.scanId', /string/],
  ['no organizationId', { ...CONFIG, organizationId: undefined }, 'config.organizationId', /string/],
  ['an organizationId in a list', { ...CONFIG, organizationId: ['contoso'] }, 'config.organizationId', /string/],
  ['a type of nothing', { ...CONFIG, type: [] }, 'config.type', /"email"/],
  ['a type of calendars', { ...CONFIG, type: ['calendar'] }, 'config.type.0', /only "email"/],
  ['a type as text', { ...CONFIG, type: 'email' }, 'config.type', /array/],
  ['an unknown mode', { ...CONFIG, mode: 'everything' }, 'config.mode', /full/],
  ['an unknown field', { ...CONFIG, priority: 1 }, 'config.priority', 'is not a known field'],
  ['filters as a list', { ...CONFIG, filters: [] }, 'config.filters', /object/],
  ['an unknown filter', { ...CONFIG, filters: { subject: 'x' } }, 'config.filters.subject', 'is not a known field'],
  ['no folder', { ...CONFIG, filters: { folders: [] } }, 'config.filters.folders', /at least one/],
  ['an empty folder', { ...CONFIG, filters: { folders: ['inbox', ''] } }, 'config.filters.folders.1', /empty/],
  [
    'a folder of 256 characters',
    { ...CONFIG, filters: { folders: ['x'.repeat(256)] } },
    'config.filters.folders.0',
    /at most 255/,
  ],
  [
    'a folder with a NUL',
    { ...CONFIG, filters: { folders: ['in\u0000box'] } },
    'config.filters.folders.0',
    /control characters/,
  ],
  [
    'a folder with half a pair',
    { ...CONFIG, filters: { folders: ['in\udfffbox'] } },
    'config.filters.folders.0',
    /control characters/,
  ],
  [
    '101 folders',
    { ...CONFIG, filters: { folders: Array(101).fill('inbox') } },
    'config.filters.folders',
    /at most 100/,
  ],
  ['mailboxes as a list', { ...CONFIG, filters: { mailboxes: ['x'] } }, 'config.filters.mailboxes', /object/],
  [
    'an unknown mailbox filter',
    { ...CONFIG, filters: { mailboxes: { only: [] } } },
    'config.filters.mailboxes.only',
    'is not a known field',
  ],
  [
    'a mailbox that is null',
    { ...CONFIG, filters: { mailboxes: { include: [null] } } },
    'config.filters.mailboxes.include.0',
    /string/,
  ],
  ['a time of no form', { ...CONFIG, filters: { since: 'yesterday' } }, 'config.filters.since', /ISO 8601/],
  [
    'a day that does not exist',
    { ...CONFIG, filters: { since: '2026-02-30T00:00:00Z' } },
    'config.filters.since',
    /ISO 8601/,
  ],
  [
    'an end before its beginning',
    { ...CONFIG, filters: { since: '2026-02-01', until: '2026-01-01' } },
    'config.filters.until',
    /later than since/,
  ],
  [
    'content of another kind',
    { ...CONFIG, filters: { content: 'bodies' } },
    'config.filters.content',
    /must be one of headers, full, attachments, mime/,
  ],
];

describe('a malformed request', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(async () => {
    await stage.close();
  });

  const start = (body: unknown) => stage.call('POST', '/api/v1/scan/start', { body });
  const detailsOf = (body: Body) => body['details'] as unknown as { path: string; message: string }[];

  it.each(BAD_CONFIGS)('to start a scan with %s is refused by name', async (_what, config, path, message) => {
    const { status, body } = await start({ config });
    expect(status).toBe(400);
    const found = detailsOf(body).find((detail) => detail.path === path);
    expect(found?.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(body['message']).toContain(found?.message);
    expect(body['requestId']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is told all its faults at once', async () => {
    const { status, body } = await start({
      config: { scanId: 'a b', type: ['x'], auth: {}, surprise: 1 },
      other: true,
    });
    expect(status).toBe(400);
    expect(
      detailsOf(body)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      'config.auth.clientId',
      'config.auth.clientSecret',
      'config.auth.tenantId',
      'config.organizationId',
      'config.scanId',
      'config.surprise',
      'config.type.0',
      'other',
    ]);
  });

  it('without auth, of an organization without a connection, names the three parts', async () => {
    const { status, body } = await start({ config: { ...CONFIG, auth: undefined } });
    expect(status).toBe(400);
    expect(detailsOf(body).map(({ message }) => message)).toEqual([
      'Client ID is required',
      'Client Secret is required',
      'Tenant ID is required',
    ]);
  });

  it.each(NASTY_IDS)('with %s as an id is refused in a body', async (_what, id) => {
    for (const name of ['scanId', 'organizationId']) {
      const { status, body } = await start({ config: { ...CONFIG, [name]: id } });
      expect(status).toBe(400);
      expect(detailsOf(body)).toContainEqual({
        path: `config.${name}`,
        message: 'must be 1 to 100 letters, digits, ".", "_" or "-"',
      });
    }
  });

  it.each(NASTY_IDS.filter(([what]) => what !== 'empty' && what !== 'a lone surrogate'))(
    'with %s as an id is refused in a path and in a query',
    async (_what, id) => {
      const part = encodeURIComponent(id);
      for (const [method, path] of [
        ['GET', `/api/v1/scan/${part}/status`],
        ['POST', `/api/v1/scan/${part}/cancel`],
        ['GET', `/api/v1/results/${part}/tables`],
        ['GET', `/api/v1/results/${part}/data?tableName=emails`],
        ['GET', `/api/v1/scan/scan-1/status?organizationId=${part}`],
        ['GET', `/api/v1/scan/statistics?organizationId=${part}`],
        ['GET', `/api/v1/scans?organizationId=${part}`],
        ['POST', `/api/v1/maintenance/detect-crashed?organizationId=${part}`],
        ['GET', `/api/v1/keys?organizationId=${part}`],
      ] as const) {
        expect((await stage.call(method, path)).status, `${method} ${path}`).toBe(400);
      }
    },
  );

  it.each([
    ['tableName=emails;DROP TABLE emails', 'tableName'],
    ["tableName=emails' OR '1'='1", 'tableName'],
    ['tableName=pg_shadow', 'tableName'],
    ['tableName=outhaul.api_keys', 'tableName'],
    ['tableName=sync_state', 'tableName'],
    ['tableName=EMAILS', 'tableName'],
    ['tableName=', 'tableName'],
    ['', 'tableName'],
    ['tableName=emails&tableName=mailboxes', 'tableName'],
    ['tableName=emails&limit=0', 'limit'],
    ['tableName=emails&limit=1001', 'limit'],
    ['tableName=emails&limit=-1', 'limit'],
    ['tableName=emails&limit=ten', 'limit'],
    ['tableName=emails&limit=1e2', 'limit'],
    ['tableName=emails&limit=1.5', 'limit'],
    ['tableName=emails&limit=', 'limit'],
    ['tableName=emails&limit=99999999999999999999', 'limit'],
    ['tableName=emails&offset=-1', 'offset'],
    ['tableName=emails&offset=x', 'offset'],
    ['tableName=emails&offset=0&cursor=abc', 'cursor'],
    ['tableName=emails&cursor=', 'cursor'],
  ])('for rows with ?%s names %s', async (query, path) => {
    const { status, body } = await stage.call('GET', `/api/v1/results/scan-1/data?${encodeURI(query)}`);
    expect(status).toBe(400);
    expect(detailsOf(body).map((detail) => detail.path)).toEqual([path]);
  });

  it('for an unknown table lists the tables', async () => {
    const { body } = await stage.call('GET', '/api/v1/results/scan-1/data?tableName=nope');
    expect(body['message']).toContain('mailboxes, mail_folders, emails');
  });

  it.each(['0', '-1', '10081', 'ten', '1.5', ''])(
    'for maintenance with a time-out of %j is refused',
    async (minutes) => {
      const { status, body } = await stage.call('POST', `/api/v1/maintenance/detect-crashed?timeoutMinutes=${minutes}`);
      expect(status).toBe(400);
      expect(detailsOf(body).map(({ path }) => path)).toEqual(['timeoutMinutes']);
    },
  );

  it.each([
    ['broken JSON', '{"config": '],
    ['a stray word', 'hello'],
    ['a number', '5'],
    ['a text', '"config"'],
    ['null', 'null'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['JSON with a NUL byte', '{"config": "\u0000"}'],
  ])('whose body is %s answers 400', async (_what, body) => {
    const answer = await stage.call('POST', '/api/v1/scan/start', { body });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ success: false, error: 'Bad Request' });
  });

  it('without a body answers 400', async () => {
    expect((await stage.call('POST', '/api/v1/scan/start')).status).toBe(400);
  });

  it('in another form than JSON is told which header to send', async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const { status, body } = await stage.call('POST', '/api/v1/scan/start', { body: 'config=1', headers });
    expect(status).toBe(400);
    expect(body['message']).toContain('Content-Type: application/json');
  });

  it.each([
    ['an unknown charset', { 'Content-Type': 'application/json; charset=klingon' }],
    ['an unknown encoding', { 'Content-Encoding': 'klingon' }],
    ['a false encoding', { 'Content-Encoding': 'gzip' }],
  ])('in %s answers 400', async (_what, headers) => {
    const { status } = await stage.call('POST', '/api/v1/scan/start', { body: { config: CONFIG }, headers });
    expect(status).toBe(400);
  });

  it('that tries the prototype is refused by name', async () => {
    const body = `{"config": {"__proto__": {"admin": true}, "constructor": 1}}`;
    const answer = await stage.call('POST', '/api/v1/scan/start', { body });
    expect(answer.status).toBe(400);
    const paths = detailsOf(answer.body).map(({ path }) => path);
    expect(paths).toContain('config.__proto__');
    expect(paths).toContain('config.constructor');
  });

  it('with a body above 256 KB answers 413', async () => {
    const { status, body } = await start({ config: CONFIG, padding: 'x'.repeat(300_000) });
    expect(status).toBe(413);
    expect(body).toMatchObject({ success: false, error: 'Payload Too Large', message: 'The body is too large' });
  });

  it('with ten thousand faults is answered briefly', async () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}`, 1]));
    const { status, body } = await start({ config: { ...CONFIG, ...many } });
    expect(status).toBe(400);
    expect(JSON.stringify(body).length).toBeLessThan(10_000);
  });

  it('for a path that is not there answers 404, for a method that is not 405', async () => {
    const nothing = await stage.call('GET', '/api/v1/nothing/here');
    expect(nothing).toMatchObject({ status: 404, body: { success: false, error: 'Not Found' } });
    const put = await stage.call('PUT', '/api/v1/scan/statistics');
    expect(put.status).toBe(405);
    expect(put.headers.get('allow')).toBe('GET');
    expect((await stage.call('DELETE', '/health')).status).toBe(405);
  });

  it('whose path cannot be decoded answers 400', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { Authorization: `Bearer ${stage.adminKey}` };
      httpRequest(`${stage.api.url}/api/v1/scan/%E0%A4%A/status`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(400);
  });

  it('changes nothing in the database', async () => {
    const { rows } = await stage.db.pool.query('SELECT FROM outhaul.scans');
    expect(rows).toHaveLength(0);
    const { rows: organizations } = await stage.db.pool.query('SELECT FROM outhaul.organizations');
    expect(organizations).toHaveLength(0);
  });

  it('never has its secret repeated, in the answer or in the log', async () => {
    const secret = 'very-secret-value-0123456789';
    for (const clientSecret of [secret, [secret], { [secret]: 1 }]) {
      const { body } = await start({ config: { ...CONFIG, scanId: '?', auth: { ...AUTH, clientSecret } } });
      expect(JSON.stringify(body)).not.toContain(secret);
    }
    await start(`{"config": {"auth": {"clientSecret": "${secret}" `);
    expect(stage.lines.join('')).not.toContain(secret);
  });
});

describe('a request', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ environment: { CORS_ORIGINS: 'https://dashboard.example' } });
  });
  afterAll(() => stage.close());

  it('may bring its id, which the answer, its header and the log then have', async () => {
    const headers = { 'X-Request-Id': 'my-request.1' };
    const answer = await stage.call('GET', '/api/v1/scan/not-there/status', { headers });
    expect(answer.headers.get('x-request-id')).toBe('my-request.1');
    expect(answer.body['requestId']).toBe('my-request.1');
    const lines = stage.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        requestId: 'my-request.1',
        method: 'GET',
        route: '/api/v1/scan/{scanId}/status',
        status: 404,
      }),
    );
  });

  it.each(['a b', 'x'.repeat(101), '"quoted"', '<script>'])('has a strange id replaced: %s', async (id) => {
    const answer = await stage.call('GET', '/health', { headers: { 'X-Request-Id': id } });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('from a page of an origin that is allowed may be made, from others not', async () => {
    const preflight = (origin: string) =>
      stage.call('OPTIONS', '/api/v1/scan/start', {
        key: '',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization,content-type',
        },
      });
    const allowed = await preflight('https://dashboard.example');
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://dashboard.example');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('Authorization');
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is answered with headers that keep browsers careful, and says nothing of what runs here', async () => {
    const { headers } = await stage.call('GET', '/api/v1/scan/statistics');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('cache-control')).toBe('no-store');
  });
});
