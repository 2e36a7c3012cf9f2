import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { deliverWorkflowId, feedWorkflowId } from '../../model/ids.ts';
import { loadDestination } from '../../store/destinations.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { startReceiver, type Receiver } from '../destinations/support/receiver.ts';
import { openTestRedis } from '../support/redis.ts';
import { listOf, openApiStage, textOf, type ApiStage, type Body, type TestAnswer } from './support/stage.ts';

const PATH = '/api/v1/destinations';
const ENDPOINT = 'https://93.184.215.14/api';
const KEY = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const filters = (some: object): object => ({ settings: { endpoint: ENDPOINT, filters: some } });

describe('destinations, over the API', () => {
  let stage: ApiStage;
  let receiver: Receiver;
  let connection: Connection;
  let temporal: Client;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    [stage, receiver] = await Promise.all([openApiStage(), startReceiver()]);
    connection = await Connection.connect({ address: inject('temporalAddress') });
    temporal = new Client({ connection, namespace: inject('temporalNamespace') });
  });
  beforeEach(async () => {
    organizationId = stage.organization('destined');
    await ensureOrganization(stage.db, organizationId);
    key = await stage.keyOf(organizationId);
  });
  afterAll(async () => {
    await Promise.all([stage?.close(), receiver?.close(), connection?.close()]);
  });

  const ask = (method: string, path: string, body?: object): Promise<TestAnswer> =>
    stage.call(method, path, { key, ...(body && { body }) });
  const create = (over: object = {}): Promise<TestAnswer> =>
    ask('POST', PATH, { name: 'invoices', kind: 'utility', settings: { endpoint: ENDPOINT }, ...over });
  /** By an administrator. */
  const createFreely = (body: object): Promise<TestAnswer> =>
    stage.call('POST', PATH, { body: { organizationId, name: 'free', ...body } });
  const idOf = ({ body }: TestAnswer): string => textOf(body['destination']?.['id']);
  const show = async (id: string): Promise<Body> => (await ask('GET', `${PATH}/${id}`)).body['destination']!;
  const statusOf = async (workflowId: string): Promise<string> =>
    (await temporal.workflow.getHandle(workflowId).describe()).status.name;
  const terminate = (workflowId: string) => temporal.workflow.getHandle(workflowId).terminate();
  const audited = async (): Promise<string[]> => {
    const { rows } = await stage.db.pool.query<{ action: string }>(
      'SELECT action FROM outhaul.audit_log WHERE organization_id = $1 ORDER BY entry_no',
      [organizationId],
    );
    return rows.map(({ action }) => action).filter((action) => action.startsWith('destination.'));
  };

  it('are made with the defaults, shown, and listed', async () => {
    const { status, body } = await create({ settings: { endpoint: ENDPOINT, filters: { sender: ['company.com'] } } });
    expect(status).toBe(201);
    expect(body['destination']).toMatchObject({
      organizationId,
      name: 'invoices',
      kind: 'utility',
      settings: {
        endpoint: ENDPOINT,
        filters: { sender: ['company.com'] },
        attempts: 3,
        maxWaitSeconds: 604_800,
        concurrency: 25,
        timeoutSeconds: 30,
        priority: 'medium',
        allowPrivate: false,
      },
      hasSecret: true,
      status: 'active',
      starts: 'now',
      circuit: { state: 'closed', failures: 0, since: null, until: null },
      ...{ waiting: 0, owed: 0, sending: 0, dead: 0, delivered: 0, answered: 0, oldestOwedAt: null },
      lastMinute: { delivered: 0, averageMs: null },
    });
    expect(await show(textOf(body['destination']?.['id']))).toEqual(body['destination']);
    expect((await ask('GET', PATH)).body).toEqual({ success: true, destinations: [body['destination']] });
    expect(await audited()).toEqual(['destination.create']);
  });

  it('may be of each kind', async () => {
    const kinds = [
      { kind: 'redis_list', settings: { url: 'rediss://93.184.215.14:6379/2', username: 'outhaul', maxLength: 5 } },
      { kind: 'batch', settings: { endpoint: `${ENDPOINT}/`, batchItems: 500, batchWaitSeconds: 0 } },
      { kind: 'utility', settings: { endpoint: ENDPOINT, priority: 'high', concurrency: 50 } },
    ];
    for (const one of kinds) {
      const made = await create({ name: one.kind, ...one });
      expect(made).toMatchObject({ status: 201, body: { destination: one } });
    }
    const folder = await createFreely({ kind: 'folder', settings: { directory: '/var/lib/attachments' } });
    expect(folder).toMatchObject({ status: 201, body: { destination: { kind: 'folder', hasSecret: false } } });
  });

  it('get a signing key where none is given, which is shown that once', async () => {
    const made = await create();
    const signingKey = textOf(made.body['signingKey']);
    expect(signingKey).toMatch(/^whsec_/);
    const kept = await loadDestination(stage.db, idOf(made));
    expect(kept?.secret).toEqual({ signingKey });
    const given = await create({ name: 'given', secret: { token: 'a-token', signingKey: KEY } });
    expect(given.body).not.toHaveProperty('signingKey');
    expect((await loadDestination(stage.db, idOf(given)))?.secret).toEqual({ token: 'a-token', signingKey: KEY });
  });

  it('show nothing of their secrets, anywhere', async () => {
    const secret = { token: 'T0ken-of-the-utility', signingKey: KEY };
    const made = await create({ secret });
    const redis = await create({
      ...{ name: 'redis', kind: 'redis_list', settings: { url: 'redis://93.184.215.14' } },
      secret: { password: 'Passw0rd of Redis' },
    });
    const answers = [made, redis, await ask('GET', PATH), await ask('GET', `${PATH}/${idOf(made)}`)];
    answers.push(await ask('PATCH', `${PATH}/${idOf(made)}`, { secret: { token: 'T0ken-of-the-utility' } }));
    answers.push(await create({ name: 'bad', secret: { token: 'T0ken-of-the-utility and more' } }));
    answers.push(await create({ settings: { endpoint: 'https://me:Passw0rd@93.184.215.14' } }));
    const { rows } = await stage.db.pool.query('SELECT a::text AS row FROM outhaul.audit_log a');
    const plain = await stage.db.pool.query('SELECT d::text AS row FROM outhaul.destinations d');
    const all = JSON.stringify([answers.map(({ body }) => body), rows, plain.rows]) + stage.lines.join('');
    for (const part of ['T0ken', 'Passw0rd', KEY]) expect(all).not.toContain(part);
  });

  it('are changed in what is named; null is the default again', async () => {
    const id = idOf(await create({ settings: { endpoint: ENDPOINT, concurrency: 5, filters: { direction: 'sent' } } }));
    const settings = { concurrency: null, priority: 'low', filters: { hasAttachments: true } };
    const { status, body } = await ask('PATCH', `${PATH}/${id}`, { name: 'bills', settings });
    expect(status).toBe(200);
    expect(body).not.toHaveProperty('signingKey');
    expect(body['destination']).toMatchObject({ id, name: 'bills' });
    expect(body['destination']?.['settings']).toMatchObject({
      ...{ endpoint: ENDPOINT, concurrency: 25, priority: 'low' },
      filters: { hasAttachments: true },
    });
    expect(body['destination']?.['settings']?.['filters']).toEqual({ hasAttachments: true });
    expect(await audited()).toEqual(['destination.create', 'destination.change']);
  });

  it('have parts of their secret changed, taken away, and a signing key made anew', async () => {
    const id = idOf(await create({ secret: { token: 'old', signingKey: KEY } }));
    const secretOf = async () => (await loadDestination(stage.db, id))?.secret;
    await ask('PATCH', `${PATH}/${id}`, { secret: { token: 'new' } });
    expect(await secretOf()).toEqual({ token: 'new', signingKey: KEY });
    const { body } = await ask('PATCH', `${PATH}/${id}`, { secret: { token: null, signingKey: null } });
    expect(textOf(body['signingKey'])).toMatch(/^whsec_/);
    expect(await secretOf()).toEqual({ signingKey: textOf(body['signingKey']) });
    const redis = idOf(
      await create({
        ...{ name: 'redis', kind: 'redis_list', settings: { url: 'redis://93.184.215.14' } },
        secret: { password: 'p' },
      }),
    );
    await ask('PATCH', `${PATH}/${redis}`, { secret: { password: null } });
    expect(await show(redis)).toMatchObject({ hasSecret: false });
  });

  it('are paused and resumed, which has their sender started', async () => {
    const id = idOf(await create());
    const paused = await ask('POST', `${PATH}/${id}/pause`);
    expect(paused).toMatchObject({ status: 200, body: { destination: { status: 'paused' } } });
    const resumed = await ask('POST', `${PATH}/${id}/resume`);
    expect(resumed).toMatchObject({ status: 200, body: { destination: { status: 'active' } } });
    expect(await statusOf(deliverWorkflowId(id))).toBe('RUNNING');
    await terminate(deliverWorkflowId(id));
    expect(await audited()).toEqual(['destination.create', 'destination.pause', 'destination.resume']);
  });

  it('that start with what is stored are fed', async () => {
    const id = idOf(await create({ starts: 'stored' }));
    expect(await show(id)).toMatchObject({ starts: 'stored', fed: false });
    expect(await statusOf(feedWorkflowId(id))).toBe('RUNNING');
    await terminate(feedWorkflowId(id));
  });

  it('are tested from here, without sending anything', async () => {
    const settings = { endpoint: receiver.url, allowPrivate: true };
    const id = idOf(await createFreely({ kind: 'utility', settings, secret: { token: 'a-token' } }));
    receiver.answer = (response) => void response.writeHead(200).end('{"status": "healthy"}');
    const { status, body } = await ask('POST', `${PATH}/${id}/test`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, healthy: true, detail: 'It answers 200 and says "healthy"' });
    expect(receiver.received.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /health']);
    expect(receiver.received[0]?.headers.authorization).toBe('Bearer a-token');
    receiver.answer = (response) => void response.writeHead(503).end();
    expect((await ask('POST', `${PATH}/${id}/test`)).body).toMatchObject({ healthy: false, detail: 'It answers 503' });
    expect(await audited()).toEqual(['destination.create', 'destination.test', 'destination.test']);
  });

  it('of the other kinds are tested by what they are', async () => {
    const redis = await openTestRedis();
    const folder = await mkdtemp(join(tmpdir(), 'outhaul-tested-'));
    try {
      const test = async (name: string, kind: string, settings: object): Promise<Body> => {
        const id = idOf(await createFreely({ name, kind, settings }));
        return (await ask('POST', `${PATH}/${id}/test`)).body;
      };
      const list = `list-${randomUUID()}`;
      const there = await test('redis', 'redis_list', { url: redis.url, list, maxLength: 7, allowPrivate: true });
      expect(there).toMatchObject({ healthy: true, detail: 'The list holds 0 of at most 7 items' });
      const away = await test('away', 'redis_list', { url: 'redis://127.0.0.1:1', allowPrivate: true });
      expect(away).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string });
      const writable = await test('folder', 'folder', { directory: join(folder, 'attachments') });
      expect(writable).toMatchObject({ healthy: true, detail: 'The folder can be written to' });
      await writeFile(join(folder, 'file'), '');
      const file = await test('file', 'folder', { directory: join(folder, 'file') });
      expect(file).toMatchObject({ healthy: false, detail: expect.stringContaining('cannot be written to') as string });
    } finally {
      await redis.stop();
      await rm(folder, { recursive: true });
    }
  });

  it('are removed; what is owed is said first, and dropped only on purpose', async () => {
    const id = idOf(await create());
    await stage.db.pool.query(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
        SELECT destination_no, organization_id, 1, no, false, 'owed', 1
        FROM outhaul.destinations CROSS JOIN generate_series(1, 3) no WHERE destination_id = $1`,
      [id],
    );
    expect(await show(id)).toMatchObject({ owed: 3 });
    const refused = await ask('DELETE', `${PATH}/${id}`);
    expect(refused.status).toBe(409);
    expect(textOf(refused.body['message'])).toMatch(/is owed 3 deliveries.*\?drop=true/);
    const removed = await ask('DELETE', `${PATH}/${id}?drop=true`);
    expect(removed).toMatchObject({ status: 200, body: { id, dropped: 3 } });
    expect((await ask('GET', `${PATH}/${id}`)).status).toBe(404);
    expect(await audited()).toEqual(['destination.create', 'destination.remove']);
  });

  it('have names of their own: a second one of a name answers 409', async () => {
    const [one, other] = [await create(), await create({ name: 'bills' })];
    expect(one.status).toBe(201);
    const again = await create();
    expect(again).toMatchObject({ status: 409, body: { message: expect.stringContaining('this name') as string } });
    expect((await ask('PATCH', `${PATH}/${idOf(other)}`, { name: 'invoices' })).status).toBe(409);
  });

  it('are seen by their organization alone: to another key they are unknown', async () => {
    const id = idOf(await create());
    const stranger = await stage.keyOf(stage.organization('stranger'));
    const calls: [string, string, object?][] = [
      ['GET', `${PATH}/${id}`],
      ['PATCH', `${PATH}/${id}`, { name: 'mine' }],
      ['POST', `${PATH}/${id}/pause`],
      ['POST', `${PATH}/${id}/resume`],
      ['POST', `${PATH}/${id}/test`],
      ['POST', `${PATH}/${id}/replay`, { since: '2026-01-01' }],
      ['DELETE', `${PATH}/${id}?drop=true`],
      ['GET', `${PATH}?organizationId=${organizationId}`],
      ['POST', PATH, { organizationId, name: 'x', kind: 'utility', settings: { endpoint: ENDPOINT } }],
    ];
    for (const [method, path, body] of calls) {
      expect((await stage.call(method, path, { key: stranger, body })).status, `${method} ${path}`).toBe(404);
    }
    expect((await stage.call('GET', PATH, { key: stranger })).body).toEqual({ success: true, destinations: [] });
    const all = await stage.call('GET', PATH);
    expect(listOf(all.body['destinations']).map((one) => textOf(one['id']))).toContain(id);
    expect((await ask('GET', `${PATH}/${randomUUID()}`)).status).toBe(404);
  });

  it('reach into folders and private networks only where an administrator says so', async () => {
    const folder = { kind: 'folder', settings: { directory: '/var/lib/attachments' } };
    expect(await create(folder)).toMatchObject({ status: 403, body: { error: 'Forbidden' } });
    const settings = { endpoint: 'http://10.1.2.3:9000', allowPrivate: true };
    expect((await create({ settings })).status).toBe(403);
    const id = idOf(await createFreely({ kind: 'utility', settings }));
    const change = (wanted: object) => ask('PATCH', `${PATH}/${id}`, { settings: wanted });
    expect((await change({ concurrency: 3 })).status).toBe(200);
    expect((await change({ endpoint: 'http://10.1.2.4:9000' })).status).toBe(403);
    expect((await change({ endpoint: ENDPOINT, allowPrivate: false })).status).toBe(200);
    expect((await change({ allowPrivate: true })).status).toBe(403);
    const inFolder = idOf(await createFreely({ name: 'folder', ...folder }));
    expect((await ask('PATCH', `${PATH}/${inFolder}`, { settings: { directory: '/etc' } })).status).toBe(403);
    expect((await ask('PATCH', `${PATH}/${inFolder}`, { settings: { attempts: 9 } })).status).toBe(200);
  });

  it('do not carry a password or a token that is stored to another server', async () => {
    const url = 'redis://10.1.2.3:6380/1';
    const redis = idOf(
      await createFreely({
        ...{ kind: 'redis_list', settings: { url, allowPrivate: true }, secret: { password: 'operators' } },
      }),
    );
    const change = (id: string, body: object) => ask('PATCH', `${PATH}/${id}`, body);
    const passwordOf = async () => (await loadDestination(stage.db, redis))?.secret.password;
    const mine = { url: 'rediss://93.184.215.14:6380/1', allowPrivate: false };
    const refused = await change(redis, { settings: mine });
    expect(refused.status).toBe(400);
    expect(textOf(refused.body['message'])).toMatch(/secret\.password: give the password again.*another place/);
    expect(await show(redis)).toMatchObject({ settings: { url } });
    const freely = (settings: object) => stage.call('PATCH', `${PATH}/${redis}`, { body: { settings } });
    expect((await freely({ url: 'redis://10.1.2.3:6380/2' })).status).toBe(200);
    expect(await passwordOf()).toBe('operators');
    expect((await freely(mine)).status).toBe(400);
    expect((await change(redis, { settings: mine, secret: { password: 'own' } })).status).toBe(200);
    expect(await passwordOf()).toBe('own');
    expect((await change(redis, { settings: { url: 'rediss://93.184.215.14' } })).status).toBe(400);

    for (const kind of ['utility', 'batch']) {
      const id = idOf(await create({ name: kind, kind, secret: { token: 'operators' } }));
      for (const endpoint of ['https://93.184.215.15/api', 'https://93.184.215.14:444/api']) {
        const moved = await change(id, { settings: { endpoint }, secret: { signingKey: null } });
        expect(textOf(moved.body['message'])).toMatch(/secret\.token: give the token again/);
      }
      expect((await change(id, { settings: { endpoint: 'https://93.184.215.14:443/v2' } })).status).toBe(200);
      const settings = { endpoint: 'https://93.184.215.15/api' };
      expect((await change(id, { settings, secret: { token: null } })).status).toBe(200);
      // Without a token nothing is carried: a signing key is never sent.
      expect((await change(id, { settings: { endpoint: ENDPOINT } })).status).toBe(200);
    }
  });

  it('do not carry a secret that no key here opens either', async () => {
    const id = idOf(await create({ secret: { token: 'operators' } }));
    const sealed = Buffer.from('no longer opened');
    await stage.db.pool.query('UPDATE outhaul.destinations SET sealed_secret = $2 WHERE destination_id = $1', [
      ...[id, sealed],
    ]);
    const settings = { endpoint: 'https://93.184.215.15/api' };
    expect((await ask('PATCH', `${PATH}/${id}`, { settings })).status).toBe(400);
    const given = { settings, secret: { token: 'own' } };
    expect((await ask('PATCH', `${PATH}/${id}`, given)).status).toBe(200);
  });

  it.each([
    ['redis-queue', { kind: 'redis_list', settings: { url: 'redis://localhost:6379', allowPrivate: true } }],
    ['attachments-folder', { kind: 'folder', settings: { directory: '/srv/attachments' } }],
  ])('are named %s by an administrator only, and only where they are of its kind', async (name, own) => {
    const refused = { status: 403, body: { message: expect.stringMatching(/administrator.*another name/) as string } };
    expect(await create({ name })).toMatchObject(refused);
    const id = idOf(await create());
    const rename = (body: object) => ask('PATCH', `${PATH}/${id}`, body);
    expect(await rename({ name })).toMatchObject(refused);
    const byAdministrator = await stage.call('PATCH', `${PATH}/${id}`, { body: { name } });
    const another = {
      status: 422,
      body: { message: expect.stringMatching(/Only .* of kind .*another name/) as string },
    };
    expect(byAdministrator).toMatchObject(another);
    expect(await createFreely({ name, kind: 'utility', settings: { endpoint: ENDPOINT } })).toMatchObject(another);
    const made = idOf(await createFreely({ name, ...own }));
    const { status } = await ask('PATCH', `${PATH}/${made}`, { name, settings: { attempts: 9 } });
    expect(status).toBe(200);
  });

  it.each([
    ['https://169.254.169.254/latest', /settings\.endpoint: .*link-local, metadata.*public address/],
    ['https://[fe80::1]/', /settings\.endpoint: .*link-local/],
    ['https://10.0.0.1', /settings\.endpoint: .*private address.*allowPrivate/],
    ['https://127.0.0.1', /private address/],
    ['https://[::ffff:10.0.0.1]/', /private address/],
    ['https://0x7f.1/', /private address/],
    ['http://93.184.215.14/api', /settings\.endpoint: must be https/],
    ['ftp://93.184.215.14', /settings\.endpoint: must be a URL/],
    ['utility.example', /settings\.endpoint: must be a URL/],
    ['https://user@93.184.215.14', /settings\.endpoint: must hold no user and no password/],
    ['https://93.184.215.14/?a=b', /settings\.endpoint: must end with its path/],
  ])('at %s are a bad request', async (endpoint, message) => {
    const { status, body } = await create({ settings: { endpoint } });
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it('at a name that leads to a private address are refused with what to do', async () => {
    const { status, body } = await create({ settings: { endpoint: 'https://localhost' } });
    expect(status).toBe(422);
    expect(textOf(body['message'])).toMatch(/private address.*allowPrivate/);
    const id = idOf(await create());
    const moved = await ask('PATCH', `${PATH}/${id}`, { settings: { endpoint: 'https://localhost' } });
    expect(moved.status).toBe(422);
  });

  it('with plain http are at private addresses only', async () => {
    const settings = { endpoint: 'http://93.184.215.14', allowPrivate: true };
    const { status, body } = await createFreely({ kind: 'utility', settings });
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(/this one is public/);
  });

  it.each([
    ['no kind', { kind: undefined }, /kind: must be redis_list, folder, utility or batch/],
    ['a kind that there is not', { kind: 'kafka' }, /kind: must be redis_list/],
    ['no name', { name: '' }, /name: must not be empty/],
    ['no endpoint', { settings: {} }, /settings\.endpoint:/],
    ['a start that there is not', { starts: 'yesterday' }, /starts: must be now or stored/],
    ['a field that there is not', { colour: 'red' }, /colour: is not a known field/],
    ['a setting of another kind', { settings: { endpoint: ENDPOINT, batchItems: 3 } }, /settings\.batchItems: is not/],
    ['a secret of another kind', { secret: { password: 'x' } }, /secret\.password: is not a known field/],
    ['a signing key that is none', { secret: { signingKey: 'abc' } }, /secret\.signingKey: must be "whsec_"/],
    ['a token with a line end', { secret: { token: 'a\nb' } }, /secret\.token: must be printable ASCII/],
    ['too many at a time', { settings: { endpoint: ENDPOINT, concurrency: 201 } }, /concurrency: must be at most 200/],
    ['no attempts', { settings: { endpoint: ENDPOINT, attempts: 0 } }, /settings\.attempts: must be at least 1/],
    ['half a second', { settings: { endpoint: ENDPOINT, timeoutSeconds: 0.5 } }, /timeoutSeconds: must be a whole/],
    [
      'a certificate that is none',
      { settings: { endpoint: ENDPOINT, ca: 'PEM' } },
      /settings\.ca: must be certificates/,
    ],
    ['a filter that there is not', filters({ from: ['a.example'] }), /settings\.filters\.from: is not a known field/],
    ['a filter of nothing', filters({ sender: [] }), /filters\.sender: must name at least one/],
    ['a sender that is none', filters({ sender: ['a b'] }), /filters\.sender\.0: must be an address/],
    ['two senders in one', filters({ sender: ['a.example,b.example'] }), /filters\.sender\.0: must be an address/],
    ['a type that is none', filters({ attachmentType: ['a/b/c'] }), /attachmentType\.0: must be an extension/],
    ['a direction that is none', filters({ direction: 'up' }), /filters\.direction: must be received or sent/],
    ['no bytes', filters({ maxAttachmentBytes: 0 }), /maxAttachmentBytes: must be at least 1/],
  ])('with %s are a bad request', async (_name, over, message) => {
    const { status, body } = await create(over);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it.each([
    ['https://93.184.215.14', /settings\.url: must be a URL such as redis:/],
    ['redis://93.184.215.14/name', /settings\.url: must be a URL such as redis:/],
    ['redis://:secret@93.184.215.14', /settings\.url: must hold no user and no password/],
    ['redis://127.0.0.1:6379', /settings\.url: .*private address/],
    ['redis://169.254.169.254', /settings\.url: .*metadata/],
  ])('in a Redis at %s are a bad request', async (url, message) => {
    const { status, body } = await create({ kind: 'redis_list', settings: { url } });
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it('in a folder without an absolute path are a bad request', async () => {
    const { status, body } = await createFreely({ kind: 'folder', settings: { directory: 'attachments' } });
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(/settings\.directory: must be an absolute path/);
    const secret = await createFreely({ kind: 'folder', settings: { directory: '/a' }, secret: { token: 'x' } });
    expect(textOf(secret.body['message'])).toMatch(/secret\.token: is not a known field/);
  });

  it.each([
    ['nothing', {}, /say what to change/],
    ['a kind', { kind: 'batch' }, /kind: is not a known field/],
    ['a setting of another kind', { settings: { batchItems: 3 } }, /settings\.batchItems: is not a known field/],
    ['no endpoint', { settings: { endpoint: null } }, /settings\.endpoint:/],
    ['a bad number', { settings: { concurrency: 0 } }, /settings\.concurrency: must be at least 1/],
    ['a bad secret', { secret: { token: '' } }, /secret\.token: must not be empty/],
  ])('are not changed to have %s', async (_name, change, message) => {
    const id = idOf(await create());
    const { status, body } = await ask('PATCH', `${PATH}/${id}`, change);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it.each([
    ['no time', {}, /since: must be an ISO 8601 time/],
    ['an end before its beginning', { since: '2026-01-02', until: '2026-01-01' }, /since: must be earlier than until/],
    ['a beginning in the future', { since: '2999-01-01' }, /since: must be earlier than until, and than now/],
  ])('are not replayed with %s', async (_name, time, message) => {
    const id = idOf(await create());
    const { status, body } = await ask('POST', `${PATH}/${id}/replay`, time);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it('need an organization that is known', async () => {
    const body = { name: 'x', kind: 'utility', settings: { endpoint: ENDPOINT } };
    expect(await stage.call('POST', PATH, { body: { ...body, organizationId: 'nobody' } })).toMatchObject({
      status: 404,
    });
    expect((await ask('GET', `${PATH}/not-an-id`)).status).toBe(400);
    expect((await ask('DELETE', `${PATH}/${randomUUID()}?drop=perhaps`)).status).toBe(400);
  });
});
