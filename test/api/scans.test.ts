import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureOrganization } from '../../store/organizations.ts';
import { finishScan } from '../../store/scan-end.ts';
import { addScan } from '../../store/scans.ts';
import { seedScan, type SeededScan } from './support/seed.ts';
import { listOf, openApiStage, textOf, type ApiStage } from './support/stage.ts';

describe('the status of a scan', () => {
  let stage: ApiStage;
  let seeded: SeededScan;
  beforeAll(async () => {
    stage = await openApiStage();
    const organizationId = stage.organization();
    seeded = await seedScan(stage.db, { organizationId, scanId: 'seeded', mailboxes: 3, messages: 7 });
  });
  afterAll(() => stage.close());

  it('has every field of the contract, numbers as numbers', async () => {
    const { status, body } = await stage.call('GET', '/api/v1/scan/seeded/status');
    expect(status).toBe(200);
    const [mailbox] = seeded.mailboxIds;
    expect(body).toEqual({
      success: true,
      scanId: 'seeded',
      organizationId: seeded.organizationId,
      status: 'running',
      mode: 'full',
      content: 'full',
      contents: null,
      startTime: expect.stringMatching(/Z$/) as string,
      endTime: null,
      recordsExtracted: 7,
      mailboxes: { total: 3, running: 1, completed: 0, failed: 0, skipped: 0 },
      differences: { added: 7, changed: 0, moved: 0, deleted: 0, restored: 0 },
      messagesPerSecond: expect.any(Number) as number,
      etaSeconds: expect.any(Number) as number,
      errorMessage: null,
      checkpointInfo: {
        phase: 'emails',
        recordsProcessed: 7,
        updatedAt: expect.stringMatching(/Z$/) as string,
        running: [{ mailbox, folder: 'inbox', recordsProcessed: 7 }],
      },
      workflow: {
        id: `scan/${seeded.organizationId}/seeded`,
        runId: null,
        url: `http://localhost:8233/namespaces/default/workflows/scan%2F${seeded.organizationId}%2Fseeded`,
      },
    });
  });

  it('says that a scan waits, and since when', async () => {
    const { organizationId } = seeded;
    const filters = { folders: ['inbox'] };
    await addScan(stage.db, { organizationId, scanId: 'waiting', mode: 'incremental', status: 'pending', filters });
    const { body } = await stage.call('GET', '/api/v1/scan/waiting/status');
    expect(body).toMatchObject({
      status: 'pending',
      mode: 'incremental',
      endTime: null,
      recordsExtracted: 0,
      messagesPerSecond: 0,
      etaSeconds: null,
      checkpointInfo: { phase: 'pending', recordsProcessed: 0, updatedAt: null, running: [] },
    });
    expect(Date.parse(textOf(body['startTime']))).not.toBeNaN();
  });

  it('says how it ended, and why', async () => {
    const { organizationId } = seeded;
    const { scanNo } = await seedScan(stage.db, { organizationId, scanId: 'failed', mailboxes: 1, messages: 2 });
    await finishScan(stage.db, scanNo, { end: 'failed', message: 'the tenant is gone', maxConcurrent: 5 });
    const { body } = await stage.call('GET', '/api/v1/scan/failed/status');
    expect(body).toMatchObject({
      status: 'failed',
      errorMessage: 'the tenant is gone',
      recordsExtracted: 2,
      etaSeconds: 0,
      checkpointInfo: { phase: 'emails_completed' },
    });
    expect(body['endTime']).toMatch(/Z$/);
  });

  it('of a scan that is not there answers 404 in the form of every error', async () => {
    const { status, headers, body } = await stage.call('GET', '/api/v1/scan/not-there/status');
    expect(status).toBe(404);
    expect(body).toEqual({
      success: false,
      error: 'Not Found',
      message: 'Scan not-there is not known',
      requestId: headers.get('x-request-id'),
    });
  });
});

describe('the statistics', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  it('count nothing before the first scan', async () => {
    const { body } = await stage.call('GET', '/api/v1/scan/statistics');
    expect(body).toMatchObject({
      success: true,
      organizationId: null,
      total: 0,
      records: 0,
      running: 0,
      last24Hours: { scans: 0, records: 0 },
    });
    expect(Object.keys(body['scans']!)).toHaveLength(9);
  });

  it('count scans by status and records, of one organization or of all', async () => {
    const [first, second] = [stage.organization('first'), stage.organization('second')];
    await seedScan(stage.db, { organizationId: first, scanId: 'one', mailboxes: 1, messages: 3 });
    const two = await seedScan(stage.db, { organizationId: second, scanId: 'two', mailboxes: 1, messages: 4 });
    await finishScan(stage.db, two.scanNo, { end: 'cancelled', maxConcurrent: 5 });
    const all = await stage.call('GET', '/api/v1/scan/statistics');
    expect(all.body).toMatchObject({
      scans: { running: 1, cancelled: 1, completed: 0 },
      total: 2,
      records: 7,
      running: 1,
      last24Hours: { scans: 2, records: 7 },
    });
    const one = await stage.call('GET', `/api/v1/scan/statistics?organizationId=${second}`);
    expect(one.body).toMatchObject({ organizationId: second, total: 1, records: 4, running: 0 });
  });
});

describe('the list of scans', () => {
  let stage: ApiStage;
  let organizationId: string;
  beforeAll(async () => {
    stage = await openApiStage();
    organizationId = stage.organization();
    await ensureOrganization(stage.db, organizationId);
    for (let index = 0; index < 5; index++) {
      const filters = { folders: ['inbox'] };
      await addScan(stage.db, { organizationId, scanId: `scan-${index}`, mode: 'full', status: 'pending', filters });
    }
  });
  afterAll(() => stage.close());

  const list = async (query: string) => {
    const { body } = await stage.call('GET', `/api/v1/scans?${query}`);
    return { ids: listOf(body['scans']).map((scan) => scan['scanId']), pagination: body['pagination'] };
  };

  it('has the newest first, page by page', async () => {
    expect(await list('limit=2')).toEqual({
      ids: ['scan-4', 'scan-3'],
      pagination: { limit: 2, offset: 0, total: 5, hasMore: true },
    });
    expect(await list('limit=2&offset=4')).toEqual({
      ids: ['scan-0'],
      pagination: { limit: 2, offset: 4, total: 5, hasMore: false },
    });
    expect(await list('offset=100')).toMatchObject({ ids: [], pagination: { total: 5, hasMore: false } });
  });

  it('says of each what a list needs', async () => {
    const { body } = await stage.call('GET', `/api/v1/scans?organizationId=${organizationId}&limit=1`);
    expect(body['scans']).toEqual([
      {
        scanId: 'scan-4',
        organizationId,
        mode: 'full',
        status: 'pending',
        requestedAt: expect.stringMatching(/Z$/) as string,
        startTime: null,
        endTime: null,
        recordsExtracted: 0,
        errorMessage: null,
      },
    ]);
  });

  it.each(['limit=0', 'limit=1001', 'limit=x', 'offset=-1'])('refuses ?%s', async (query) => {
    expect((await stage.call('GET', `/api/v1/scans?${query}`)).status).toBe(400);
  });
});

describe('cancelling', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  it('a scan that has ended answers 409', async () => {
    const organizationId = stage.organization('ended');
    const { scanNo } = await seedScan(stage.db, { organizationId, scanId: 'ended', mailboxes: 1, messages: 1 });
    await finishScan(stage.db, scanNo, { end: 'ran', maxConcurrent: 5 });
    const { status, body } = await stage.call('POST', '/api/v1/scan/ended/cancel');
    expect(status).toBe(409);
    expect(body['message']).toMatch(/^Scan ended has ended: completed/);
  });

  it('a scan that Temporal does not know marks it as crashed, and says so', async () => {
    const organizationId = stage.organization('lost');
    await seedScan(stage.db, { organizationId, scanId: 'lost', mailboxes: 1, messages: 1 });
    const { status, body } = await stage.call('POST', '/api/v1/scan/lost/cancel');
    expect(status).toBe(409);
    expect(body['message']).toContain('marked as crashed');
    const after = await stage.call('GET', '/api/v1/scan/lost/status');
    expect(after.body).toMatchObject({ status: 'crashed', recordsExtracted: 1 });
    expect((await stage.call('POST', '/api/v1/scan/lost/cancel')).status).toBe(409);
  });

  it('a scan that is not there answers 404', async () => {
    expect((await stage.call('POST', '/api/v1/scan/not-there/cancel')).status).toBe(404);
  });
});
