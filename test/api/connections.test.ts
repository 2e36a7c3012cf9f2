import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/index.ts';
import { listOf, openApiStage, textOf, type ApiStage, type Body, type TestAnswer } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const pem = (name: string): string => readFileSync(new URL(`../graph/fixtures/${name}.pem`, import.meta.url), 'utf8');
const MAILBOXES = 3;
const MESSAGES = 120;
const ANY_TEXT = expect.any(String) as string;

describe('connections, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  beforeAll(async () => {
    const certificate = pem('certificate');
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: MESSAGES, folders: 1, certificate };
    stage = await openTenantStage(tenant, { BATCH_SIZE: '10' });
    simulator = stage.simulator;
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  const auth = (over: Record<string, string> = {}) => ({ ...stage.auth, ...over });
  const create = (organizationId: string, over: object = {}): Promise<TestAnswer> =>
    stage.call('POST', '/api/v1/connections', { body: { organizationId, auth: auth(), ...over } });
  const post = (id: string, action: string, body?: object): Promise<TestAnswer> =>
    stage.call('POST', `/api/v1/connections/${id}/${action}`, body === undefined ? {} : { body });
  const made = async (name: string): Promise<{ organizationId: string; id: string }> => {
    const organizationId = stage.organization(name);
    const { status, body } = await create(organizationId);
    expect(status).toBe(201);
    return { organizationId, id: textOf(body['connection']?.['id']) };
  };
  const show = async (id: string): Promise<Body> =>
    (await stage.call('GET', `/api/v1/connections/${id}`)).body['connection'] as Body;
  const startScan = (organizationId: string, scanId: string): Promise<TestAnswer> =>
    stage.call('POST', '/api/v1/scan/start', { body: { config: { scanId, organizationId } } });
  const statusOf = async (organizationId: string, scanId: string): Promise<Body> =>
    (await stage.call('GET', `/api/v1/scan/${scanId}/status?organizationId=${organizationId}`)).body;

  it('are made when they work, and then serve scans that bring no credential', async () => {
    const organizationId = stage.organization('create');
    const { status, body } = await create(organizationId, { secretExpiresAt: '2099-01-31' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      outcome: 'passed',
      connection: {
        organizationId,
        tenantId: simulator.tenantId,
        clientId: simulator.clientId,
        cloud: 'global',
        credential: { kind: 'secret', expiresAt: '2099-01-31T00:00:00Z' },
        lastCheck: { outcome: 'passed' },
        warnings: [],
      },
    });
    expect(listOf(body['findings']).map(({ status: one }) => one)).not.toContain('failed');
    expect((await startScan(organizationId, 'scan')).status).toBe(202);
    await expect
      .poll(() => statusOf(organizationId, 'scan'), { timeout: 60_000 })
      .toMatchObject({ status: 'completed' });
  });

  it('are refused when they do not work, with what to do, and nothing is kept', async () => {
    const organizationId = stage.organization('refused');
    const wrong = await create(organizationId, { auth: auth({ clientSecret: 'a-wrong-secret-of-good-length' }) });
    expect(wrong).toMatchObject({ status: 422, body: { message: 'Credential validation failed' } });
    expect(textOf(wrong.body['reason'])).toMatch(/secret is wrong.*value \(not its id\).*AADSTS7000215/);
    const list = await stage.call('GET', `/api/v1/connections?organizationId=${organizationId}`);
    expect(list.body).toEqual({ success: true, connections: [] });
    const { rows } = await stage.db.pool.query(
      'SELECT FROM outhaul.connection_checks WHERE sealed_credential IS NOT NULL',
    );
    expect(rows).toEqual([]);
  });

  it('may have a certificate, which says itself when it ends', async () => {
    const organizationId = stage.organization('certificate');
    const { tenantId, clientId } = simulator;
    const clientCertificate = pem('certificate') + pem('key');
    const { status, body } = await create(organizationId, { auth: { tenantId, clientId, clientCertificate } });
    expect(status).toBe(201);
    expect(body['connection']).toMatchObject({ credential: { kind: 'certificate', expiresAt: ANY_TEXT } });
  });

  it('are one for each organization: a second one answers 409', async () => {
    const { organizationId, id } = await made('second');
    const again = await create(organizationId);
    expect(again.status).toBe(409);
    expect(textOf(again.body['message'])).toContain(id);
  });

  it('show nothing of their secrets, anywhere', async () => {
    const { organizationId, id } = await made('secret');
    const answers = await Promise.all([
      stage.call('GET', '/api/v1/connections'),
      stage.call('GET', `/api/v1/connections/${id}`),
      post(id, 'check'),
      create(organizationId, { auth: auth({ clientSecret: 'a-wrong-secret-of-good-length' }) }),
    ]);
    const { rows } = await stage.db.pool.query('SELECT a::text AS row FROM outhaul.audit_log a');
    const all =
      JSON.stringify([answers.map(({ body }) => body), rows]) + stage.lines.join('') + stage.worker.lines.join('');
    expect(all).not.toContain(simulator.clientSecret);
    expect(all).not.toContain('a-wrong-secret');
    expect(all).not.toContain('PRIVATE KEY');
  });

  it('are seen by their organization alone: to another key they are unknown', async () => {
    const [mine, theirs] = [await made('mine'), await made('theirs')];
    const key = await stage.keyOf(mine.organizationId);
    const list = await stage.call('GET', '/api/v1/connections', { key });
    expect(listOf(list.body['connections']).map(({ id }) => textOf(id))).toEqual([mine.id]);
    const path = `/api/v1/connections/${theirs.id}`;
    const calls: [string, string, object?][] = [
      ['GET', path],
      ['DELETE', path],
      ['POST', `${path}/check`, {}],
      ['POST', `${path}/rotate`, { clientSecret: 'a-wrong-secret-of-good-length' }],
    ];
    for (const [method, url, body] of calls) {
      expect((await stage.call(method, url, { key, ...(body && { body }) })).status, `${method} ${url}`).toBe(404);
    }
    const other = await stage.call('GET', `/api/v1/connections?organizationId=${theirs.organizationId}`, { key });
    expect(other.status).toBe(404);
    const foreign = { organizationId: theirs.organizationId, auth: auth() };
    expect((await stage.call('POST', '/api/v1/connections', { key, body: foreign })).status).toBe(404);
    const all = await stage.call('GET', '/api/v1/connections');
    expect(listOf(all.body['connections']).map(({ id }) => textOf(id))).toEqual(
      expect.arrayContaining([mine.id, theirs.id]),
    );
    const unknown = await stage.call('GET', `/api/v1/connections/${randomUUID()}`);
    expect(unknown).toMatchObject({ status: 404, body: { message: expect.stringContaining('not known') as string } });
  });

  it.each([
    ['no credential', { auth: { clientId: 'a-client-id', tenantId: 'a-tenant-id' } }, /Client Secret is required/],
    ['an end that is over', { secretExpiresAt: '2020-01-01' }, /secretExpiresAt: must lie in the future/],
    ['an end that is no time', { secretExpiresAt: 'soon' }, /secretExpiresAt: must be an ISO 8601 time/],
    ['a field that there is not', { cloud: 'china' }, /cloud: is not a known field/],
    ['no organization', { organizationId: undefined }, /organizationId: name the organization/],
  ])('with %s are a bad request', async (_name, over, message) => {
    const { status, body } = await create(stage.organization('bad'), over);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });

  it('by an id that is none are a bad request, and so is an end told for a certificate', async () => {
    expect((await stage.call('GET', '/api/v1/connections/mine')).status).toBe(400);
    const clientCertificate = pem('certificate') + pem('key');
    const told = await post(randomUUID(), 'rotate', { clientCertificate, secretExpiresAt: '2099-01-31' });
    expect(told).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('for client secrets') as string },
    });
  });

  it('are rotated only to a credential that works; the id stays', async () => {
    const { organizationId, id } = await made('rotate');
    const before = await show(id);
    const wrong = await post(id, 'rotate', { clientSecret: 'a-wrong-secret-of-good-length' });
    expect(wrong.status).toBe(422);
    expect(await show(id)).toEqual(before);
    const right = await post(id, 'rotate', { clientSecret: simulator.clientSecret, secretExpiresAt: '2099-02-28' });
    expect(right).toMatchObject({ status: 200, body: { outcome: 'passed', connection: { id, organizationId } } });
    const after = await show(id);
    expect(after).toMatchObject({ createdAt: before['createdAt'], credential: { expiresAt: '2099-02-28T00:00:00Z' } });
    expect(after['rotatedAt']).not.toBe(before['rotatedAt']);
  });

  it('say from 30 days on that their credential ends, also when a scan starts', async () => {
    const { organizationId, id } = await made('ends');
    const end = new Date(Date.now() + 12.5 * 24 * 60 * 60_000).toISOString();
    await post(id, 'rotate', { clientSecret: simulator.clientSecret, secretExpiresAt: end });
    const shown = await show(id);
    expect(shown).toMatchObject({ credential: { expiresInDays: 12 } });
    expect(textOf(shown['warnings'])).toContain('expires in 12 days');
    const started = await startScan(organizationId, 'ends');
    expect(started.status).toBe(202);
    expect(textOf(started.body['warnings'])).toContain('expires in 12 days');
    expect(stage.lines.some((line) => line.includes('expires in 12 days'))).toBe(true);
    await expect
      .poll(() => statusOf(organizationId, 'ends'), { timeout: 60_000 })
      .toMatchObject({ status: 'completed' });
  });

  it('that are checked say what is missing and change nothing', async () => {
    const { id } = await made('check');
    simulator.control.changeTenant({ roles: ['Mail.Read'] });
    const { status, body } = await post(id, 'check');
    simulator.control.changeTenant({ roles: ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read'] });
    expect(status).toBe(200);
    expect(body['outcome']).toBe('failed');
    const missing = listOf(body['findings']).filter(({ status: one }) => textOf(one).includes('failed'));
    expect(missing).toMatchObject([
      { name: 'User.Read.All', advice: expect.stringContaining('Grant admin consent') as string, requestId: ANY_TEXT },
    ]);
    expect(await show(id)).toMatchObject({ lastCheck: { outcome: 'failed' }, warnings: [ANY_TEXT] });
    expect((await post(id, 'check', { mailbox: 'nobody@nowhere.example' })).body['outcome']).toBe('failed');
    expect((await post(id, 'check')).body).toMatchObject({ outcome: 'passed', connection: { warnings: [] } });
  });

  it('that a scan uses are not removed; others are, with their credential', async () => {
    const { organizationId, id } = await made('remove');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    expect((await startScan(organizationId, 'uses')).status).toBe(202);
    await hold.reached();
    const refused = await stage.call('DELETE', `/api/v1/connections/${id}`);
    expect(refused).toMatchObject({ status: 409, body: { message: expect.stringContaining('uses') as string } });
    hold.release();
    await expect
      .poll(() => statusOf(organizationId, 'uses'), { timeout: 60_000 })
      .toMatchObject({ status: 'completed' });
    expect((await stage.call('DELETE', `/api/v1/connections/${id}`)).status).toBe(200);
    expect((await stage.call('DELETE', `/api/v1/connections/${id}`)).status).toBe(404);
    const { rows } = await stage.db.pool.query('SELECT FROM outhaul.connections WHERE organization_id = $1', [
      organizationId,
    ]);
    expect(rows).toEqual([]);
  });

  it('that are made, rotated, checked and removed stand in the audit log', async () => {
    const { organizationId, id } = await made('audit');
    await post(id, 'rotate', { clientSecret: simulator.clientSecret });
    await post(id, 'rotate', { clientSecret: 'a-wrong-secret-of-good-length' });
    await post(id, 'check');
    await stage.call('DELETE', `/api/v1/connections/${id}`);
    const { rows } = await stage.db.pool.query<{
      action: string;
      target: string;
      details: { outcome?: string } | null;
    }>('SELECT action, target, details FROM outhaul.audit_log WHERE organization_id = $1 ORDER BY entry_no', [
      organizationId,
    ]);
    expect(rows.map(({ action, target, details }) => [action, target, details?.outcome])).toEqual([
      ['connection.create', id, 'passed'],
      ['connection.rotate', id, 'passed'],
      ['connection.rotate', id, 'failed'],
      ['connection.check', id, 'passed'],
      ['connection.remove', id, undefined],
    ]);
  });

  it('that are rotated in the middle of a scan take it along: the old secret is worth nothing, and nothing is lost', async () => {
    const { organizationId, id } = await made('running');
    const hold = simulator.control.hold({ kind: 'messagesDelta', after: 8 });
    expect((await startScan(organizationId, 'running')).status).toBe(202);
    await hold.reached();
    const clientSecret = 'a-new-secret-of-the-simulator';
    const oldSecret = simulator.clientSecret;
    simulator.control.changeTenant({ clientSecret });
    try {
      expect((await post(id, 'rotate', { clientSecret })).status).toBe(200);
      simulator.control.changeTenant({ revokeTokens: true });
      hold.release();
      await expect
        .poll(() => statusOf(organizationId, 'running'), { timeout: 60_000 })
        .toMatchObject({ status: 'completed', recordsExtracted: MAILBOXES * MESSAGES });
      const key = await stage.keyOf(organizationId);
      const rows = await stage.call('GET', '/api/v1/results/running/data?tableName=emails&limit=1000', { key });
      const records = listOf(rows.body['data']?.['records']);
      const truth = [...simulator.control.truth.messages({})].map(({ message }) => message['id'] as string);
      expect(records.map((record) => textOf(record['id'])).sort()).toEqual(truth.sort());
    } finally {
      simulator.control.changeTenant({ clientSecret: oldSecret, revokeTokens: true });
    }
  });
});

describe('a check of a connection that no worker makes', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ checkMs: 1_000 });
  });
  afterAll(() => stage?.close());

  it('answers 503 in time, and what it brought is forgotten', async () => {
    const organizationId = stage.organization('alone');
    const auth = { tenantId: 'contoso.example', clientId: 'a-client-id', clientSecret: 'a-secret-of-good-length' };
    const { status, body } = await stage.call('POST', '/api/v1/connections', { body: { organizationId, auth } });
    expect(status).toBe(503);
    expect(textOf(body['message'])).toMatch(/No worker has checked/);
    const { rows } = await stage.db.pool.query('SELECT FROM outhaul.connection_checks');
    expect(rows).toEqual([]);
  });
});
