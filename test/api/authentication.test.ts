import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revokeKey } from '../../store/api-keys.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { addScan } from '../../store/scans.ts';
import { createKeyChecker } from '../../api/principal.ts';
import { listOf, openApiStage, textOf, type ApiStage } from './support/stage.ts';

const BAD_KEYS = [
  ['without a key', undefined],
  ['with an empty key', 'Bearer '],
  ['with another scheme', 'Basic dXNlcjpwYXNz'],
  ['with an unknown key', 'Bearer outhaul_1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ['with a key of no known form', "Bearer ' OR 1=1 --"],
  ['with a key of 10,000 characters', `Bearer ${'x'.repeat(10_000)}`],
] as const;

const PROTECTED = [
  ['GET', '/api/v1/scan/statistics'],
  ['GET', '/api/v1/scans'],
  ['POST', '/api/v1/scan/start'],
  ['GET', '/api/v1/scan/some/status'],
  ['POST', '/api/v1/scan/some/cancel'],
  ['GET', '/api/v1/results/some/tables'],
  ['GET', '/api/v1/results/some/data?tableName=emails'],
  ['POST', '/api/v1/maintenance/detect-crashed'],
  ['GET', '/api/v1/pipeline/info'],
  ['GET', '/api/v1/keys'],
  ['POST', '/api/v1/keys'],
  ['DELETE', '/api/v1/keys/1'],
  ['GET', '/api/v1/nothing'],
] as const;

describe('a key', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  it.each(PROTECTED)('is asked for by %s %s', async (method, path) => {
    const { status, headers, body } = await stage.call(method, path, { key: '' });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="outhaul"/);
    expect(body).toMatchObject({ success: false, error: 'Unauthorized' });
  });

  it.each(BAD_KEYS)('is refused %s', async (_what, authorization) => {
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    const { status } = await stage.call('GET', '/api/v1/scan/statistics', { key: '', headers });
    expect(status).toBe(401);
  });

  it('is not asked for by /health, /docs/ and /openapi.json', async () => {
    for (const path of ['/health', '/docs/', '/openapi.json']) {
      expect((await stage.call('GET', path, { key: '' })).status, path).toBe(200);
    }
  });

  it('of an administrator is made by the first start only, and opens everything', async () => {
    expect(stage.adminKey).toMatch(/^outhaul_\d+_/);
    expect((await stage.call('GET', '/api/v1/scan/statistics')).status).toBe(200);
  });

  it('is answered once and stored hashed', async () => {
    const organizationId = stage.organization('hashed');
    const key = await stage.keyOf(organizationId);
    const { body } = await stage.call('GET', '/api/v1/keys');
    const text = JSON.stringify(body);
    expect(text).toContain(organizationId);
    expect(text).not.toContain(key);
    const { rows } = await stage.db.pool.query('SELECT k::text AS row FROM outhaul.api_keys k');
    const secret = key.split('_').at(-1)!;
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(secret).toString('hex'));
  });

  it('is never in the log', async () => {
    const key = await stage.keyOf(stage.organization('logged'));
    await stage.call('GET', '/api/v1/scan/statistics', { key });
    await stage.call('GET', `/api/v1/scan/statistics?key=${key}`, { key: `${key}x` });
    await stage.call('GET', `/${key}`, { key: '' });
    const log = stage.lines.join('');
    expect(log).toContain('/api/v1/scan/statistics');
    expect(log).not.toContain(key);
    expect(log).not.toContain(stage.adminKey);
  });

  it('is refused as soon as it is revoked', async () => {
    const organizationId = stage.organization('revoked');
    const made = await stage.call('POST', '/api/v1/keys', { body: { name: 'short-lived', organizationId } });
    const key = textOf(made.body['key']);
    expect((await stage.call('GET', '/api/v1/scan/statistics', { key })).status).toBe(200);
    const revoked = await stage.call('DELETE', `/api/v1/keys/${textOf(made.body['id'])}`);
    expect(revoked).toMatchObject({ status: 200, body: { success: true, id: made.body['id'] } });
    expect((await stage.call('GET', '/api/v1/scan/statistics', { key })).status).toBe(401);
    expect((await stage.call('DELETE', `/api/v1/keys/${textOf(made.body['id'])}`)).status).toBe(404);
  });

  it('that another process revoked is refused within seconds', async () => {
    const key = await stage.keyOf(stage.organization('elsewhere'));
    let now = 0;
    const checker = createKeyChecker(stage.db, () => now);
    expect(await checker.check(key)).toBeDefined();
    await revokeKey(stage.db, Number(key.split('_')[1]), null);
    expect(await checker.check(key)).toBeDefined();
    now += 5_001;
    expect(await checker.check(key)).toBeUndefined();
  });
});

describe("an organization's key", () => {
  let stage: ApiStage;
  let mine: string;
  let theirs: string;
  let key: string;
  beforeAll(async () => {
    stage = await openApiStage();
    mine = stage.organization('mine');
    theirs = stage.organization('theirs');
    key = await stage.keyOf(mine);
    for (const organizationId of [mine, theirs]) {
      await ensureOrganization(stage.db, organizationId);
      const scan = { organizationId, mode: 'full', status: 'running', filters: { folders: ['inbox'] } } as const;
      await addScan(stage.db, { ...scan, scanId: 'both' });
      await addScan(stage.db, { ...scan, scanId: `only-${organizationId}` });
    }
  });
  afterAll(() => stage.close());

  it.each([
    ['GET', 'scan', 'status'],
    ['POST', 'scan', 'cancel'],
    ['GET', 'results', 'tables'],
    ['GET', 'results', 'data?tableName=emails'],
  ])("does not see another organization's scan: %s %s/…/%s answers 404", async (method, resource, what) => {
    const path = `/api/v1/${resource}/only-${theirs}/${what}`;
    const { status, body } = await stage.call(method, path, { key });
    expect(status).toBe(404);
    const separator = path.includes('?') ? '&' : '?';
    const named = await stage.call(method, `${path}${separator}organizationId=${theirs}`, { key });
    expect(named.status).toBe(404);
    const unknown = await stage.call(method, path.replace(`only-${theirs}`, 'not-there'), { key });
    expect(unknown.status).toBe(404);
    expect(Object.keys(body)).toEqual(Object.keys(unknown.body));
  });

  it('sees its own scan where another organization has one of the same id', async () => {
    const { body } = await stage.call('GET', '/api/v1/scan/both/status', { key });
    expect(body['organizationId']).toBe(mine);
  });

  it.each(['/api/v1/scan/statistics', '/api/v1/scans', '/api/v1/keys'])('gets 404 from %s of another', async (path) => {
    expect((await stage.call('GET', `${path}?organizationId=${theirs}`, { key })).status).toBe(404);
    expect((await stage.call('GET', `${path}?organizationId=${mine}`, { key })).status).toBe(200);
  });

  it('gets 404 from maintenance of another', async () => {
    const path = `/api/v1/maintenance/detect-crashed?organizationId=${theirs}`;
    expect((await stage.call('POST', path, { key })).status).toBe(404);
  });

  it('counts and lists its own scans only', async () => {
    const statistics = await stage.call('GET', '/api/v1/scan/statistics', { key });
    expect(statistics.body).toMatchObject({ organizationId: mine, total: 2 });
    const { body } = await stage.call('GET', '/api/v1/scans', { key });
    expect(new Set(listOf(body['scans']).map((scan) => scan['organizationId']))).toEqual(new Set([mine]));
  });

  it('cannot start a scan for another: 404, and nothing is recorded', async () => {
    const auth = { clientId: 'x'.repeat(36), clientSecret: 'x'.repeat(36), tenantId: 'x'.repeat(36) };
    const config = { scanId: 'intruder', organizationId: theirs, type: ['email'], auth };
    expect((await stage.call('POST', '/api/v1/scan/start', { key, body: { config } })).status).toBe(404);
    const { body } = await stage.call('GET', `/api/v1/scans?organizationId=${theirs}`);
    expect(JSON.stringify(body)).not.toContain('intruder');
  });

  it('lists its own keys, and may neither make nor revoke any', async () => {
    await stage.keyOf(theirs);
    const { body } = await stage.call('GET', '/api/v1/keys', { key });
    expect(new Set(listOf(body['keys']).map((one) => one['organizationId']))).toEqual(new Set([mine]));
    const made = await stage.call('POST', '/api/v1/keys', { key, body: { name: 'more', organizationId: null } });
    expect(made.status).toBe(403);
    expect((await stage.call('DELETE', '/api/v1/keys/1', { key })).status).toBe(403);
  });
});

describe("an administrator's key", () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  it('needs no organizationId while a scanId is in one organization only, and is asked for it otherwise', async () => {
    const [first, second] = [stage.organization('first'), stage.organization('second')];
    const scan = { scanId: 'common', mode: 'full', status: 'running', filters: { folders: ['inbox'] } } as const;
    await ensureOrganization(stage.db, first);
    await addScan(stage.db, { ...scan, organizationId: first });
    const one = await stage.call('GET', '/api/v1/scan/common/status');
    expect(one).toMatchObject({ status: 200, body: { organizationId: first } });

    await ensureOrganization(stage.db, second);
    await addScan(stage.db, { ...scan, organizationId: second });
    const two = await stage.call('GET', '/api/v1/scan/common/status');
    expect(two.status).toBe(400);
    expect(two.body['details']).toEqual([expect.objectContaining({ path: 'organizationId' })]);
    const named = await stage.call('GET', `/api/v1/scan/common/status?organizationId=${second}`);
    expect(named).toMatchObject({ status: 200, body: { organizationId: second } });
    expect((await stage.call('GET', '/api/v1/scan/common/status?organizationId=nobody')).status).toBe(404);
  });

  it('makes further keys of administrators', async () => {
    const { status, body } = await stage.call('POST', '/api/v1/keys', {
      body: { name: 'second', organizationId: null },
    });
    expect(status).toBe(201);
    const key = textOf(body['key']);
    expect((await stage.call('GET', '/api/v1/keys', { key })).status).toBe(200);
  });

  it.each([
    [{ name: 'no owner' }, 'organizationId'],
    [{ organizationId: null }, 'name'],
    [{ name: '', organizationId: null }, 'name'],
    [{ name: 'a'.repeat(101), organizationId: null }, 'name'],
    [{ name: 'bad owner', organizationId: "x'; DROP TABLE outhaul.api_keys; --" }, 'organizationId'],
    [{ name: 'more', organizationId: null, administrator: true }, 'administrator'],
  ])('is told what is wrong with a request for a key: %j', async (body, path) => {
    const answer = await stage.call('POST', '/api/v1/keys', { body });
    expect(answer.status).toBe(400);
    expect(answer.body['details']).toEqual([expect.objectContaining({ path })]);
  });

  it.each(['0', '-1', '1.5', 'abc', '99999999999', '1%20OR%201=1'])('cannot revoke key %s', async (id) => {
    expect((await stage.call('DELETE', `/api/v1/keys/${id}`)).status).toBe(400);
  });

  it('cannot revoke a key that is not there', async () => {
    expect((await stage.call('DELETE', '/api/v1/keys/2147483647')).status).toBe(404);
  });
});

describe('without authentication', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ environment: { OUTHAUL_AUTH: 'none', CORS_ORIGINS: 'https://ours.example' } });
  });
  afterAll(() => stage.close());

  const statistics = (headers: Record<string, string> = {}) =>
    stage.call('GET', '/api/v1/scan/statistics', { key: '', headers });

  it('no key is made, and the caller is an administrator', async () => {
    expect(stage.api.adminKey).toBeUndefined();
    expect(await statistics()).toMatchObject({ status: 200, body: { organizationId: null } });
  });

  it('pages of other sites are refused, pages that CORS_ORIGINS names are served', async () => {
    expect((await statistics({ Origin: 'https://evil.example' })).status).toBe(403);
    expect((await statistics({ Origin: 'null' })).status).toBe(403);
    expect((await statistics({ Origin: stage.api.url })).status).toBe(200);
    const ours = await statistics({ Origin: 'https://ours.example' });
    expect(ours.status).toBe(200);
    expect(ours.headers.get('access-control-allow-origin')).toBe('https://ours.example');
  });

  it.each([
    ['evil.example', 403],
    ['evil.example:8000', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost:8000', 200],
    ['[::1]:8000', 200],
    ['127.0.0.1', 200],
  ])(
    'the host name %s answers %i: names of others that lead here (DNS rebinding) are refused',
    async (host, expected) => {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        get(`${stage.api.url}/api/v1/scan/statistics`, { headers: { Host: host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on('error', reject);
      });
      expect(status).toBe(expected);
    },
  );
});
