import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../embedded/index.ts';
import { sessionWorkflowId, sweepWorkflowId } from '../../model/ids.ts';
import type { Simulator } from '../../simulator/index.ts';
import { query } from '../../store/database.ts';
import { organizationOf } from '../../store/organizations.ts';
import { listOf, textOf, type Body } from './support/stage.ts';
import { asEnvironment, openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const MAILBOXES = 3;

describe('a session, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    const port = String(await freePort());
    const receiver = { PORT: port, OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${port}` };
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: 10, folders: 1 };
    stage = await openTenantStage(tenant, (app) => ({ ...asEnvironment(app), ...receiver }));
    simulator = stage.simulator;
  });
  beforeEach(async () => {
    organizationId = stage.organization('live');
    key = await stage.keyOf(organizationId);
  });
  afterEach(async () => {
    await stage.heal();
    await ask('POST', '/session/clear');
    simulator.control.subscriptions.expire({ all: true });
  });
  afterAll(() => stage?.close());

  const ask = (method: string, path: string, body?: object) => stage.call(method, path, { key, body });
  const state = async (): Promise<Body> => (await ask('GET', '/session/status')).body;
  const until = (wanted: object) => vi.waitFor(async () => expect(await state()).toMatchObject(wanted), LONG);
  const inbox = (index: number) => ({
    mailbox: simulator.control.truth.mailboxes()[index]?.id ?? '',
    folder: 'inbox',
  });
  /** Follows the session's messages from a cursor until one of that subject has come. */
  const arrival = (subject: string, from: string) => {
    let cursor = from;
    return vi.waitFor(async () => {
      const { body } = await ask('GET', `/session/messages?cursor=${cursor}`);
      cursor = textOf(body['cursor']);
      const message = listOf(body['messages']).find((each) => textOf(each['subject']) === subject);
      if (!message) throw new Error(`${subject} has not come`);
      return message;
    }, LONG);
  };
  const now = async (): Promise<string> => textOf((await ask('GET', '/session/messages?from=now')).body['cursor']);
  const schedules = async (): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { scheduleId } of stage.temporal.schedule.list()) ids.push(scheduleId);
    return ids.filter((id) => id === sweepWorkflowId(organizationId));
  };
  /** Temporal's list is a moment behind what has been made and removed. */
  const scheduled = (ids: string[]) => vi.waitFor(async () => expect(await schedules()).toEqual(ids), LONG);

  /** Whether a session that stops has found work in flight. */
  const hasWaited = async (id: string): Promise<boolean> => {
    const { events } = await stage.temporal.workflow.getHandle(sessionWorkflowId(id)).fetchHistory();
    const asked = events?.findIndex(
      ({ activityTaskScheduledEventAttributes: asks }) => asks?.activityType?.name === 'workWaits',
    );
    return asked !== undefined && asked >= 0 && events!.slice(asked).some((event) => event.timerStartedEventAttributes);
  };

  it('is notified of a message, which is stored and shown; stopped, it leaves nothing behind', async () => {
    const { messages } = simulator.control.truth.summary();
    const started = await ask('POST', '/session/start', { polling_interval: 3600 });
    expect(started.status).toBe(200);
    const sessionId = textOf(started.body['session']?.['session_id']);
    await until({
      session: { session_id: sessionId, status: 'running', trouble: null },
      services: {
        polling: { status: 'scheduled', interval: 3600, last_sweep: { changed_mailboxes: MAILBOXES } },
        webhook: { status: 'on', reason: null, subscriptions: { active: MAILBOXES, refused: 0 } },
        processing: { messages, mailboxes_due: 0 },
      },
      mailboxes: { followed: MAILBOXES },
      workflow: { status: 'running' },
    });
    await scheduled([sweepWorkflowId(organizationId)]);
    expect((await ask('POST', '/session/start', {})).status).toBe(409);

    const cursor = await now();
    simulator.control.addMessage(inbox(0), { subject: 'Told at once' });
    expect(await arrival('Told at once', cursor)).toMatchObject({ folder: 'inbox' });
    await until({
      services: { webhook: { notifications: { taken: 1, refused: 0 } } },
      queue: { waiting: 0, in_work: 0 },
      loss: { told: 1, missed: 0, rate: 0 },
    });
    expect((await ask('GET', '/metrics')).body).toMatchObject({
      session_id: sessionId,
      status: 'running',
      messages: { seen: messages + 1, told: 1 },
      subscriptions: { active: MAILBOXES },
    });

    const stopped = await ask('POST', '/session/stop', { reason: 'maintenance' });
    expect(stopped).toMatchObject({
      status: 200,
      body: { session: { session_id: sessionId, stop_reason: 'maintenance' } },
    });
    await until({ session: { session_id: sessionId, status: 'stopped' }, workflow: { status: 'not_running' } });
    expect(simulator.control.subscriptions.list()).toEqual([]);
    await scheduled([]);
    expect((await ask('GET', '/session/history')).body).toMatchObject({
      sessions: [
        {
          session_id: sessionId,
          stop_reason: 'maintenance',
          totals: { mailboxes: MAILBOXES, messages: messages + 1, told: 1, missed: 0, notifications: 1 },
        },
      ],
    });
    expect((await ask('POST', '/session/stop', {})).status).toBe(409);
  });

  it.each(['/polling/trigger', '/process-now'])(
    '%s reads what has changed, with a session or without',
    async (path) => {
      for (const withSession of [false, true]) {
        const settings = { polling_mode: 'manual', enable_webhook: false };
        if (withSession) {
          expect((await ask('POST', '/session/start', settings)).status).toBe(200);
          // What its first sweep finds is read for the session.
          await until({
            services: { polling: { last_sweep: { changed_mailboxes: MAILBOXES } }, processing: { status: 'idle' } },
          });
        }
        const cursor = withSession ? await now() : '';
        const seen = (await state())['services']?.['processing']?.['messages'] as unknown as number;
        simulator.control.addMessage(inbox(1), { subject: 'Found by a poll' });
        const { status, body } = await ask('POST', path);
        expect(status).toBe(202);
        const scanId = textOf(body['scanId']);
        expect(scanId).toMatch(/^poll-/);
        await vi.waitFor(async () => {
          const scan = await ask('GET', `/api/v1/scan/${scanId}/status`);
          expect(scan.body).toMatchObject({
            status: 'completed',
            mode: 'incremental',
            mailboxes: { completed: MAILBOXES },
          });
        }, LONG);
        const rows = await ask('GET', `/api/v1/results/${scanId}/data?tableName=emails`);
        expect(listOf(rows.body['data']?.['records']).map((row) => textOf(row['subject']))).toContain(
          'Found by a poll',
        );
        if (!withSession) continue;
        await arrival('Found by a poll', cursor);
        await until({ services: { processing: { messages: seen + 1 } } });
        expect((await state())['last_poll_at']).not.toBeNull();
        await ask('POST', '/session/stop', {});
        await until({ session: { status: 'stopped', stop_reason: 'user_requested' } });
      }
    },
  );

  it('is not started with a credential that Entra refuses, and is forgotten then', async () => {
    const other = await stage.keyOf(stage.organization('refused'));
    simulator.control.changeTenant({ secretExpired: true });
    try {
      const refused = await stage.call('POST', '/session/start', { key: other, body: {} });
      expect(refused.status).toBe(422);
      expect(textOf(refused.body['reason'])).toMatch(/secret/);
      expect((await stage.call('GET', '/session/status', { key: other })).body).toMatchObject({ session: null });
    } finally {
      simulator.control.changeTenant({ secretExpired: false });
    }
  });

  it('is not started where something fails after its credential was accepted: the answer says what', async () => {
    const other = await stage.keyOf(stage.organization('unlisted'));
    // The first request for users is the check of the credential.
    const effect = { type: 'status', status: 403, code: 'Authorization_RequestDenied' } as const;
    simulator.control.addFault({ kind: 'users', after: 1, effect });
    const failed = await stage.call('POST', '/session/start', { key: other, body: {} });
    expect(failed.status).toBe(422);
    expect(textOf(failed.body['message'])).toMatch(/^Session session-\S+ could not be started: .*403/);
    expect(textOf(failed.body['reason'])).toContain('Authorization_RequestDenied');
    simulator.control.clearFaults();
    expect((await stage.call('GET', '/session/history', { key: other })).body).toMatchObject({
      sessions: [{ status: 'failed', stop_reason: expect.stringContaining('403') as string }],
    });
    const again = await stage.call('POST', '/session/start', { key: other, body: { enable_webhook: false } });
    expect(again.status).toBe(200);
    expect((await stage.call('POST', '/session/stop', { key: other, body: {} })).status).toBe(200);
  });

  it('finishes what is in flight when it is stopped, and its totals have all of that', async () => {
    const id = stage.organization('in-flight');
    const other = await stage.keyOf(id);
    const call = (method: string, path: string, body?: object) => stage.call(method, path, { key: other, body });
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    expect((await call('POST', '/session/start', { enable_webhook: false })).status).toBe(200);
    await hold.reached();
    const stopping = call('POST', '/session/stop', {});
    await vi.waitFor(async () => expect(await hasWaited(id)).toBe(true), LONG);
    expect((await call('GET', '/session/status')).body).toMatchObject({ session: { status: 'stopping' } });
    hold.release();
    expect((await stopping).status).toBe(200);
    await vi.waitFor(async () => {
      expect((await call('GET', '/session/status')).body).toMatchObject({ session: { status: 'stopped' } });
    }, LONG);
    const { schema } = await organizationOf(stage.db, id);
    const [rows] = await query<{ count: number }>(stage.db, { text: `SELECT count(*) FROM ${schema}.emails` });
    const [session] = listOf((await call('GET', '/session/history')).body['sessions']);
    expect(session?.['totals']).toMatchObject({ messages: rows?.count });
    expect(rows?.count).toBeGreaterThan(0);
  });

  it('is stopped while it starts, and leaves nothing behind', async () => {
    const hold = simulator.control.hold({ kind: 'users' });
    const starting = ask('POST', '/session/start', {});
    await hold.reached();
    const stopped = await ask('POST', '/session/stop', { reason: 'changed my mind' });
    expect(stopped).toMatchObject({ status: 200, body: { session: { stop_reason: 'changed my mind' } } });
    const started = await starting;
    expect(started.status).toBe(200);
    expect(textOf(started.body['session']?.['status'])).toMatch(/^(starting|stopping|stopped)$/);
    await until({ session: { status: 'stopped' }, workflow: { status: 'not_running' } });
    hold.release();
    expect(simulator.control.subscriptions.list()).toEqual([]);
    await scheduled([]);
  });
});

const LONG = { timeout: 60_000, interval: 100 };
