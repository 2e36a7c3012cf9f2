import { temporal } from '@temporalio/proto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scanWorkflowId } from '../../model/ids.ts';
import { organizationIdKey, scanIdKey } from '../../workflows/search-attributes.ts';
import type { Simulator } from '../../simulator/index.ts';
import { textOf, type Body } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

/** The simulated tenant's users that have a mailbox, and what they hold. */
const MAILBOXES = 3;
const MESSAGES = 40;

describe('a scan, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  beforeAll(async () => {
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: MESSAGES, folders: 1 };
    stage = await openTenantStage(tenant, { MAX_CONCURRENT_SCANS: '1' });
    simulator = stage.simulator;
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  const auth = (over: Record<string, string> = {}) => ({ ...stage.auth, ...over });
  const start = (scanId: string, organizationId: string, over: object = {}) =>
    stage.call('POST', '/api/v1/scan/start', {
      body: {
        config: { scanId, organizationId, type: ['email'], auth: auth(), filters: { folders: ['inbox'] }, ...over },
      },
    });
  const statusOf = async (scanId: string, organizationId: string): Promise<Body> =>
    (await stage.call('GET', `/api/v1/scan/${scanId}/status?organizationId=${organizationId}`)).body;
  const until = (scanId: string, organizationId: string, status: string) =>
    expect.poll(() => statusOf(scanId, organizationId), { timeout: 40_000 }).toMatchObject({ status });

  it('is started, watched and queried as existing clients do', async () => {
    const organizationId = stage.organization('whole');
    const key = await stage.keyOf(organizationId);
    const config = { scanId: 'whole', organizationId, type: ['email'], auth: auth(), filters: { folders: ['inbox'] } };
    const started = await stage.call('POST', '/api/v1/scan/start', { key, body: { config } });
    expect(started.status).toBe(202);
    expect(started.body).toEqual({
      success: true,
      scanId: 'whole',
      status: 'running',
      startTime: expect.stringMatching(/Z$/) as string,
      message: 'outlook_emails extraction scan initiated successfully',
    });
    await until('whole', organizationId, 'completed');
    const { body } = await stage.call('GET', '/api/v1/scan/whole/status', { key });
    expect(body).toMatchObject({
      recordsExtracted: MAILBOXES * MESSAGES,
      mailboxes: { total: MAILBOXES, running: 0, completed: MAILBOXES, failed: 0, skipped: 0 },
      etaSeconds: 0,
      errorMessage: null,
      checkpointInfo: { phase: 'emails_completed', running: [] },
      workflow: { id: `scan/${organizationId}/whole`, runId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
    });
    expect(textOf(body['workflow']?.['url'])).toContain(textOf(body['workflow']?.['runId']));
    const rows = await stage.call('GET', '/api/v1/results/whole/data?tableName=emails&limit=1000', { key });
    expect(rows.body['data']?.['pagination']).toMatchObject({ total: MAILBOXES * MESSAGES, hasMore: false });
  });

  it('tells what an incremental one found new, changed, moved and deleted', async () => {
    const organizationId = stage.organization('incremental');
    const mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
    const inbox = { mailbox, folder: 'inbox' };
    const [read, gone, away] = ['Read', 'Gone', 'Away'].map((subject) => {
      return { mailbox, id: simulator.control.addMessage(inbox, { subject }).id };
    });
    const added = simulator.control.truth
      .mailboxes()
      .flatMap(({ id }) => [...simulator.control.truth.messages({ mailbox: id, folder: 'inbox' })]).length;
    await start('before', organizationId);
    await until('before', organizationId, 'completed');
    const { differences } = await statusOf('before', organizationId);
    expect(differences).toEqual({ added, changed: 0, moved: 0, deleted: 0, restored: 0 });
    simulator.control.addMessage(inbox, { subject: 'New' });
    simulator.control.changeMessage(read!, { isRead: true });
    simulator.control.removeMessage(gone!);
    simulator.control.moveMessage(away!, 'archive');
    await start('after', organizationId, { mode: 'incremental' });
    await until('after', organizationId, 'completed');
    const found = { added: 1, changed: 1, moved: 1, deleted: 1, restored: 0 };
    expect((await statusOf('after', organizationId))['differences']).toEqual(found);
    const query = `organizationId=${organizationId}`;
    const coverage = await stage.call('GET', `/api/v1/scan/after/coverage?${query}`);
    expect(coverage.body['totals']).toMatchObject(found);
  });

  it('may leave its credential out once the organization has a connection that works', async () => {
    const organizationId = stage.organization('again');
    expect((await start('first', organizationId)).status).toBe(202);
    await until('first', organizationId, 'completed');
    expect((await start('second', organizationId, { auth: undefined, mode: 'incremental' })).status).toBe(202);
    await until('second', organizationId, 'completed');
    expect(await statusOf('second', organizationId)).toMatchObject({ mode: 'incremental' });
  });

  it('whose id the organization has already answers 409, and another organization may use it', async () => {
    const [mine, theirs] = [stage.organization('mine'), stage.organization('theirs')];
    expect((await start('same', mine)).status).toBe(202);
    const again = await start('same', mine);
    expect(again).toMatchObject({ status: 409, body: { success: false, message: 'Scan same exists already' } });
    expect((await start('same', theirs)).status).toBe(202);
    await until('same', mine, 'completed');
    await until('same', theirs, 'completed');
    expect((await start('same', mine)).status).toBe(409);
  });

  it.each([
    ['secret', { clientSecret: 'a-wrong-secret-of-good-length' }, /secret/i],
    ['tenant', { tenantId: '00000000-0000-0000-0000-000000000001' }, /tenant/i],
    ['client', { clientId: '00000000-0000-0000-0000-000000000001' }, /app/i],
  ])('with a wrong %s answers 422 with a reason of its own', async (what, over, reason) => {
    const organizationId = stage.organization(`wrong-${what}`);
    const { status, body, headers } = await start('refused', organizationId, { auth: auth(over) });
    expect(status).toBe(422);
    expect(body).toEqual({
      success: false,
      scanId: 'refused',
      error: 'Invalid outlook_emails access credentials',
      message: 'Credential validation failed',
      reason: expect.stringMatching(reason) as string,
      requestId: headers.get('x-request-id'),
    });
    expect((await stage.call('GET', `/api/v1/scan/refused/status?organizationId=${organizationId}`)).status).toBe(404);
    expect(stage.lines.some((line) => line.includes('Credential validation failed'))).toBe(true);
    expect((await start('refused', organizationId)).status, 'the id can be used again').toBe(202);
    await until('refused', organizationId, 'completed');
  });

  it('with a wrong secret leaves the good connection of its organization alone', async () => {
    const organizationId = stage.organization('good');
    expect((await start('good', organizationId)).status).toBe(202);
    await until('good', organizationId, 'completed');
    const wrong = auth({ clientSecret: 'a-wrong-secret-of-good-length' });
    expect((await start('bad', organizationId, { auth: wrong })).status).toBe(422);
    expect((await start('after', organizationId, { auth: undefined })).status).toBe(202);
    await until('after', organizationId, 'completed');
  });

  it.each(['User.Read.All', 'Mail.Read'])('of a tenant without %s answers 422 and names it', async (missing) => {
    const organizationId = stage.organization(`without-${missing}`);
    const roles = ['User.Read.All', 'Mail.Read'] as const;
    simulator.control.changeTenant({ roles: roles.filter((role) => role !== missing) });
    const { status, body } = await start('denied', organizationId);
    simulator.control.changeTenant({ roles: [...roles] });
    expect(status).toBe(422);
    expect(body['reason']).toContain(missing);
  });

  it('is cancelled while it reads: 202, again 202, and 409 once it has ended', async () => {
    const organizationId = stage.organization('cancel');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    expect((await start('cancel', organizationId)).status).toBe(202);
    await hold.reached();
    const first = await stage.call('POST', `/api/v1/scan/cancel/cancel?organizationId=${organizationId}`);
    expect(first).toMatchObject({
      status: 202,
      body: { success: true, scanId: 'cancel', organizationId, status: 'cancelling' },
    });
    const second = await stage.call('POST', `/api/v1/scan/cancel/cancel?organizationId=${organizationId}`);
    expect([202, 409]).toContain(second.status);
    await until('cancel', organizationId, 'cancelled');
    hold.release();
    const third = await stage.call('POST', `/api/v1/scan/cancel/cancel?organizationId=${organizationId}`);
    expect(third).toMatchObject({
      status: 409,
      body: { message: expect.stringMatching(/^Scan cancel has ended: cancelled; retry-failed/) as string },
    });
    expect(await statusOf('cancel', organizationId)).toMatchObject({ endTime: expect.stringMatching(/Z$/) as string });
  });

  it('waits as pending while as many others run as may, and then runs', async () => {
    const [first, second] = [stage.organization('runs'), stage.organization('waits')];
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    expect((await start('runs', first)).body).toMatchObject({ status: 'running' });
    await hold.reached();
    const waiting = await start('waits', second);
    expect(waiting).toMatchObject({ status: 202, body: { status: 'pending' } });
    expect(await statusOf('waits', second)).toMatchObject({
      status: 'pending',
      checkpointInfo: { phase: 'pending' },
      messagesPerSecond: 0,
      etaSeconds: null,
    });
    hold.release();
    await until('runs', first, 'completed');
    await until('waits', second, 'completed');
  });

  it('leaves neither secret nor address in its history, the log or the audit log, and is found by its ids', async () => {
    const organizationId = stage.organization('clear');
    const filters = { mailboxes: { exclude: ['someone@harbour.example'] } };
    expect((await start('clear', organizationId, { filters })).status).toBe(202);
    await until('clear', organizationId, 'completed');

    const handle = stage.temporal.workflow.getHandle(scanWorkflowId(organizationId, 'clear'));
    const { typedSearchAttributes } = await handle.describe();
    expect(typedSearchAttributes.get(organizationIdKey)).toBe(organizationId);
    expect(typedSearchAttributes.get(scanIdKey)).toBe('clear');
    const history = Buffer.from(temporal.api.history.v1.History.encode(await handle.fetchHistory()).finish());
    expect(history.includes(organizationId)).toBe(true);

    const { rows } = await stage.db.pool.query('SELECT a::text AS row FROM outhaul.audit_log a');
    const audit = JSON.stringify(rows);
    expect(audit).toContain('scan.start');
    for (const text of [history.toString('latin1'), audit, stage.lines.join('')]) {
      expect(text).not.toContain(simulator.clientSecret);
      expect(text).not.toContain('someone@');
    }
  });
});
