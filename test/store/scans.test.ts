import { beforeAll, describe, expect, it } from 'vitest';
import type { ScanStatus } from '../../model/scan.ts';
import { ScanEnded, ScanExists, UnknownOrganization, UnknownScan } from '../../store/errors.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { markCancelling } from '../../store/scan-controls.ts';
import { discardScan, finishScan, markCrashed } from '../../store/scan-end.ts';
import { openScans, staleScans, statistics } from '../../store/scan-figures.ts';
import { recordUnexplained } from '../../store/reconciliation.ts';
import { failFolder } from '../../store/scan-folders.ts';
import { finishMailbox, recordUsers, type FoundUser, type MailboxEnd } from '../../store/scan-mailboxes.ts';
import { addScan, scanByNo, scanOf, scansOf, takeSlot, type NewScan } from '../../store/scans.ts';
import { hold, startReading, unique, user, useStore } from './support.ts';

const store = useStore();
const ORGANIZATION = 'scans';

beforeAll(async () => {
  await ensureOrganization(store.db, ORGANIZATION);
});

const newScan = (more: Partial<NewScan> = {}): NewScan => ({
  organizationId: ORGANIZATION,
  scanId: unique('scan'),
  mode: 'full',
  filters: { folders: ['inbox'] },
  status: 'pending',
  ...more,
});

const add = async (more: Partial<NewScan> = {}): Promise<number> => (await addScan(store.db, newScan(more))).scanNo;
const statusOf = async (scanNo: number): Promise<ScanStatus> => (await scanByNo(store.db, scanNo)).status;
const partitions = async (scanNo: number): Promise<number> => {
  const [row] = await store.sql<{ count: number }>(
    'SELECT count(*) AS count FROM pg_inherits WHERE inhrelid = to_regclass($1)',
    [`outhaul.scan_messages_${scanNo}`],
  );
  return row?.count ?? 0;
};

describe('a scan', () => {
  it('is found by its names and by its number, with what it was asked', async () => {
    const filters = {
      folders: ['Inbox/\u0000\ud800', 'all'],
      mailboxes: { include: ['contoso.example'] },
      since: '2024-01-01',
    };
    const asked = newScan({ mode: 'incremental', filters });
    const { scanNo, requestedAt } = await addScan(store.db, asked);
    const expected = {
      scanNo,
      organizationId: ORGANIZATION,
      scanId: asked.scanId,
      mode: 'incremental',
      status: 'pending',
      filters,
      requestedAt,
      startedAt: null,
      endedAt: null,
      errorMessage: null,
      stepNo: 0,
      retriedAt: null,
      idleSince: null,
      idleMs: 0,
    };
    expect(await scanOf(store.db, ORGANIZATION, asked.scanId)).toEqual(expected);
    expect(await scanByNo(store.db, scanNo)).toEqual(expected);
  });

  it('is added once under one id, however many ask at once', async () => {
    const scan = newScan({ status: 'running' });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => addScan(store.db, scan)));
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(4);
    for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(ScanExists);
  });

  it('may have the id that another organization’s scan has, or one that differs in case', async () => {
    await ensureOrganization(store.db, 'scans-two');
    const { organizationId, ...scan } = newScan();
    await addScan(store.db, { ...scan, organizationId });
    await addScan(store.db, { ...scan, organizationId: 'scans-two' });
    await addScan(store.db, { ...scan, organizationId, scanId: scan.scanId.toUpperCase() });
    expect(await scanOf(store.db, 'scans-two', scan.scanId.toUpperCase())).toBeUndefined();
  });

  it('of an organization that nobody made is an error', async () => {
    await expect(add({ organizationId: 'nobody' })).rejects.toThrow(UnknownOrganization);
  });

  it('that is not there is not found, whatever its name', async () => {
    expect(await scanOf(store.db, ORGANIZATION, `x' OR true --`)).toBeUndefined();
    expect(await scanOf(store.db, ORGANIZATION, 'x\u0000')).toBeUndefined();
    await expect(scanByNo(store.db, 999_999)).rejects.toThrow(UnknownScan);
    await expect(takeSlot(store.db, 999_999, 1)).rejects.toThrow(UnknownScan);
    await expect(finishScan(store.db, 999_999, { end: 'ran', maxConcurrent: 1 })).rejects.toThrow(UnknownScan);
  });

  it('comes in the order asked for', async () => {
    const [a, b] = [await add(), await add()];
    expect((await scansOf(store.db, [b, a])).map(({ scanNo }) => scanNo)).toEqual([b, a]);
    await expect(scansOf(store.db, [a, 999_999])).rejects.toThrow(UnknownScan);
  });

  it('that was refused vanishes, so that its id can be used again', async () => {
    const scan = newScan({ status: 'running' });
    const { scanNo } = await addScan(store.db, scan);
    expect(await partitions(scanNo)).toBe(1);
    await discardScan(store.db, scanNo);
    expect(await partitions(scanNo)).toBe(0);
    await discardScan(store.db, scanNo);
    await addScan(store.db, scan);
  });
});

describe('slots', () => {
  const max = 3;

  it('are not held up by a scan that never asked, because its workflow was never started', async () => {
    await store.sql(`UPDATE outhaul.scans SET status = 'completed', ended_at = now() WHERE ended_at IS NULL`);
    await add();
    const asking = await add();
    expect(await takeSlot(store.db, asking, 1)).toBe('running');
    const { waiting } = await finishScan(store.db, asking, { end: 'ran', maxConcurrent: 1 });
    expect(waiting).toEqual([]);
  });

  it('go to as many scans as there are, first come, first served, however many ask at once', async () => {
    const scans: number[] = [];
    for (let i = 0; i < 10; i++) scans.push(await add());
    await store.sql(`UPDATE outhaul.scans SET status = 'completed', ended_at = now()
      WHERE scan_no < ${scans[0]} AND ended_at IS NULL`);
    const dbs = [store.db, store.open(), store.open()];
    const take = (list: readonly number[]): Promise<('running' | 'pending')[]> =>
      Promise.all(list.map((scanNo, i) => takeSlot(dbs[i % 3] ?? store.db, scanNo, max)));
    const answers = await take(scans);
    expect(answers.filter((answer) => answer === 'running')).toHaveLength(max);
    expect(await take(scans)).toEqual(answers);
    const inLine = await store.sql<{ no: number }>(
      `SELECT scan_no AS no FROM outhaul.scans WHERE status = 'pending' AND scan_no = ANY($1) ORDER BY turn_asked_at`,
      [scans],
    );
    const [next, later, last] = inLine.map(({ no }) => no) as [number, number, number];
    const running = scans.find((_, index) => answers[index] === 'running') ?? 0;
    const { waiting } = await finishScan(store.db, running, { end: 'ran', maxConcurrent: max });
    expect(waiting).toEqual([{ organizationId: ORGANIZATION, scanId: (await scanByNo(store.db, next)).scanId }]);
    expect(await takeSlot(store.db, later, max)).toBe('pending');
    expect(await takeSlot(store.db, next, max)).toBe('running');
    expect(await partitions(next)).toBe(1);
    await expect(takeSlot(store.db, running, max)).rejects.toThrow(ScanEnded);
    expect(await markCancelling(store.db, later)).toBe('cancelling');
    await finishScan(store.db, later, { end: 'cancelled', maxConcurrent: max });
    expect(await takeSlot(store.db, last, max)).toBe('pending');
    expect(await takeSlot(store.db, last, max + 1)).toBe('running');
  });
});

describe('a scan that ran to its end', () => {
  const end = { end: 'ran', maxConcurrent: 100 } as const;

  async function ended(users: readonly FoundUser[], ends: readonly Omit<MailboxEnd, 'scanNos'>[]): Promise<ScanStatus> {
    const organization = await ensureOrganization(store.db, ORGANIZATION);
    const scanNo = await add({ status: 'running' });
    await recordUsers(store.db, organization, { scanNo, tenantId: 't', users });
    for (const each of ends) await finishMailbox(store.db, { scanNos: [scanNo], ...each });
    return (await finishScan(store.db, scanNo, end)).status;
  }

  it('is complete when every mailbox was read, or left out for a harmless reason', async () => {
    const reasons = ['guest', 'no_mailbox', 'excluded', 'not_included'] as const;
    const users = [{ user: user('a') }, ...reasons.map((skip) => ({ user: user(skip), skip }))];
    expect(await ended(users, [{ mailboxId: 'a', outcome: 'completed' }])).toBe('completed');
    expect(await ended([], [])).toBe('completed');
    expect(await ended([{ user: user('a') }], [{ mailboxId: 'a', outcome: 'skipped', reason: 'no_mailbox' }])).toBe(
      'completed',
    );
  });

  it.each([
    ['failed', { outcome: 'failed', reason: 'graph_failed' }],
    ['was denied', { outcome: 'skipped', reason: 'denied' }],
    ['was skipped for no reason', { outcome: 'skipped' }],
    ['was cancelled', { outcome: 'cancelled' }],
  ] as const)('has errors when a mailbox %s', async (_, outcome) => {
    const users = [{ user: user('a') }, { user: user('b') }];
    expect(
      await ended(users, [
        { mailboxId: 'a', outcome: 'completed' },
        { mailboxId: 'b', ...outcome },
      ]),
    ).toBe('completed_with_errors');
  });

  it('has errors when a mailbox was never read', async () => {
    expect(await ended([{ user: user('a') }], [])).toBe('completed_with_errors');
  });

  it('has errors when a folder failed', async () => {
    const organization = await ensureOrganization(store.db, ORGANIZATION);
    const scanNo = await add({ status: 'running' });
    const mailboxId = 'a';
    await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [{ user: user(mailboxId) }] });
    const folder = { id: 'f', path: 'Broken' };
    const held = { scanNos: [scanNo], ...(await hold(store.db, organization, mailboxId)) };
    await failFolder(store.db, organization, { ...held, folder, errorCode: 'ErrorCorrupt', requestId: 'r' });
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId, outcome: 'completed' });
    expect((await finishScan(store.db, scanNo, end)).status).toBe('completed_with_errors');
  });

  it.each([
    [[], 'completed', null],
    [['m-1', 'm-2'], 'completed_with_errors', 'messages unexplained: 2'],
  ])('with %j unexplained is %s', async (unexplained, status, errorMessage) => {
    const { organization, scanNo, mailboxId, leaseToken, request } = await startReading(store.db);
    const scanned = { scanNos: [scanNo], mailboxId, leaseToken };
    await recordUnexplained(store.db, organization, { ...scanned, folderId: request.folder.id, unexplained });
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId, outcome: 'completed' });
    expect((await finishScan(store.db, scanNo, end)).status).toBe(status);
    expect(await scanByNo(store.db, scanNo)).toMatchObject({ status, errorMessage });
  });

  it('keeps its first end', async () => {
    const scanNo = await add({ status: 'running' });
    await finishScan(store.db, scanNo, { end: 'failed', message: 'the credential was withdrawn', maxConcurrent: 1 });
    expect((await finishScan(store.db, scanNo, end)).status).toBe('failed');
    expect(await markCrashed(store.db, scanNo, { message: 'too late', maxConcurrent: 1 })).toBeUndefined();
    expect(await scanByNo(store.db, scanNo)).toMatchObject({
      status: 'failed',
      errorMessage: 'the credential was withdrawn',
      endedAt: expect.any(String) as string,
    });
  });

  it('may say so even after it was taken for crashed', async () => {
    const scanNo = await add({ status: 'running' });
    expect(await markCrashed(store.db, scanNo, { message: 'no workflow', maxConcurrent: 1 })).toBeDefined();
    expect(await statusOf(scanNo)).toBe('crashed');
    expect((await finishScan(store.db, scanNo, end)).status).toBe('completed');
    expect(await scanByNo(store.db, scanNo)).toMatchObject({ status: 'completed', errorMessage: null });
  });
});

describe('figures', () => {
  it('say what the scans of an organization, or of all, come to', async () => {
    const organization = await ensureOrganization(store.db, 'figures');
    const make = (status: 'pending' | 'running'): Promise<number> => add({ organizationId: 'figures', status });
    const [running, old, done] = [await make('running'), await make('running'), await make('running')];
    await make('pending');
    for (const scanNo of [running, old, done]) {
      await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [{ user: user('a') }] });
      await store.sql(`UPDATE outhaul.scan_mailboxes SET records = 10 WHERE scan_no = ${scanNo}`);
    }
    await store.sql(`UPDATE outhaul.scans SET requested_at = now() - interval '2 days' WHERE scan_no = ${old}`);
    await finishScan(store.db, done, { end: 'cancelled', maxConcurrent: 1 });
    const figures = await statistics(store.db, 'figures');
    expect(figures).toMatchObject({ total: 4, records: 30, running: 2, last24Hours: { scans: 3, records: 20 } });
    expect(figures.scans).toMatchObject({ pending: 1, running: 2, cancelled: 1, failed: 0 });
    expect((await statistics(store.db, null)).total).toBeGreaterThan(4);
  });

  it('tell which scans have not ended, and which of them have not moved', async () => {
    const organization = await ensureOrganization(store.db, 'stale');
    const [still, moving] = [
      await add({ organizationId: 'stale', status: 'running' }),
      await add({ organizationId: 'stale', status: 'running' }),
    ];
    const pending = await add({ organizationId: 'stale' });
    await store.sql(
      `UPDATE outhaul.scans SET requested_at = now() - interval '1 hour', started_at = now() - interval '1 hour'
        WHERE organization_id = 'stale'`,
    );
    await recordUsers(store.db, organization, { scanNo: moving, tenantId: 't', users: [{ user: user('a') }] });
    expect((await openScans(store.db, 'stale')).map(({ scanNo }) => scanNo)).toEqual([still, moving, pending]);
    const stale = await staleScans(store.db, { minutes: 10, organizationId: 'stale' });
    expect(stale).toMatchObject([{ scanNo: still, status: 'running', lastProgressAt: expect.any(String) as string }]);
    expect(await staleScans(store.db, { minutes: 90 })).not.toContainEqual(expect.objectContaining({ scanNo: still }));
  });
});
