import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const OTHER = '1f8fad5b-d9cb-469f-a165-70867728950e';

const destination = (more: object = {}) => ({
  id: ID,
  organizationId: 'contoso',
  name: 'invoices',
  kind: 'utility',
  settings: {
    ...{ filters: { sender: ['company.com'] }, attempts: 3, maxWaitSeconds: 604_800, allowPrivate: false },
    ...{ endpoint: 'https://utility.example', concurrency: 25, timeoutSeconds: 30, priority: 'medium' },
  },
  hasSecret: true,
  status: 'active',
  starts: 'now',
  fed: true,
  circuit: { state: 'closed', failures: 0, since: null, until: null },
  health: { healthy: true, detail: 'It answers 200', latencyMs: 3, checkedAt: '2026-11-22T09:00:00.000Z' },
  ...{ waiting: 1, owed: 1200, sending: 34, dead: 5, delivered: 6, answered: 7 },
  oldestOwedAt: '2026-11-22T08:00:00.000Z',
  lastMinute: { delivered: 8, averageMs: 9 },
  createdAt: '2026-11-21T09:00:00.000Z',
  changedAt: '2026-11-21T10:00:00.000Z',
  ...more,
});

let api: FakeApi;
let folder: string;
let listed: object[];
let asked: { call: string; query: Record<string, string>; body: unknown }[];
let answer: () => { status?: number; body: object };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-destinations-'));
  [listed, asked] = [[destination()], []];
  answer = () => ({ body: { message: 'Destination invoices is done', destination: destination() } });
  api = await fakeApi((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://api');
      const body = await readBody(request);
      const query = Object.fromEntries(url.searchParams);
      asked.push({
        call: `${request.method} ${url.pathname}`,
        query,
        body: body === '' ? undefined : (JSON.parse(body) as unknown),
      });
      const isList = request.method === 'GET';
      const { status = 200, body: answered } = isList ? { body: { destinations: listed } } : answer();
      const success = status < 400;
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ success, ...answered }));
    })();
  });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const outhaul = (args: string[], options: Parameters<typeof runCli>[1] = {}) =>
  runCli(['destinations', ...args, '--url', api.url, '--data-dir', '/nonexistent'], options);
const file = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

describe('outhaul destinations list', () => {
  it('shows how each stands and what it is owed', async () => {
    listed.push(
      destination({
        ...{ id: OTHER, name: 'queue', kind: 'redis_list', status: 'paused' },
        health: { healthy: false, detail: 'The list is full', latencyMs: null, checkedAt: '2026-11-22T09:00:00Z' },
      }),
      destination({
        name: 'failing',
        circuit: { state: 'open', failures: 0, since: '2026-11-22T09:00:00.000Z', until: '2026-11-22T09:00:05.000Z' },
        health: null,
      }),
    );
    const { code, out } = await outhaul(['list', '--organization', 'contoso']);
    expect(code).toBe(0);
    expect(out).toMatch(/^NAME +ORGANIZATION +KIND +STATUS +WAITING +OWED +DEAD +DELIVERED +HEALTH/);
    expect(out).toMatch(/^invoices +contoso +utility +active +1 +1,234 +5 +6 +healthy/m);
    expect(out).toMatch(/^queue +contoso +redis_list +paused .*The list is full/m);
    expect(out).toMatch(/^failing .*failing, tried again at 09:00:05.*not known/m);
    expect(asked[0]).toMatchObject({ call: 'GET /api/v1/destinations', query: { organizationId: 'contoso' } });
    expect(JSON.parse((await outhaul(['list', '--json'])).out)).toHaveLength(3);
  });

  it('says so where there is none', async () => {
    listed = [];
    const { code, out, notes } = await outhaul(['list']);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(notes).toContain('outhaul destinations create');
  });
});

describe('outhaul destinations show', () => {
  it('shows all of one, by its name or its id', async () => {
    for (const name of ['invoices', ID.toUpperCase()]) {
      const { code, out } = await outhaul(['show', name]);
      expect(code).toBe(0);
      expect(out).toMatch(/^endpoint +https:\/\/utility\.example$/m);
      expect(out).toMatch(/^filters +\{"sender":\["company\.com"\]\}$/m);
      expect(out).toMatch(/^secret +kept$/m);
      expect(out).toMatch(/^owed +1,200, 34 being sent, 1 waiting for attachments$/m);
    }
    expect(JSON.parse((await outhaul(['show', 'invoices', '--json'])).out)).toEqual(destination());
  });

  it('says what to do where there is none, or several organizations have one', async () => {
    const none = await outhaul(['show', 'bills']);
    expect(none).toMatchObject({ code: 1, notes: expect.stringContaining('outhaul destinations list') as string });
    listed.push(destination({ id: OTHER, organizationId: 'fabrikam' }));
    const several = await outhaul(['show', 'invoices']);
    expect(several).toMatchObject({ code: 2, notes: expect.stringContaining('--organization') as string });
    expect((await outhaul(['show', OTHER])).code).toBe(0);
  });
});

describe('outhaul destinations create', () => {
  const create = (args: string[], options: Parameters<typeof runCli>[1] = {}) =>
    outhaul(['create', 'invoices', '--kind', 'utility', '--endpoint', 'https://utility.example', ...args], options);

  it('sends what the options name, and prints the id alone', async () => {
    const ca = await file('ca.pem', 'PEM');
    const settings = [
      '--concurrency',
      '10',
      '--timeout',
      '1m',
      '--priority',
      'high',
      '--attempts',
      '5',
      '--max-wait',
      '2d',
    ];
    const filters = ['--sender', 'company.com,ada@fabrikam.example', '--subject', 'Invoice, paid', '--subject', 'Bill'];
    const more = ['--no-has-attachments', '--attachment-type', '.pdf', '--max-attachment-size', '10MB', '--ca', ca];
    const { code, out, notes } = await create([...settings, ...filters, ...more, '--organization', 'contoso']);
    expect({ code, out }).toEqual({ code: 0, out: `${ID}\n` });
    expect(notes).toContain('Destination invoices is done.');
    expect(asked).toEqual([
      {
        call: 'POST /api/v1/destinations',
        query: {},
        body: {
          ...{ organizationId: 'contoso', name: 'invoices', kind: 'utility' },
          settings: {
            ...{ endpoint: 'https://utility.example', concurrency: 10, timeoutSeconds: 60, priority: 'high' },
            ...{ attempts: 5, maxWaitSeconds: 172_800, ca: 'PEM' },
            filters: {
              ...{ sender: ['company.com', 'ada@fabrikam.example'], subject: ['Invoice, paid', 'Bill'] },
              ...{ hasAttachments: false, attachmentType: ['.pdf'], maxAttachmentBytes: 10_000_000 },
            },
          },
        },
      },
    ]);
  });

  it('makes the other kinds', async () => {
    const redis = ['--redis', 'rediss://redis.example', '--username', 'u', '--list', 'mail', '--max-length', '50'];
    await outhaul(['create', 'queue', '--kind', 'redis_list', ...redis, '--starts', 'stored']);
    expect(asked[0]?.body).toEqual({
      ...{ name: 'queue', kind: 'redis_list', starts: 'stored' },
      settings: { url: 'rediss://redis.example', username: 'u', list: 'mail', maxLength: 50 },
    });
    await outhaul(['create', 'files', '--kind', 'folder', '--directory', '/var/mail']);
    expect(asked[1]?.body).toEqual({ name: 'files', kind: 'folder', settings: { directory: '/var/mail' } });
    const batch = ['--endpoint', 'http://10.0.0.1', '--allow-private', '--batch-items', '7', '--batch-wait', '0s'];
    await outhaul(['create', 'batch', '--kind', 'batch', ...batch]);
    expect(asked[2]?.body).toMatchObject({
      settings: { endpoint: 'http://10.0.0.1', allowPrivate: true, batchItems: 7, batchWaitSeconds: 0 },
    });
  });

  it('takes secrets from the environment, a file or standard input', async () => {
    await create(['--with-token'], { env: { DESTINATION_TOKEN: 'S3cret' } });
    expect(asked[0]?.body).toMatchObject({ secret: { token: 'S3cret' } });
    const [token, key] = [await file('token', 'T0ken\n'), await file('key', 'whsec_x')];
    await create(['--token-file', token, '--signing-key-file', key]);
    expect(asked[1]?.body).toMatchObject({ secret: { token: 'T0ken', signingKey: 'whsec_x' } });
    await create(['--token-file', '-'], { stdin: 'from-stdin\n' });
    expect(asked[2]?.body).toMatchObject({ secret: { token: 'from-stdin' } });
    const redis = ['create', 'queue', '--kind', 'redis_list', '--redis', 'redis://r', '--with-password'];
    await outhaul(redis, { env: { DESTINATION_PASSWORD: 'p' } });
    expect(asked[3]?.body).toMatchObject({ secret: { password: 'p' } });
    await create([], { env: { DESTINATION_TOKEN: 'S3cret' } });
    expect(asked[4]?.body).not.toHaveProperty('secret');
  });

  it.each([
    [['--token', 'S3cret-value'], 'A token is not taken as an argument'],
    [['--password', 'S3cret-value'], 'A password is not taken as an argument'],
    [['--signing-key', 'S3cret-value'], 'A signing key is not taken as an argument'],
    [['--with-token'], 'Bearer token: it is missing'],
    [['--with-token', '--token-file', 'x'], 'several of its options'],
    [['--max-attachment-size', 'ten'], 'It must be a number of bytes'],
    [['--concurrency', '0'], 'between 1 and 200'],
    [['--priority', 'urgent'], 'Allowed choices are high, medium, low'],
    [['--timeout', '30'], 'It must be a length of time'],
  ])('refuses %j with what to do', async (args, words) => {
    const { code, notes } = await create(args);
    expect(code).toBe(2);
    expect(notes).toContain(words);
    expect(notes).not.toContain('S3cret-value');
    expect(asked).toEqual([]);
  });

  it('shows a signing key that was made, this once', async () => {
    answer = () => ({ body: { message: 'm', destination: destination(), signingKey: 'whsec_made' } });
    const { out, notes } = await create([]);
    expect(out).toBe(`${ID}\n`);
    expect(notes).toMatch(/shown this once:\n {2}whsec_made/);
    expect(JSON.parse((await create(['--json'])).out)).toMatchObject({ signingKey: 'whsec_made' });
  });

  it('needs a kind, and tells what the API refuses', async () => {
    expect((await outhaul(['create', 'invoices'])).code).toBe(2);
    answer = () => ({
      status: 400,
      body: { error: 'Bad Request', message: 'settings.endpoint: must be https', requestId: 'r' },
    });
    const { code, notes } = await create([]);
    expect(code).toBe(1);
    expect(notes).toContain('settings.endpoint: must be https');
  });
});

describe('outhaul destinations change', () => {
  const change = (...args: string[]) => outhaul(['change', 'invoices', ...args]);

  it('changes what the options name, and keeps the other filters', async () => {
    const { code } = await change('--name', 'bills', '--concurrency', '3', '--direction', 'sent');
    expect(code).toBe(0);
    expect(asked.at(-1)).toEqual({
      call: `PATCH /api/v1/destinations/${ID}`,
      query: {},
      body: { name: 'bills', settings: { concurrency: 3, filters: { sender: ['company.com'], direction: 'sent' } } },
    });
    await change('--clear-filters');
    expect(asked.at(-1)?.body).toEqual({ settings: { filters: {} } });
    await change('--clear-filters', '--direction', 'sent');
    expect(asked.at(-1)?.body).toEqual({ settings: { filters: { direction: 'sent' } } });
  });

  it('changes parts of the secret', async () => {
    await change('--without-token', '--new-signing-key');
    expect(asked.at(-1)?.body).toEqual({ secret: { token: null, signingKey: null } });
    await change('--without-password');
    expect(asked.at(-1)?.body).toEqual({ secret: { password: null } });
  });

  it('wants to know what', async () => {
    const { code, notes } = await change();
    expect(code).toBe(2);
    expect(notes).toContain('What is to be changed?');
    expect((await change('--without-token', '--token-file', 'x')).code).toBe(2);
    expect(asked.some(({ call }) => call.startsWith('PATCH'))).toBe(false);
  });
});

describe('outhaul destinations', () => {
  it.each(['pause', 'resume'])('%ss one', async (action) => {
    const { code, notes } = await outhaul([action, 'invoices']);
    expect({ code, notes }).toEqual({ code: 0, notes: 'Destination invoices is done.\n' });
    expect(asked.at(-1)?.call).toBe(`POST /api/v1/destinations/${ID}/${action}`);
  });

  it('tests one, and exits with 1 where it is not well', async () => {
    answer = () => ({ body: { id: ID, healthy: true, latencyMs: 12, detail: 'It answers 200' } });
    expect(await outhaul(['test', 'invoices'])).toMatchObject({
      ...{ code: 0, out: 'invoices is healthy: It answers 200 (12 ms)\n' },
    });
    answer = () => ({ body: { id: ID, healthy: false, latencyMs: 12, detail: 'It answers 503' } });
    expect(await outhaul(['test', 'invoices'])).toMatchObject({
      ...{ code: 1, out: 'invoices is not healthy: It answers 503 (12 ms)\n' },
    });
    const json = await outhaul(['test', 'invoices', '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ healthy: false });
  });

  it('replays a time to one', async () => {
    await outhaul(['replay', 'invoices', '--since', '2026-11-20', '--until', '2026-11-21T10:00:00Z']);
    expect(asked.at(-1)).toMatchObject({
      call: `POST /api/v1/destinations/${ID}/replay`,
      body: { since: '2026-11-20', until: '2026-11-21T10:00:00Z' },
    });
    expect((await outhaul(['replay', 'invoices'])).code).toBe(2);
    expect((await outhaul(['replay', 'invoices', '--since', 'yesterday'])).code).toBe(2);
  });

  it('deletes one, and tells what is owed', async () => {
    answer = () => ({
      status: 409,
      body: { error: 'Conflict', message: 'Destination invoices is owed 3 deliveries still', requestId: 'r' },
    });
    expect(await outhaul(['delete', 'invoices'])).toMatchObject({
      ...{ code: 1, notes: expect.stringContaining('owed 3 deliveries') as string },
    });
    expect(asked.at(-1)).toMatchObject({ call: `DELETE /api/v1/destinations/${ID}`, query: {} });
    answer = () => ({ body: { id: ID, dropped: 3, message: 'Destination invoices is removed' } });
    const { code, notes } = await outhaul(['delete', 'invoices', '--drop']);
    expect(code).toBe(0);
    expect(notes).toContain('3 deliveries are gone with it.');
    expect(asked.at(-1)?.query).toEqual({ drop: 'true' });
  });
});
