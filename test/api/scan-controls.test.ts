import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../../api/main.ts';
import { refusalOf } from '../../api/scan-controls.ts';
import { loadConfig } from '../../config/config.ts';
import { createLogger } from '../../config/logging.ts';
import type { Simulator } from '../../simulator/index.ts';
import { textOf, type Body } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const MAILBOXES = 4;
const MESSAGES = 30;

describe('what can be done with a scan', () => {
  const refusal = (control: Parameters<typeof refusalOf>[0], status: string, retriedAt: string | null = null) =>
    refusalOf(control, { scanId: 's1', status: status as 'running', retriedAt });

  it.each(['pending', 'running', 'paused'])('%s: pause, resume and cancel it', (status) => {
    for (const control of ['pause', 'resume', 'cancel'] as const) expect(refusal(control, status)).toBeUndefined();
    expect(refusal('retry-failed', status)).toMatch(new RegExp(`is ${status}.*once it has ended`));
  });

  it('cancelling: cancel it once more, and nothing else', () => {
    expect(refusal('cancel', 'cancelling')).toBeUndefined();
    expect(refusal('pause', 'cancelling')).toMatch(/cannot be paused.*retry-failed/);
    expect(refusal('resume', 'cancelling')).toMatch(/cannot be resumed/);
    expect(refusal('retry-failed', 'cancelling')).toMatch(/once it is cancelled/);
  });

  it.each(['cancelled', 'completed_with_errors', 'failed', 'crashed'])('%s: try again what failed', (status) => {
    expect(refusal('retry-failed', status)).toBeUndefined();
    for (const control of ['pause', 'resume', 'cancel'] as const) {
      expect(refusal(control, status)).toBe(
        `Scan s1 has ended: ${status}; retry-failed goes on with what it has not read`,
      );
    }
  });

  it('completed: nothing', () => {
    for (const control of ['pause', 'resume', 'cancel'] as const) {
      expect(refusal(control, 'completed')).toBe('Scan s1 has ended: completed');
    }
    expect(refusal('retry-failed', 'completed')).toMatch(/nothing is left/);
  });

  it('tried again already: ask for that once more', () => {
    expect(refusal('retry-failed', 'running', '2026-11-21T09:00:00Z')).toBeUndefined();
    expect(refusal('retry-failed', 'completed', '2026-11-21T09:00:00Z')).toBeDefined();
  });
});

describe('controls of a scan, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  beforeAll(async () => {
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: MESSAGES, folders: 1 };
    stage = await openTenantStage(tenant, { MAX_CONCURRENT_SCANS: '1', MAX_RETRIES: '1' });
    simulator = stage.simulator;
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  const start = (scanId: string, organizationId: string) => {
    const config = { scanId, organizationId, type: ['email'], auth: stage.auth, filters: { folders: ['inbox'] } };
    return stage.call('POST', '/api/v1/scan/start', { body: { config } });
  };
  const control = (name: string, scanId: string, organizationId: string) =>
    stage.call('POST', `/api/v1/scan/${scanId}/${name}?organizationId=${organizationId}`);
  const statusOf = async (scanId: string, organizationId: string): Promise<Body> =>
    (await stage.call('GET', `/api/v1/scan/${scanId}/status?organizationId=${organizationId}`)).body;
  const until = (scanId: string, organizationId: string, status: string) =>
    expect.poll(() => statusOf(scanId, organizationId), { timeout: 40_000 }).toMatchObject({ status });
  const rowsOf = async (scanId: string, organizationId: string) => {
    const query = `tableName=emails&limit=1000&organizationId=${organizationId}`;
    return (await stage.call('GET', `/api/v1/results/${scanId}/data?${query}`)).body['data']?.['pagination']?.['total'];
  };
  const actions = async (organizationId: string): Promise<string[]> => {
    const { rows } = await stage.db.pool.query<{ action: string }>(
      'SELECT action FROM outhaul.audit_log WHERE organization_id = $1 ORDER BY entry_no',
      [organizationId],
    );
    return rows.map(({ action }) => action);
  };

  it('paused while it reads leaves Graph alone, gives its turn away, and goes on when it is resumed', async () => {
    const [organizationId, other] = [stage.organization('pause'), stage.organization('other')];
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    await start('paused', organizationId);
    await hold.reached();
    const paused = await control('pause', 'paused', organizationId);
    expect(paused).toMatchObject({ status: 202, body: { success: true, scanId: 'paused', status: 'paused' } });
    expect(await control('pause', 'paused', organizationId), 'again').toMatchObject({
      status: 202,
      body: { status: 'paused' },
    });
    await expect.poll(() => simulator.control.stats().inFlight, { timeout: 15_000 }).toBe(0);
    hold.release();
    expect(await statusOf('paused', organizationId)).toMatchObject({
      status: 'paused',
      mailboxes: { total: MAILBOXES, running: 0 },
      etaSeconds: null,
      endTime: null,
    });
    expect((await control('retry-failed', 'paused', organizationId)).status).toBe(409);

    expect((await start('meanwhile', other)).body).toMatchObject({ status: 'running' });
    await until('meanwhile', other, 'completed');
    expect(await control('resume', 'paused', organizationId)).toMatchObject({ status: 202 });
    await until('paused', organizationId, 'completed');
    expect(await statusOf('paused', organizationId)).toMatchObject({ recordsExtracted: MAILBOXES * MESSAGES });
    expect(await rowsOf('paused', organizationId)).toBe(MAILBOXES * MESSAGES);
    const late = await control('resume', 'paused', organizationId);
    expect(late).toMatchObject({ status: 409, body: { message: 'Scan paused has ended: completed' } });
    expect(await actions(organizationId)).toEqual(['scan.start', 'scan.pause', 'scan.pause', 'scan.resume']);
  });

  it('paused while it waits for its turn does not take it; resumed, it does', async () => {
    const [first, second] = [stage.organization('first'), stage.organization('second')];
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    await start('runs', first);
    await hold.reached();
    expect((await start('waits', second)).body).toMatchObject({ status: 'pending' });
    expect((await control('pause', 'waits', second)).body).toMatchObject({ status: 'paused' });
    hold.release();
    await until('runs', first, 'completed');
    expect(await statusOf('waits', second)).toMatchObject({ status: 'paused' });
    expect((await control('resume', 'waits', second)).status).toBe(202);
    await until('waits', second, 'completed');
  });

  it('cancelled while it is paused ends as cancelled, and retry-failed goes on with it', async () => {
    const organizationId = stage.organization('cancelled');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    await start('cancelled', organizationId);
    await hold.reached();
    await control('pause', 'cancelled', organizationId);
    expect((await control('cancel', 'cancelled', organizationId)).status).toBe(202);
    await until('cancelled', organizationId, 'cancelled');
    hold.release();
    expect((await control('pause', 'cancelled', organizationId)).status).toBe(409);
    const again = await control('retry-failed', 'cancelled', organizationId);
    expect(again.status).toBe(202);
    await until('cancelled', organizationId, 'completed');
    expect(await rowsOf('cancelled', organizationId)).toBe(MAILBOXES * MESSAGES);
  });

  it('with a mailbox that failed reads that one again, and no other; every message is counted once', async () => {
    const organizationId = stage.organization('failed');
    const [bad, ...good] = simulator.control.truth.mailboxes().map(({ id }) => id) as [string, ...string[]];
    const fault = simulator.control.addFault({
      mailbox: bad,
      kind: 'messagesDelta',
      effect: { type: 'status', status: 400, code: 'ErrorInvalidRequest' },
    });
    await start('errors', organizationId);
    await until('errors', organizationId, 'completed_with_errors');
    expect(await statusOf('errors', organizationId)).toMatchObject({
      recordsExtracted: (MAILBOXES - 1) * MESSAGES,
      mailboxes: { completed: MAILBOXES - 1, failed: 1 },
    });
    simulator.control.removeFault(fault.id);
    simulator.control.resetStats();
    const [one, two] = await Promise.all([
      control('retry-failed', 'errors', organizationId),
      control('retry-failed', 'errors', organizationId),
    ]);
    expect([one.status, two.status]).toContain(202);
    await until('errors', organizationId, 'completed');
    expect(await statusOf('errors', organizationId)).toMatchObject({
      recordsExtracted: MAILBOXES * MESSAGES,
      mailboxes: { total: MAILBOXES, completed: MAILBOXES, failed: 0 },
      errorMessage: null,
    });
    expect(await rowsOf('errors', organizationId)).toBe(MAILBOXES * MESSAGES);
    const { mailboxes } = simulator.control.stats();
    for (const id of good)
      expect(mailboxes[id]?.requests ?? 0, 'asked for the check of the credential at most').toBeLessThan(3);
    const late = await control('retry-failed', 'errors', organizationId);
    expect(late).toMatchObject({ status: 409, body: { message: expect.stringMatching(/nothing is left/) as string } });
  });

  it('that cannot be opened again, because the credential is refused now, says why and can be tried again later', async () => {
    const organizationId = stage.organization('refused');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    await start('refused', organizationId);
    await hold.reached();
    await control('cancel', 'refused', organizationId);
    await until('refused', organizationId, 'cancelled');
    hold.release();
    simulator.control.changeTenant({ roles: ['Mail.Read'] });
    const refused = await control('retry-failed', 'refused', organizationId);
    simulator.control.changeTenant({ roles: ['User.Read.All', 'Mail.Read'] });
    expect(refused.status).toBe(422);
    expect(textOf(refused.body['reason'])).toContain('User.Read.All');
    await until('refused', organizationId, 'failed');
    expect((await control('retry-failed', 'refused', organizationId)).status).toBe(202);
    await until('refused', organizationId, 'completed');
  });

  it('without a worker pauses as soon as one is there, over a restart of the API', async () => {
    const organizationId = stage.organization('no-worker');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    await start('later', organizationId);
    await hold.reached();
    await stage.stopWorker();
    const answer = await control('pause', 'later', organizationId);
    expect(answer).toMatchObject({
      status: 202,
      body: { status: 'running', message: expect.stringContaining('as soon as a worker') as string },
    });
    hold.release();
    const { config } = loadConfig(stage.environment);
    const log = createLogger({ ...config.log, level: 'error' }, { process: 'api' });
    const another = await startApi({ config, log, taskQueuePrefix: stage.taskQueuePrefix });
    await stage.startWorker();
    await until('later', organizationId, 'paused');
    const path = `${another.url}/api/v1/scan/later/resume?organizationId=${organizationId}`;
    const resumed = await fetch(path, { method: 'POST', headers: { Authorization: `Bearer ${stage.adminKey}` } });
    expect(resumed.status).toBe(202);
    await another.close();
    await until('later', organizationId, 'completed');
  });

  it('of another organization, or of none, answers 404', async () => {
    const key = await stage.keyOf(stage.organization('mine'));
    for (const name of ['pause', 'resume', 'retry-failed', 'cancel']) {
      expect((await stage.call('POST', `/api/v1/scan/errors/${name}`, { key })).status).toBe(404);
      expect((await stage.call('POST', `/api/v1/scan/nowhere/${name}`)).status).toBe(404);
    }
  });
});
