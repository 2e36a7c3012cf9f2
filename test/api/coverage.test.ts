import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reconcileFolders, recordUnexplained } from '../../store/reconciliation.ts';
import { organizationOf } from '../../store/organizations.ts';
import { finishMailbox } from '../../store/scan-mailboxes.ts';
import { seedScan, type SeededScan } from './support/seed.ts';
import { listOf, openApiStage, type ApiStage } from './support/stage.ts';

describe('the coverage of a scan', () => {
  let stage: ApiStage;
  let seeded: SeededScan;
  let folderId: string;
  beforeAll(async () => {
    stage = await openApiStage();
    const { db } = stage;
    const organizationId = stage.organization();
    seeded = await seedScan(db, { organizationId, scanId: 'proved', mailboxes: 4, messages: 25 });
    const { scanNo } = seeded;
    const [read = '', denied = '', absent = ''] = seeded.mailboxIds;
    folderId = `inbox-${read}`;
    await db.pool.query(`UPDATE outhaul.scan_folders SET state = 'completed' WHERE scan_no = $1`, [scanNo]);
    const scanned = { scanNos: [scanNo], mailboxId: read, leaseToken: seeded.leaseToken };
    const organization = await organizationOf(db, organizationId);
    const folders = [{ folderId, graph: 30, wanted: 28 }];
    const unequal = await reconcileFolders(db, organization, { ...scanned, folders, stored: 'seen' });
    expect(unequal).toEqual([folderId]);
    const unexplained = ['not-owned-up-to-1', 'not-owned-up-to-2'];
    await recordUnexplained(db, organization, { ...scanned, folderId, unexplained });
    await finishMailbox(db, { ...scanned, outcome: 'completed' });
    const refused = { scanNos: [scanNo], outcome: 'skipped' } as const;
    const error = { errorCode: 'ErrorAccessDenied', requestId: 'request-7' };
    await finishMailbox(db, { ...refused, mailboxId: denied, reason: 'denied', ...error });
    await finishMailbox(db, { ...refused, mailboxId: absent, reason: 'no_mailbox' });
    await db.pool.query(`UPDATE ${organization.schema}.mailboxes SET account_enabled = false WHERE id = $1`, [absent]);
  });
  afterAll(() => stage.close());

  const coverage = (query = '') => stage.call('GET', `/api/v1/scan/proved/coverage${query}`);

  it('sums up what Graph holds, what is stored and what is not, with what nothing explains by id', async () => {
    const { status, body } = await coverage();
    expect(status).toBe(200);
    expect(body['totals']).toMatchObject({
      mailboxes: 4,
      mailboxesRead: 1,
      folders: 1,
      graph: 25,
      stored: 25,
      quarantined: 0,
      leftOut: 2,
      unexplained: 2,
    });
    const [read] = listOf(body['mailboxes']);
    expect(listOf(read?.['folders'])).toMatchObject([
      { folderId, graph: 25, stored: 25, unexplained: 2, unexplainedMessages: expect.any(Array) as unknown },
    ]);
    const [folder] = listOf(read?.['folders']);
    expect([...(folder?.['unexplainedMessages'] as unknown as string[])].sort()).toEqual([
      'not-owned-up-to-1',
      'not-owned-up-to-2',
    ]);
  });

  it('lists every mailbox, those that were not read with the reason', async () => {
    const { body } = await coverage();
    expect(
      listOf(body['mailboxes']).map(({ state, reason, errorCode, requestId }) => [state, reason, errorCode, requestId]),
    ).toEqual([
      ['completed', null, null, null],
      ['skipped', 'denied', 'ErrorAccessDenied', 'request-7'],
      ['skipped', 'disabled', null, null],
      ['waiting', null, null, null],
    ]);
  });

  it('comes page by page, and shows on request only what is incomplete', async () => {
    const first = await coverage('?limit=3');
    expect(listOf(first.body['mailboxes'])).toHaveLength(3);
    const cursor = String((first.body['pagination'] as unknown as { nextCursor: string }).nextCursor);
    const second = await coverage(`?limit=3&cursor=${cursor}`);
    expect(listOf(second.body['mailboxes']).map(({ mailboxId }) => mailboxId)).toEqual([seeded.mailboxIds[3]]);
    expect(second.body['pagination']).toEqual({ limit: 3, nextCursor: null });
    const incomplete = await coverage('?incomplete=true');
    expect(listOf(incomplete.body['mailboxes']).map(({ state }) => state)).toEqual(['completed', 'skipped', 'waiting']);
  });

  it('comes as CSV, a line for each folder or unread mailbox', async () => {
    const response = await fetch(`${stage.api.url}/api/v1/scan/proved/coverage?format=csv`, {
      headers: { authorization: `Bearer ${stage.adminKey}` },
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[0]).toContain('mailbox_id,address,mailbox_state,reason,folder_id,folder,');
    expect(lines[1]).toContain(`,${folderId},inbox,`);
    expect(lines[1]).toMatch(/,inbox,completed,25,25,0,2,2,not-owned-up-to-\d not-owned-up-to-\d,/);
    expect(lines[2]).toMatch(/,skipped,denied,.*ErrorAccessDenied,request-7,,,,,,,,,,$/);
  });

  it('refuses what makes no sense, by name', async () => {
    const bad = await coverage('?limit=0&format=xml&cursor=%20&incomplete=perhaps');
    expect(bad.status).toBe(400);
    const paths = listOf(bad.body['details']).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['limit', 'format', 'incomplete']));
    expect((await coverage('?cursor=bm9uc2Vuc2U')).status).toBe(400);
    expect((await stage.call('GET', '/api/v1/scan/unknown/coverage')).status).toBe(404);
  });
});
