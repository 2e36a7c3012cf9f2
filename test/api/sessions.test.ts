import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addHints } from '../../store/hints.ts';
import { ensureOrganization, organizationOf } from '../../store/organizations.ts';
import { endSession } from '../../store/session-status.ts';
import { sessionByNo } from '../../store/sessions.ts';
import { seedSession } from './support/notifications.ts';
import { listOf, openApiStage, textOf, type ApiStage } from './support/stage.ts';

const CONNECTION = { TENANT_ID: 'tenant.example', CLIENT_ID: 'client-of-test', CLIENT_SECRET: 'secret-of-test' };

describe('sessions over the API, without a worker', () => {
  let stage: ApiStage;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    stage = await openApiStage({ environment: CONNECTION, admissionMs: 1_000 });
    organizationId = stage.organization('one');
    key = await stage.keyOf(organizationId);
  });
  afterAll(() => stage.close());

  const start = (body: unknown, more: { key?: string; query?: string } = {}) =>
    stage.call('POST', `/session/start${more.query ?? ''}`, { key: more.key ?? key, body });

  it.each([
    [{ polling_mode: 'often' }, 'polling_mode'],
    [{ polling_interval: 9 }, 'polling_interval'],
    [{ polling_interval: 86_401 }, 'polling_interval'],
    [{ polling_interval: 30.5 }, 'polling_interval'],
    [{ polling_interval: '300' }, 'polling_interval'],
    [{ enable_webhook: 'yes' }, 'enable_webhook'],
    [{ mark_as_read: 1 }, 'mark_as_read'],
    [{ filters: { folders: [] } }, 'filters.folders'],
    [{ filters: { since: '2026-02-01', until: '2026-01-01' } }, 'filters.until'],
    [{ pollingMode: 'manual' }, 'pollingMode'],
    [{ filters: { folder: ['inbox'] } }, 'filters.folder'],
  ])('refuses %j, by the name of the field', async (body, path) => {
    const { status, body: answer } = await start(body);
    expect(status).toBe(400);
    expect(listOf(answer['details']).map((fault) => textOf(fault['path']))).toEqual([path]);
  });

  it('nothing runs before anything was started', async () => {
    const state = await stage.call('GET', '/session/status', { key });
    expect(state).toMatchObject({
      status: 200,
      body: {
        success: true,
        organization_id: organizationId,
        session: null,
        services: {
          polling: { status: 'stopped' },
          webhook: { status: 'stopped' },
          processing: { status: 'stopped' },
          sending: { status: 'not_configured' },
        },
        queue: { waiting: 0, in_work: 0, failed: 0 },
        workflow: { status: 'not_running' },
      },
    });
    expect((await stage.call('POST', '/session/stop', { key, body: {} })).status).toBe(409);
    expect((await stage.call('GET', '/session/messages', { key })).status).toBe(409);
    expect(await stage.call('POST', '/session/clear', { key })).toMatchObject({ status: 200, body: { session: null } });
    expect((await stage.call('GET', '/session/history', { key })).body).toMatchObject({ sessions: [] });
    expect((await stage.call('GET', '/metrics', { key })).body).toMatchObject({ session_id: null, uptime_seconds: 0 });
  });

  it('starts where no worker is there yet, once; what cannot be stopped can be cleared away', async () => {
    const first = await stage.call('POST', '/session/start', { key });
    expect(first).toMatchObject({
      status: 200,
      body: {
        success: true,
        session: {
          organization_id: organizationId,
          status: 'starting',
          polling_mode: 'scheduled',
          polling_interval: 300,
          enable_webhook: true,
          filters: { folders: ['inbox'] },
          mark_as_read: false,
          only_unread: false,
        },
      },
    });
    const sessionId = textOf(first.body['session']?.['session_id']);
    const second = await start({ polling_mode: 'manual' });
    expect(second.status).toBe(409);
    expect(textOf(second.body['message'])).toContain(sessionId);
    expect((await stage.call('GET', '/session/status', { key })).body).toMatchObject({
      session: { session_id: sessionId, status: 'starting' },
      services: { polling: { status: 'scheduled', interval: 300 }, webhook: { status: 'starting' } },
      workflow: { id: `session/${organizationId}`, status: 'running' },
    });
    expect((await stage.call('POST', '/session/clear', { key })).body).toMatchObject({
      session: { session_id: sessionId },
    });
    const history = await stage.call('GET', '/session/history', { key });
    expect(history.body).toMatchObject({
      sessions: [{ session_id: sessionId, status: 'stopped', stop_reason: 'cleared', totals: { messages: 0 } }],
    });
    const third = await start({ polling_mode: 'manual', polling_interval: 10, enable_webhook: false });
    expect(third.body).toMatchObject({ session: { polling_mode: 'manual', enable_webhook: false } });
    await stage.call('POST', '/session/clear', { key });
  });

  it('means the organization of the key; an administrator names it, or the only one there is', async () => {
    const other = stage.organization('two');
    expect((await stage.call('GET', '/session/status', {})).body).toMatchObject({ organization_id: organizationId });
    await ensureOrganization(stage.db, other);
    for (const path of ['/session/status', '/session/history', '/metrics']) {
      const open = await stage.call('GET', path, {});
      expect(open.status, path).toBe(400);
      expect(listOf(open.body['details'])[0]).toMatchObject({ path: 'organizationId' });
      const named = await stage.call('GET', `${path}?organizationId=${other}`, {});
      expect(named.body, path).toMatchObject({ organization_id: other });
      expect((await stage.call('GET', `${path}?organizationId=${other}`, { key })).status, path).toBe(404);
      expect((await stage.call('GET', path, { key: 'outhaul_1_nothing' })).status, path).toBe(401);
    }
    for (const path of ['/session/start', '/session/stop', '/session/clear', '/polling/trigger', '/process-now']) {
      expect((await stage.call('POST', path, {})).status, path).toBe(400);
      expect((await stage.call('POST', `${path}?organizationId=${other}`, { key })).status, path).toBe(404);
    }
  });

  it('answers scrapers in their form; an administrator’s has all organizations and what the process counts', async () => {
    const headers = { Accept: 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1' };
    const own = await stage.call('GET', '/metrics', { key, headers });
    expect(own.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(textOf(own.body['text'])).toContain(`outhaul_session_running{organization="${organizationId}"} 0`);
    expect(textOf(own.body['text'])).not.toMatch(/receiver|organization="two/);
    const all = textOf((await stage.call('GET', '/metrics', { headers })).body['text']);
    expect(all).toMatch(/outhaul_session_running\{organization="two/);
    expect(all).toContain('outhaul_receiver_events_total');
    const open = await stage.call('GET', '/metrics', { key, headers: { Accept: 'application/openmetrics-text' } });
    expect(open.headers.get('content-type')).toMatch(/^application\/openmetrics-text/);
  });

  it('lists sessions that have ended, newest first, with reason and totals', async () => {
    const ended = stage.organization('history');
    const own = await stage.keyOf(ended);
    const ids: string[] = [];
    for (const reason of ['first', 'second', 'third']) {
      const { sessionNo } = await seedSession(stage.db, ended);
      ids.unshift((await sessionByNo(stage.db, sessionNo)).sessionId);
      await endSession(stage.db, sessionNo, { status: 'stopped', reason });
    }
    const history = async (query = '') =>
      listOf((await stage.call('GET', `/session/history${query}`, { key: own })).body['sessions']);
    expect(await history()).toMatchObject(
      ids.map((session_id, index) => ({
        ...{ session_id, status: 'stopped', stop_reason: ['third', 'second', 'first'][index] },
        totals: { mailboxes: 1, messages: 0, told: 0, missed: 0, notifications: 0, marked_as_read: 0 },
      })),
    );
    expect((await history('?limit=1')).map((each) => each['session_id'])).toEqual(ids.slice(0, 1));
  });

  it('tells how much waits, is in work, and has failed', async () => {
    const busy = stage.organization('busy');
    const own = await stage.keyOf(busy);
    const { sessionNo, subscriptions } = await seedSession(stage.db, busy, 2);
    const { schema } = await organizationOf(stage.db, busy);
    const [read = '', waiting = ''] = subscriptions.map(({ mailboxId }) => mailboxId);
    await addHints(
      stage.db,
      [read, waiting, waiting].map((mailboxId, index) => ({ sessionNo, mailboxId, messageId: `message-${index}` })),
    );
    await stage.db.pool.query(
      `INSERT INTO ${schema}.mailboxes (id, _extracted_at, _extraction_type, _lease_token, _lease_ends_at)
        VALUES ($1, now(), 'mailbox', 'held', now() + interval '1 hour')`,
      [read],
    );
    await stage.db.pool.query(
      `INSERT INTO outhaul.quarantine (organization_id, mailbox_id, folder_id, message_id, message_key, cause, unreadable,
        stored) VALUES ($1, $2, 'inbox', 'bad', 'bad', 'ErrorCorruptData', '{}', false)`,
      [busy, waiting],
    );
    await stage.db.pool.query(
      'UPDATE outhaul.sessions SET last_sweep_at = $2, last_notification_at = $3 WHERE session_no = $1',
      [sessionNo, '2026-11-21T09:00:00Z', '2026-11-21T10:00:00Z'],
    );
    const queue = { waiting: 2, in_work: 1, failed: 1 };
    expect((await stage.call('GET', '/session/status', { key: own })).body).toMatchObject({
      queue,
      services: { processing: { status: 'working', mailboxes_being_read: 1 } },
      last_poll_at: expect.stringMatching(/^2026-11-21T09:00:00/) as string,
      last_notification_at: expect.stringMatching(/^2026-11-21T10:00:00/) as string,
      workflow: { status: 'not_running' },
    });
    expect((await stage.call('GET', '/metrics', { key: own })).body).toMatchObject({ queue });
    const headers = { Accept: 'text/plain' };
    const text = textOf((await stage.call('GET', '/metrics', { key: own, headers })).body['text']);
    for (const [name, count] of Object.entries(queue)) expect(text).toMatch(new RegExp(`state="${name}"\\} ${count}`));
    // A session that Temporal does not run ends in the store when it is stopped.
    expect((await stage.call('POST', '/session/stop', { key: own, body: { reason: 'enough' } })).body).toMatchObject({
      session: { status: 'stopped', stop_reason: 'enough' },
    });
  });
});

describe('sessions over the API of an installation without a connection', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ admissionMs: 1_000 });
  });
  afterAll(() => stage.close());

  it('has nothing to start with: an administrator is told so, an organization why', async () => {
    expect((await stage.call('POST', '/session/start', { body: {} })).status).toBe(404);
    const key = await stage.keyOf(stage.organization());
    for (const path of ['/session/start', '/polling/trigger', '/process-now']) {
      const { status, body } = await stage.call('POST', path, { key });
      expect(status, path).toBe(422);
      expect(textOf(body['reason'])).toMatch(/no connection.*POST \/api\/v1\/connections/);
    }
    expect((await stage.call('GET', '/session/history', { key })).body).toMatchObject({ sessions: [] });
  });
});

describe('sessions over the API of an installation without notifications', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ environment: { ...CONNECTION, OUTHAUL_NOTIFICATIONS: 'off' }, admissionMs: 1_000 });
  });
  afterAll(() => stage.close());

  it('run by polling alone, and say why; nobody takes notifications', async () => {
    const key = await stage.keyOf(stage.organization());
    const started = await stage.call('POST', '/session/start', { key, body: { enable_webhook: true } });
    expect(started.body).toMatchObject({ session: { enable_webhook: false } });
    const { body } = await stage.call('GET', '/session/status', { key });
    expect(body['services']?.['webhook']).toMatchObject({ status: 'off' });
    expect(textOf(body['services']?.['webhook']?.['reason'])).toContain('--no-webhook');
    await stage.call('POST', '/session/clear', { key });
    const url = `${stage.api.url}/webhooks/graph?validationToken=hello`;
    expect((await fetch(url, { method: 'POST' })).status).toBe(401);
  });
});

describe('sessions over the API of an installation in which nothing was ever started', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage({ environment: CONNECTION, admissionMs: 1_000 });
  });
  afterAll(() => stage.close());

  it('begin with the connection of the environment, for an organization that needs no name', async () => {
    const { status, body } = await stage.call('POST', '/session/start', {});
    expect(status).toBe(200);
    expect(body['session']).toMatchObject({ organization_id: 'default', status: 'starting' });
    expect((await stage.call('POST', '/session/clear', {})).body).toMatchObject({ success: true });
  });
});
