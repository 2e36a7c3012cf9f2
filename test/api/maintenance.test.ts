import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { mailboxWorkflowId, scanWorkflowId, sessionWorkflowId } from '../../model/ids.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { finishScan } from '../../store/scan-end.ts';
import { addScan, takeSlot } from '../../store/scans.ts';
import { openSession } from '../../store/sessions.ts';
import { readWithdrawnSignal, reviewSignal, turnFreedSignal } from '../../workflows/messages.ts';
import { organizationIdKey, scanIdKey } from '../../workflows/search-attributes.ts';
import { seedSession } from './support/notifications.ts';
import { seedScan } from './support/seed.ts';
import { listOf, openApiStage, type ApiStage, type Body } from './support/stage.ts';

describe('detect-crashed', () => {
  let stage: ApiStage;
  let client: Client;
  beforeAll(async () => {
    stage = await openApiStage();
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    client = new Client({ connection, namespace: inject('temporalNamespace') });
  });
  afterAll(async () => {
    await client.connection.close();
    await stage.close();
  });

  const detect = async (organizationId: string, minutes = 10) => {
    const query = `timeoutMinutes=${minutes}&organizationId=${organizationId}`;
    return (await stage.call('POST', `/api/v1/maintenance/detect-crashed?${query}`)).body;
  };
  const statusOf = async (organizationId: string, scanId: string) =>
    (await stage.call('GET', `/api/v1/scan/${scanId}/status?organizationId=${organizationId}`)).body;
  /** A workflow of the scan's id that no worker takes on: Temporal runs it until it is told otherwise. */
  const startWorkflow = (organizationId: string, scanId: string) =>
    client.workflow.start('scanTenant', {
      workflowId: scanWorkflowId(organizationId, scanId),
      taskQueue: `nobody-${randomUUID()}`,
    });
  const signalsOf = async (handle: WorkflowHandle) =>
    ((await handle.fetchHistory()).events ?? []).flatMap(
      (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
    );
  const seed = (organizationId: string, scanId: string) =>
    seedScan(stage.db, { organizationId, scanId, mailboxes: 2, messages: 1 });
  const age = (scanNo: number, interval: string) =>
    stage.db.pool.query(
      `WITH mailboxes AS (UPDATE outhaul.scan_mailboxes SET updated_at = updated_at - $2::interval WHERE scan_no = $1)
       UPDATE outhaul.scans SET requested_at = requested_at - $2::interval, started_at = started_at - $2::interval
       WHERE scan_no = $1`,
      [scanNo, interval],
    );
  const only = (list: Body | undefined): Body => {
    expect(list).toHaveLength(1);
    return listOf(list)[0]!;
  };

  it('finds nothing to do where nothing runs', async () => {
    const organizationId = stage.organization('idle');
    const { scanNo } = await seed(organizationId, 'done');
    await finishScan(stage.db, scanNo, { end: 'ran', maxConcurrent: 5 });
    const body = await detect(organizationId);
    expect(body).toEqual({
      ...{ success: true, timeoutMinutes: 10, checked: 0, crashed: [], stalled: [] },
      sessions: { checked: 0, crashed: [] },
    });
  });

  it.each([
    [
      'was terminated',
      async (handle: { terminate(reason: string): Promise<unknown> }) => void (await handle.terminate('test')),
      'terminated',
    ],
  ])('marks a scan as crashed whose workflow %s', async (_how, end, word) => {
    const organizationId = stage.organization('terminated');
    await seed(organizationId, 'lost');
    await end(await startWorkflow(organizationId, 'lost'));
    const found = only((await detect(organizationId))['crashed']);
    expect(found).toEqual({
      scanId: 'lost',
      organizationId,
      status: 'crashed',
      lastProgressAt: expect.stringMatching(/Z$/) as string,
      action: `Its workflow has ended in Temporal: ${word}: marked as crashed`,
    });
    const after = await statusOf(organizationId, 'lost');
    expect(after).toMatchObject({ status: 'crashed', errorMessage: `Its workflow has ended in Temporal: ${word}` });
    expect(await detect(organizationId)).toMatchObject({ checked: 0, crashed: [] });
  });

  it('marks a scan as crashed whose workflow Temporal does not know, but not one that is just being started', async () => {
    const organizationId = stage.organization('unknown');
    const { scanNo } = await seed(organizationId, 'unknown');
    expect(await detect(organizationId)).toMatchObject({ checked: 1, crashed: [] });
    await age(scanNo, '2 minutes');
    const found = only((await detect(organizationId))['crashed']);
    expect(found).toMatchObject({
      scanId: 'unknown',
      action: 'Temporal does not know its workflow: marked as crashed',
    });
  });

  it('wakes the scan that waits for the turn of one that crashed, and tells its readers that it no longer waits', async () => {
    const organizationId = stage.organization('turn');
    const { scanNo } = await seed(organizationId, 'dead');
    const scan = { organizationId, scanId: 'next', mode: 'full', status: 'pending' } as const;
    const next = await addScan(stage.db, { ...scan, filters: { folders: ['inbox'] } });
    expect(await takeSlot(stage.db, next.scanNo, 0)).toBe('pending');
    const waits = await startWorkflow(organizationId, 'next');
    const reader = await client.workflow.start('syncMailbox', {
      workflowId: mailboxWorkflowId(organizationId, randomUUID()),
      taskQueue: `nobody-${randomUUID()}`,
      typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
    });
    await age(scanNo, '2 minutes');
    // Visibility follows what runs after a moment; the scan is found crashed once.
    await expect
      .poll(() => client.workflow.count(`WorkflowId = '${reader.workflowId}'`), { timeout: 30_000 })
      .toMatchObject({ count: 1 });
    only((await detect(organizationId))['crashed']);
    expect(await signalsOf(waits)).toEqual([turnFreedSignal.name]);
    expect(await signalsOf(reader)).toEqual([readWithdrawnSignal.name]);
    await Promise.all([waits.terminate('test'), reader.terminate('test')]);
  });

  it('tells a scan that has not moved for the time given to look again, and leaves it running', async () => {
    const organizationId = stage.organization('stalled');
    const { scanNo } = await seed(organizationId, 'stalled');
    const handle = await startWorkflow(organizationId, 'stalled');
    expect(await detect(organizationId, 1)).toMatchObject({ checked: 1, crashed: [], stalled: [] });
    await age(scanNo, '5 minutes');
    expect(await detect(organizationId, 10)).toMatchObject({ crashed: [], stalled: [] });
    const body = await detect(organizationId, 4);
    expect(body['crashed']).toEqual([]);
    expect(only(body['stalled'])).toMatchObject({ scanId: 'stalled', status: 'running' });
    expect(await signalsOf(handle)).toContain(reviewSignal.name);
    await handle.terminate('test');
  });

  it('does not call a scan stalled that waits for its turn', async () => {
    const organizationId = stage.organization('waiting');
    await ensureOrganization(stage.db, organizationId);
    const scan = { organizationId, scanId: 'waiting', mode: 'full', status: 'pending' } as const;
    const { scanNo } = await addScan(stage.db, { ...scan, filters: { folders: ['inbox'] } });
    const handle = await startWorkflow(organizationId, 'waiting');
    await age(scanNo, '2 days');
    expect(await detect(organizationId)).toMatchObject({ checked: 1, crashed: [], stalled: [] });
    await handle.terminate('test');
  });

  it("looks at the key's organization only, an administrator's key at all", async () => {
    const [mine, theirs] = [stage.organization('mine'), stage.organization('theirs')];
    for (const organizationId of [mine, theirs]) {
      const { scanNo } = await seed(organizationId, 'lost');
      await age(scanNo, '1 hour');
    }
    const key = await stage.keyOf(mine);
    const { body } = await stage.call('POST', '/api/v1/maintenance/detect-crashed', { key });
    expect(only(body['crashed'])).toMatchObject({ organizationId: mine });
    expect(await statusOf(theirs, 'lost')).toMatchObject({ status: 'running' });
    const all = await stage.call('POST', '/api/v1/maintenance/detect-crashed');
    expect(all.body).toMatchObject({ timeoutMinutes: 10 });
    const found = listOf(all.body['crashed']).map((scan) => scan['organizationId']);
    expect(found).toContain(theirs);
    expect(found).not.toContain(mine);
  });

  describe('of a session', () => {
    const follow = async (name: string, more: { minutesAgo: number }) => {
      const { sessionNo, organizationId } = await seedSession(stage.db, stage.organization(name));
      await stage.db.pool.query(
        `UPDATE outhaul.sessions SET started_at = now() - $2 * interval '1 minute' WHERE session_no = $1`,
        [sessionNo, more.minutesAgo],
      );
      const session = await openSession(stage.db, organizationId);
      return { organizationId, sessionId: session?.sessionId ?? '' };
    };
    const run = ({ organizationId, sessionId }: { organizationId: string; sessionId: string }) =>
      client.workflow.start('keepSession', {
        workflowId: sessionWorkflowId(organizationId),
        taskQueue: `nobody-${randomUUID()}`,
        typedSearchAttributes: [{ key: scanIdKey, value: sessionId }],
      });
    const statusOfSession = async (organizationId: string) =>
      (await stage.call('GET', `/session/status?organizationId=${organizationId}`)).body;

    it('that Temporal runs leaves it alone', async () => {
      const session = await follow('well', { minutesAgo: 5 });
      const handle = await run(session);
      expect(await detect(session.organizationId)).toMatchObject({ sessions: { checked: 1, crashed: [] } });
      await handle.terminate('test');
    });

    it('whose workflow was terminated ends it as failed, and the status says why', async () => {
      const session = await follow('session-terminated', { minutesAgo: 0 });
      const { organizationId, sessionId } = session;
      await (await run(session)).terminate('test');
      const { sessions } = await detect(organizationId);
      expect(sessions).toEqual({
        checked: 1,
        crashed: [
          {
            ...{ sessionId, organizationId, status: 'failed' },
            startedAt: expect.stringMatching(/Z$/) as string,
            action: 'Its workflow has ended in Temporal: terminated: marked as failed',
          },
        ],
      });
      expect(await statusOfSession(organizationId)).toMatchObject({
        session: { status: 'failed', stop_reason: 'Its workflow has ended in Temporal: terminated' },
      });
      expect(await detect(organizationId)).toMatchObject({ sessions: { checked: 0, crashed: [] } });
    });

    it('that Temporal does not know ends it, as after the loss of its database, but not one that just starts', async () => {
      const young = await follow('young', { minutesAgo: 0 });
      expect(await detect(young.organizationId)).toMatchObject({ sessions: { checked: 1, crashed: [] } });
      const lost = await follow('forgotten', { minutesAgo: 5 });
      expect(await detect(lost.organizationId)).toMatchObject({
        sessions: { crashed: [{ action: 'Temporal does not know its workflow: marked as failed' }] },
      });
    });

    it('in whose place another runs ends the one that was left behind', async () => {
      const left = await follow('left-behind', { minutesAgo: 5 });
      const handle = await run({ ...left, sessionId: 'session-of-another' });
      expect(await detect(left.organizationId)).toMatchObject({
        sessions: { crashed: [{ action: 'Another session has taken its place: marked as failed' }] },
      });
      await handle.terminate('test');
    });
  });
});
