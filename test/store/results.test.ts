import { describe, expect, it } from 'vitest';
import { toAttachmentRow } from '../../model/attachment.ts';
import { saveAttachments } from '../../store/attachments.ts';
import { InvalidCursor, UnknownTable } from '../../store/errors.ts';
import { writePage } from '../../store/pages.ts';
import { RESULT_TABLES, resultRows, resultTables, type ResultRow } from '../../store/results.ts';
import { missingFolder } from '../../store/scan-folders.ts';
import { finishScan } from '../../store/scan-end.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { scanByNo, type Scan } from '../../store/scans.ts';
import { listScans, scansNamed } from '../../store/scan-list.ts';
import { message, startReading, user, useStore, type Reading } from './support.ts';

const store = useStore();

async function scanOf25(organizationId: string): Promise<{ reading: Reading; scan: Scan }> {
  const reading = await startReading(store.db, { organizationId, folders: ['inbox-id', 'archive-id'] });
  const guest = { user: user('guest', { userType: 'Guest' }), skip: 'guest' } as const;
  const { scanNo, mailboxId, leaseToken, organization } = reading;
  await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [guest] });
  await missingFolder(store.db, organization, { scanNos: [scanNo], mailboxId, leaseToken, name: 'Nowhere' });
  const messages = Array.from({ length: 25 }, (_, i) => message(`m${i}`));
  await writePage(store.db, organization, reading.page(messages));
  return { reading, scan: await scanByNo(store.db, scanNo) };
}

describe('results', () => {
  it('name the tables, their columns and how many rows the scan saw', async () => {
    const { scan, reading } = await scanOf25('tables');
    const { organization, mailboxId, leaseToken } = reading;
    const all = Array.from({ length: 25 }, (_, i) => message(`m${i}`));
    await writePage(store.db, organization, reading.page(all, { content: 'mime' }));
    const lists = [{ messageId: 'm0', attachments: [{ row: toAttachmentRow({ id: 'a' }, false) }] }];
    await saveAttachments(store.db, organization, { mailboxId, leaseToken, lists, scanId: null });
    const tables = await resultTables(store.db, scan);
    expect(tables.map(({ name, rowCount }) => [name, rowCount])).toEqual([
      ['mailboxes', 2],
      ['mail_folders', 2],
      ['emails', 25],
      ['attachments', 1],
      ['originals', 25],
    ]);
    for (const { name, columns } of tables) {
      const { records } = await resultRows(store.db, scan, name, { limit: 1 });
      expect(Object.keys(records[0] ?? {})).toEqual(columns);
      expect(columns.filter((column) => /_no$|lease/.test(column))).toEqual([]);
    }
  });

  it('are exactly the rows that the scan saw, in pages by offset and by cursor', async () => {
    const { reading, scan } = await scanOf25('pages');
    const other = await startReading(store.db, { organizationId: 'pages', mailboxId: 'mailbox-2' });
    await writePage(store.db, other.organization, other.page([message('of another scan')]));
    const changed = message('m3', { changeKey: 'later', '@odata.etag': 'W/"later"', subject: 'Changed' });
    await writePage(store.db, reading.organization, reading.page([changed]));
    const expected = Array.from({ length: 25 }, (_, i) => `m${i}`);
    const ids = (records: readonly ResultRow[]): unknown[] => records.map(({ id }) => id);

    const byOffset = await resultRows(store.db, scan, 'emails', { limit: 10, offset: 20 });
    expect(ids(byOffset.records)).toEqual(expected.slice(20));
    expect(byOffset.pagination).toEqual({ limit: 10, offset: 20, total: 25, hasMore: false, nextCursor: null });

    const first = await resultRows(store.db, scan, 'emails', { limit: 10 });
    expect(first.pagination).toMatchObject({ limit: 10, offset: 0, total: 25, hasMore: true });
    const all = [...first.records];
    for (let cursor = first.pagination.nextCursor; cursor !== null;) {
      const { records, pagination } = await resultRows(store.db, scan, 'emails', { limit: 10, cursor });
      expect(pagination.offset).toBeNull();
      all.push(...records);
      cursor = pagination.nextCursor;
    }
    expect(ids(all)).toEqual(expected);
    expect(all[3]).toMatchObject({
      subject: 'Changed',
      received_date_time: '2024-03-01T10:20:30Z',
      categories: ['blue'],
    });
  });

  it('have no more page when the last one is full', async () => {
    const { scan } = await scanOf25('full-page');
    const { records, pagination } = await resultRows(store.db, scan, 'emails', { limit: 25 });
    expect(records).toHaveLength(25);
    expect(pagination).toMatchObject({ hasMore: false, nextCursor: null });
    const beyond = await resultRows(store.db, scan, 'emails', { limit: 5, offset: 1_000_000_000 });
    expect(beyond).toMatchObject({ records: [], pagination: { total: 25, hasMore: false } });
  });

  it('of mailboxes and folders are those of the scan', async () => {
    const { scan } = await scanOf25('others');
    const { records: mailboxes } = await resultRows(store.db, scan, 'mailboxes', { limit: 10 });
    expect(mailboxes).toMatchObject([
      { id: 'mailbox-1', mail: 'mailbox-1@contoso.example', account_enabled: true, _extraction_type: 'mailbox' },
      { id: 'guest', user_type: 'Guest' },
    ]);
    const { records: folders } = await resultRows(store.db, scan, 'mail_folders', { limit: 10 });
    expect(folders).toMatchObject([
      { id: 'inbox-id', path: 'inbox-id' },
      { id: 'archive-id', total_item_count: 10 },
    ]);
  });

  it('of a scan that waits are empty', async () => {
    const { organization } = await startReading(store.db, { organizationId: 'waits' });
    const { addScan } = await import('../../store/scans.ts');
    const waiting = { organizationId: organization.organizationId, scanId: 'waiting', mode: 'full' } as const;
    const { scanNo } = await addScan(store.db, { ...waiting, filters: { folders: [] }, status: 'pending' });
    const scan = await scanByNo(store.db, scanNo);
    for (const table of RESULT_TABLES) {
      expect(await resultRows(store.db, scan, table, { limit: 5 })).toMatchObject({
        records: [],
        pagination: { total: 0 },
      });
    }
  });

  it.each([
    'scans',
    'outhaul.api_keys',
    'emails; DROP TABLE emails',
    `emails"`,
    'Emails',
    '',
    '__proto__',
    'constructor',
  ])('know no table %j', async (table) => {
    const { scan } = await scanOf25(`unknown-${Buffer.from(table).toString('hex')}`);
    await expect(resultRows(store.db, scan, table, { limit: 1 })).rejects.toThrow(UnknownTable);
  });

  it('refuse a cursor that they did not give out, or for another table', async () => {
    const { scan } = await scanOf25('cursors');
    const { nextCursor } = (await resultRows(store.db, scan, 'emails', { limit: 5 })).pagination;
    const encoded = (text: string): string => Buffer.from(text).toString('base64url');
    const bad = [
      '',
      'x',
      '1',
      `1' OR true`,
      encoded('emails:-1'),
      encoded('emails:1; DROP'),
      encoded('emails:01'),
      '%00',
    ];
    for (const cursor of [...bad, `${nextCursor}=`, encoded(`emails:${'9'.repeat(30)}`)]) {
      await expect(resultRows(store.db, scan, 'emails', { limit: 5, cursor }), cursor).rejects.toThrow(InvalidCursor);
    }
    const foreign = resultRows(store.db, scan, 'mailboxes', { limit: 5, cursor: nextCursor ?? '' });
    await expect(foreign).rejects.toThrow(InvalidCursor);
  });
});

describe('the views for operators', () => {
  it('show scans as jobs, counted while they run and when they have ended', async () => {
    const { scan } = await scanOf25('views');
    const job = (): Promise<unknown[]> =>
      store.sql(
        `SELECT id, status, "recordsExtracted", "errorMessage", "startTime" FROM jobs
        WHERE id = $1 ORDER BY "startTime" DESC LIMIT 10`,
        [scan.scanId],
      );
    const common = { id: scan.scanId, recordsExtracted: 25, startTime: scan.startedAt };
    expect(await job()).toEqual([{ ...common, status: 'running', errorMessage: null }]);
    await finishScan(store.db, scan.scanNo, { end: 'failed', message: 'why', maxConcurrent: 1 });
    expect(await job()).toEqual([{ ...common, status: 'failed', errorMessage: 'why' }]);
  });

  it('show the progress of folders as checkpoints', async () => {
    const { scan } = await scanOf25('checkpoints');
    const rows = await store.sql(
      `SELECT job_id, phase, "recordsProcessed", "createdAt", checkpoint_data
      FROM job_checkpoints WHERE job_id = $1 ORDER BY "createdAt" DESC, "recordsProcessed" DESC LIMIT 10`,
      [scan.scanId],
    );
    expect(rows).toHaveLength(3);
    expect(rows).toContainEqual({
      job_id: scan.scanId,
      phase: 'emails',
      recordsProcessed: 25,
      createdAt: expect.any(String) as string,
      checkpoint_data: expect.objectContaining({ current_folder: 'inbox-id', pages: 1, expected: 10 }) as object,
    });
  });
});

describe('lists of scans', () => {
  it('come newest first, page by page, of one organization or of all', async () => {
    const { scan } = await scanOf25('listed');
    const { scan: second } = await scanOf25('listed-too');
    const own = await listScans(store.db, { organizationId: 'listed', limit: 10, offset: 0 });
    expect(own).toEqual({ scans: [{ ...scan, records: 25 }], total: 1 });
    const all = await listScans(store.db, { organizationId: null, limit: 1, offset: 0 });
    expect(all.scans).toEqual([{ ...second, records: 25 }]);
    expect(all.total).toBeGreaterThan(1);
    expect(await scansNamed(store.db, scan.scanId)).toEqual([{ ...scan, records: 25 }]);
    expect(await scansNamed(store.db, `x' OR true --`)).toEqual([]);
  });
});
