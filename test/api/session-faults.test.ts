import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../embedded/index.ts';
import type { Simulator } from '../../simulator/index.ts';
import { DEFAULT_SETTINGS } from '../../simulator/notify/settings.ts';
import { query } from '../../store/database.ts';
import { listOf, textOf, type Body } from './support/stage.ts';
import { asEnvironment, openTenantStage, type TenantStage } from './support/tenant-stage.ts';
import { Wire } from './support/wire.ts';

const MAILBOXES = 3;
const LONG = { timeout: 60_000, interval: 100 };
/** No sweep but the first comes while a test runs. */
const HOURLY = { polling_interval: 3600 };

describe('a session among faults, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  /** Graph's way to the receiver. */
  let wire: Wire;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    const port = await freePort();
    wire = new Wire('127.0.0.1', port);
    const receiver = { PORT: String(port), OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${await wire.open()}` };
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: 4, folders: 1 };
    stage = await openTenantStage(tenant, (app) => ({ ...asEnvironment(app), ...receiver }));
    simulator = stage.simulator;
  });
  afterEach(async () => {
    await stage.heal();
    wire.mend();
    await stage.call('POST', '/session/clear', { key });
    simulator.control.subscriptions.expire({ all: true });
    simulator.control.notifications.set(DEFAULT_SETTINGS);
  });
  afterAll(async () => {
    await stage?.close();
    wire?.close();
  });

  const ask = (method: string, path: string, body?: object) => stage.call(method, path, { key, body });
  const state = async (): Promise<Body> => (await ask('GET', '/session/status')).body;
  const until = (wanted: object) => vi.waitFor(async () => expect(await state()).toMatchObject(wanted), LONG);
  /** Starts a session of an organization of its own, and waits until its first sweep has been read. */
  const start = async (settings: object = {}, subscriptions: object = { active: MAILBOXES }): Promise<void> => {
    organizationId = stage.organization('faults');
    key = await stage.keyOf(organizationId);
    expect((await ask('POST', '/session/start', { ...HOURLY, ...settings })).status).toBe(200);
    await until({
      session: { status: 'running' },
      services: {
        polling: { last_sweep: { changed_mailboxes: MAILBOXES } },
        webhook: { subscriptions },
        processing: { status: 'idle', mailboxes_due: 0 },
      },
    });
  };
  /** How many the session has seen. */
  const messages = async (): Promise<number> =>
    Number(textOf((await state())['services']?.['processing']?.['messages']));
  const mailbox = (index: number): string => simulator.control.truth.mailboxes()[index]?.id ?? '';
  const arrive = (index: number, subject: string, more: object = {}): string =>
    simulator.control.addMessage({ mailbox: mailbox(index), folder: 'inbox' }, { subject, ...more }).id;
  const rows = async (subject: string): Promise<{ id: string }[]> => {
    const [organization] = await query<{ schema: string }>(stage.db, {
      text: 'SELECT schema_name AS schema FROM outhaul.organizations WHERE organization_id = $1',
      values: [organizationId],
    });
    return query(stage.db, {
      text: `SELECT id FROM "${organization?.schema}".emails WHERE subject = $1`,
      values: [subject],
    });
  };
  /** A row for each id, and no more. */
  const stored = (subject: string, ids: readonly string[]) =>
    vi.waitFor(async () => {
      expect((await rows(subject)).map(({ id }) => id).sort()).toEqual([...ids].sort());
    }, LONG);

  it('takes what Graph sends again after the receiver was down for five minutes, and needs no sweep for it', async () => {
    await start();
    // A hundredth of Graph's pauses: three seconds are five minutes.
    simulator.control.notifications.set({ ...DEFAULT_SETTINGS, backoffScale: 0.01, firstTimeoutMs: 100 });
    wire.cut();
    const cutAt = Date.now();
    const ids: string[] = [];
    while (Date.now() - cutAt < 3_000) {
      ids.push(arrive(ids.length % MAILBOXES, 'Meanwhile'));
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(cutAt + ids.length * 100));
    }
    expect(await rows('Meanwhile')).toEqual([]);
    wire.mend();
    await stored('Meanwhile', ids);
    await until({ loss: { told: ids.length, missed: 0 }, queue: { waiting: 0 } });
  });

  it('has a subscription made anew, and reads the gap, where it expired while everything was down', async () => {
    // A life of some seconds in place of a week.
    simulator.control.notifications.set({ ...DEFAULT_SETTINGS, lifetimeScale: 0.000_02 });
    await start();
    wire.cut();
    await stage.stopWorker();
    await vi.waitFor(() => expect(simulator.control.subscriptions.list()).toEqual([]), LONG);
    const id = arrive(1, 'Nobody was told');
    simulator.control.notifications.set(DEFAULT_SETTINGS);
    wire.mend();
    await stage.startWorker();
    await stored('Nobody was told', [id]);
    await until({ session: { status: 'running' }, services: { webhook: { subscriptions: { active: MAILBOXES } } } });
  });

  it('says of which mailbox Graph does not notify, and polls read it all the same', async () => {
    simulator.control.addFault({
      ...{ kind: 'subscriptions', mailbox: mailbox(2) },
      effect: { type: 'mailbox', state: 'denied' },
    });
    await start({}, { active: MAILBOXES - 1, refused: 1 });
    await until({
      services: {
        webhook: { status: 'on', subscriptions: { refusals: [{ mailbox_id: mailbox(2), code: 'ExtensionError' }] } },
      },
    });
    const [told, polled] = [arrive(0, 'Told'), arrive(2, 'Polled')];
    await stored('Told', [told]);
    expect((await ask('POST', '/polling/trigger')).status).toBe(202);
    await stored('Polled', [polled]);
    // Where nobody was to tell, nothing is lost.
    await until({ loss: { told: 1, missed: 0 } });
    expect((await ask('POST', '/session/stop', {})).status).toBe(200);
    await until({ session: { status: 'stopped' }, loss: { told: 1, missed: 0, rate: 0, worst: [{ told: 1 }] } });
  });

  it('stores a message once that a notification, a poll and a scan bring at the same time', async () => {
    await start();
    const seen = await messages();
    simulator.control.notifications.set({ ...DEFAULT_SETTINGS, duplicates: 1 });
    const subjects = ['At once 1', 'At once 2', 'At once 3'];
    for (const subject of subjects) {
      const ids = [arrive(0, subject), arrive(1, subject)];
      const config = { organizationId, scanId: subject.replaceAll(' ', '-'), type: ['email'], mode: 'incremental' };
      const [poll, scan] = await Promise.all([
        ask('POST', '/process-now'),
        ask('POST', '/api/v1/scan/start', { config }),
      ]);
      expect([poll.status, scan.status]).toEqual([202, 202]);
      for (const scanId of [textOf(poll.body['scanId']), config.scanId]) {
        await vi.waitFor(async () => {
          expect((await ask('GET', `/api/v1/scan/${scanId}/status`)).body).toMatchObject({ status: 'completed' });
        }, LONG);
      }
      await stored(subject, ids);
    }
    await until({ queue: { waiting: 0, in_work: 0 }, services: { processing: { status: 'idle' } } });
    const { loss } = await state();
    expect(Number(textOf(loss?.['told'])) + Number(textOf(loss?.['missed']))).toBeLessThanOrEqual(2 * subjects.length);
    expect(await messages()).toBe(seen + 2 * subjects.length);
    for (const subject of subjects) expect(await rows(subject)).toHaveLength(2);
  });

  it('reads only what was asked for, and marks it as read', async () => {
    simulator.control.changeTenant({ roles: ['User.Read.All', 'Mail.Read', 'Mail.ReadWrite'], revokeTokens: true });
    const filters = { folders: ['inbox'], mailboxes: { include: [mailbox(0), mailbox(1)] } };
    organizationId = stage.organization('chosen');
    key = await stage.keyOf(organizationId);
    const started = await ask('POST', '/session/start', { ...HOURLY, filters, mark_as_read: true, only_unread: true });
    expect(started.body).toMatchObject({ session: { filters, mark_as_read: true, only_unread: true } });
    await until({
      mailboxes: { followed: 2, skipped: 1 },
      services: { webhook: { subscriptions: { active: 2 } }, processing: { status: 'idle', mailboxes_due: 0 } },
    });
    const [unread] = [arrive(0, 'Chosen'), arrive(1, 'Chosen', { isRead: true }), arrive(2, 'Chosen')];
    await stored('Chosen', [unread]);
    const isRead = () =>
      simulator.control.truth
        .page({ mailbox: mailbox(0), limit: 100 })
        .value.find(({ message }) => message['id'] === unread)?.message['isRead'];
    await vi.waitFor(() => expect(isRead()).toBe(true), LONG);
    await until({ services: { processing: { mark_as_read: { enabled: true, refused: null } } } });
    await stored('Chosen', [unread]);
  });

  it('runs by polling, more often, where Graph cannot reach us, and says why', async () => {
    wire.cut();
    simulator.control.notifications.set({ ...DEFAULT_SETTINGS, validationTimeoutMs: 100 });
    await start({ polling_interval: 600 }, { active: 0 });
    await until({
      services: {
        webhook: { status: 'unreachable', reason: expect.stringContaining('OUTHAUL_PUBLIC_URL') as string },
        polling: { status: 'scheduled', interval: 60 },
      },
    });
    const id = arrive(0, 'By polling');
    expect((await ask('POST', '/polling/trigger')).status).toBe(202);
    await stored('By polling', [id]);
    expect(listOf((await ask('GET', '/session/history')).body['sessions'])).toEqual([]);
  });
});
