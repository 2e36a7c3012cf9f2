import { beforeAll, describe, expect, it } from 'vitest';
import type { MailboxReason, ScanStatus } from '../../model/scan.ts';
import { ScanEnded, UnknownScan } from '../../store/errors.ts';
import { mailboxTotals } from '../../store/mailbox-totals.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import {
  markCancelling,
  markDiscovered,
  pauseScan,
  reopenScan,
  resumeScan,
  unreadMailboxes,
} from '../../store/scan-controls.ts';
import { finishScan, markCrashed } from '../../store/scan-end.ts';
import { startFolders } from '../../store/scan-folders.ts';
import { finishMailbox, nextMailboxes, recordUsers } from '../../store/scan-mailboxes.ts';
import { addScan, scanByNo, takeSlot, type Scan } from '../../store/scans.ts';
import { hold, unique, user, useStore } from './support.ts';

const store = useStore();
const MANY = 1000;
let organization: Organization;

beforeAll(async () => {
  organization = await ensureOrganization(store.db, 'controls');
});

/** A scan with mailboxes `m1`, `m2`, …, that runs unless it is said to wait. */
async function scanOf(mailboxes: number, status: 'pending' | 'running' = 'running'): Promise<number> {
  const scan = {
    organizationId: 'controls',
    scanId: unique('scan'),
    mode: 'full',
    filters: { folders: ['inbox'] },
  } as const;
  const { scanNo } = await addScan(store.db, { ...scan, status });
  const users = Array.from({ length: mailboxes }, (_, index) => ({ user: user(`m${index + 1}`) }));
  await recordUsers(store.db, organization, { scanNo, tenantId: 't', users });
  return scanNo;
}

const scan = (scanNo: number): Promise<Scan> => scanByNo(store.db, scanNo);
const statusOf = async (scanNo: number): Promise<ScanStatus> => (await scan(scanNo)).status;
async function begin(scanNo: number, mailboxId: string): Promise<unknown> {
  const held = await hold(store.db, organization, mailboxId);
  const folders = [{ id: 'inbox', path: 'Inbox', graphCount: 1 }];
  return startFolders(store.db, organization, { ...held, scanNos: [scanNo], folders });
}
const finish = (scanNo: number, mailboxId: string, reason?: MailboxReason): Promise<void> =>
  finishMailbox(store.db, {
    scanNos: [scanNo],
    mailboxId,
    ...(reason === undefined
      ? { outcome: 'completed' }
      : { outcome: reason === 'denied' ? 'skipped' : 'failed', reason }),
  });
const waiting = async (scanNo: number): Promise<readonly string[]> =>
  (await nextMailboxes(store.db, scanNo, 0, 100)).mailboxIds;
/** Makes what happened so far happen that much earlier. */
const age = (scanNo: number, seconds: number): Promise<unknown> =>
  store.sql(
    `UPDATE outhaul.scans SET started_at = started_at - make_interval(secs => $2), ended_at = ended_at - make_interval(secs => $2),
      idle_since = idle_since - make_interval(secs => $2) WHERE scan_no = $1`,
    [scanNo, seconds],
  );

describe('a paused scan', () => {
  it('has its open mailboxes wait again, and keeps those that have ended', async () => {
    const scanNo = await scanOf(3);
    await begin(scanNo, 'm1');
    await finish(scanNo, 'm1');
    await begin(scanNo, 'm2');
    expect(await pauseScan(store.db, { scanNo, step: 1, maxConcurrent: MANY })).toMatchObject({ status: 'paused' });
    expect(await mailboxTotals(store.db, scanNo)).toMatchObject({ completed: 1, running: 0, waiting: 2 });
    expect(await waiting(scanNo)).toEqual(['m2', 'm3']);
  });

  it('has a mailbox read again whose reader had not heard of the pause when it began', async () => {
    const scanNo = await scanOf(2);
    await pauseScan(store.db, { scanNo, step: 1, maxConcurrent: MANY });
    await begin(scanNo, 'm1');
    expect(await waiting(scanNo)).toEqual(['m1', 'm2']);
  });

  it('gives its slot to the next in line, and gets its place back when it is resumed', async () => {
    await store.sql(`UPDATE outhaul.scans SET status = 'cancelled', ended_at = now() WHERE ended_at IS NULL`);
    const [first, second, third] = [await scanOf(0, 'pending'), await scanOf(0, 'pending'), await scanOf(0, 'pending')];
    expect(await takeSlot(store.db, first, 1)).toBe('running');
    expect(await takeSlot(store.db, second, 1)).toBe('pending');
    expect(await takeSlot(store.db, third, 1)).toBe('pending');
    const { waiting: line } = await pauseScan(store.db, { scanNo: first, step: 1, maxConcurrent: 1 });
    expect(line).toEqual([{ organizationId: 'controls', scanId: (await scan(second)).scanId }]);
    expect(await takeSlot(store.db, second, 1)).toBe('running');
    expect(await resumeScan(store.db, { scanNo: first, step: 2 })).toBe('pending');
    expect(await takeSlot(store.db, first, 1)).toBe('pending');
    await finishScan(store.db, second, { end: 'ran', maxConcurrent: 1 });
    expect(await takeSlot(store.db, third, 1), 'it asked after the first').toBe('pending');
    expect(await takeSlot(store.db, first, 1)).toBe('running');
  });

  it('may be one that has not had its turn, which then loses nobody a slot', async () => {
    const scanNo = await scanOf(0, 'pending');
    await pauseScan(store.db, { scanNo, step: 1, maxConcurrent: MANY });
    expect(await scan(scanNo)).toMatchObject({ status: 'paused', startedAt: null, idleSince: null });
    expect(await resumeScan(store.db, { scanNo, step: 2 })).toBe('pending');
    expect(await takeSlot(store.db, scanNo, MANY)).toBe('running');
  });

  it('keeps when it was started, and counts how long it stood still', async () => {
    const scanNo = await scanOf(0);
    const { startedAt } = await scan(scanNo);
    await pauseScan(store.db, { scanNo, step: 1, maxConcurrent: MANY });
    expect((await scan(scanNo)).idleSince).not.toBeNull();
    await age(scanNo, 60);
    await resumeScan(store.db, { scanNo, step: 2 });
    await takeSlot(store.db, scanNo, MANY);
    const after = await scan(scanNo);
    expect(after).toMatchObject({ status: 'running', idleSince: null });
    expect(Date.parse(startedAt ?? '') - Date.parse(after.startedAt ?? '')).toBe(60_000);
    expect(after.idleMs).toBeGreaterThanOrEqual(60_000);
    expect(after.idleMs).toBeLessThan(120_000);
  });

  it('can be cancelled', async () => {
    const scanNo = await scanOf(1);
    await pauseScan(store.db, { scanNo, step: 1, maxConcurrent: MANY });
    expect(await markCancelling(store.db, scanNo)).toBe('cancelling');
    await finishScan(store.db, scanNo, { end: 'cancelled', maxConcurrent: MANY, step: 2 });
    expect(await scan(scanNo)).toMatchObject({ status: 'cancelled', idleSince: null });
  });
});

describe('a step', () => {
  it('that comes twice, or late, changes nothing', async () => {
    const scanNo = await scanOf(1);
    const pause = (step: number) => pauseScan(store.db, { scanNo, step, maxConcurrent: MANY });
    await pause(1);
    expect(await pause(1)).toMatchObject({ status: 'paused' });
    await resumeScan(store.db, { scanNo, step: 2 });
    expect(await pause(1)).toMatchObject({ status: 'pending' });
    await takeSlot(store.db, scanNo, MANY);
    expect(await resumeScan(store.db, { scanNo, step: 2 })).toBe('running');
  });

  it('does not open a scan that has ended, nor one that is being cancelled', async () => {
    const ended = await scanOf(1);
    await finishScan(store.db, ended, { end: 'ran', maxConcurrent: MANY, step: 1 });
    const { status } = await pauseScan(store.db, { scanNo: ended, step: 2, maxConcurrent: MANY });
    expect(status).toBe('completed_with_errors');
    const cancelling = await scanOf(1);
    await markCancelling(store.db, cancelling);
    expect((await pauseScan(store.db, { scanNo: cancelling, step: 1, maxConcurrent: MANY })).status).toBe('cancelling');
    expect(await resumeScan(store.db, { scanNo: cancelling, step: 2 })).toBe('cancelling');
  });

  it('of a scan that is not there is an error', async () => {
    const nowhere = { scanNo: 999_999, step: 1, maxConcurrent: 1 };
    for (const call of [pauseScan, resumeScan, reopenScan]) {
      await expect(call(store.db, nowhere)).rejects.toThrow(UnknownScan);
    }
    await expect(markCancelling(store.db, 999_999)).rejects.toThrow(UnknownScan);
  });
});

describe('a scan that is opened again', () => {
  async function ended(): Promise<number> {
    const scanNo = await scanOf(4);
    for (const id of ['m1', 'm2', 'm3', 'm4']) await begin(scanNo, id);
    await store.sql(`UPDATE outhaul.scan_mailboxes SET records = 5 WHERE scan_no = $1`, [scanNo]);
    await finish(scanNo, 'm1');
    await finish(scanNo, 'm2', 'graph_failed');
    await finish(scanNo, 'm3', 'denied');
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId: 'm4', outcome: 'skipped', reason: 'no_mailbox' });
    await finishScan(store.db, scanNo, { end: 'ran', maxConcurrent: MANY, step: 3 });
    return scanNo;
  }

  it('has the mailboxes wait that failed or were denied, and no others; what was counted stays', async () => {
    const scanNo = await ended();
    expect(await scan(scanNo)).toMatchObject({ status: 'completed_with_errors', stepNo: 3 });
    expect(await unreadMailboxes(store.db, scanNo)).toBe(2);
    await age(scanNo, 60);
    expect(await reopenScan(store.db, { scanNo, step: 4 })).toEqual({ discovered: false });
    expect(await waiting(scanNo)).toEqual(['m2', 'm3']);
    expect(await mailboxTotals(store.db, scanNo)).toMatchObject({ completed: 1, skipped: 1, failed: 0, records: 20 });
    const open = await scan(scanNo);
    expect(open).toMatchObject({ status: 'pending', endedAt: null, errorMessage: null });
    expect(open.retriedAt).not.toBeNull();
    await takeSlot(store.db, scanNo, MANY);
    expect((await scan(scanNo)).idleMs).toBeGreaterThanOrEqual(60_000);
    for (const id of ['m2', 'm3']) await finish(scanNo, id);
    expect((await finishScan(store.db, scanNo, { end: 'ran', maxConcurrent: MANY, step: 5 })).status).toBe('completed');
  });

  it('is not ended by the end that its earlier workflow reports late', async () => {
    const scanNo = await ended();
    await reopenScan(store.db, { scanNo, step: 4 });
    const late = finishScan(store.db, scanNo, { end: 'failed', maxConcurrent: MANY, step: 3 });
    await expect(late).rejects.toThrow(ScanEnded);
    expect(await statusOf(scanNo)).toBe('pending');
  });

  it('goes to the end of the line', async () => {
    const [again, waits] = [await ended(), await scanOf(0, 'pending')];
    await takeSlot(store.db, waits, 0);
    await reopenScan(store.db, { scanNo: again, step: 4 });
    await takeSlot(store.db, again, 0);
    const line = await store.sql<{ no: number }>(
      `SELECT scan_no AS no FROM outhaul.scans WHERE scan_no = ANY($1) ORDER BY turn_asked_at`,
      [[again, waits]],
    );
    expect(line.map(({ no }) => no)).toEqual([waits, again]);
  });

  it.each(['cancelled', 'crashed', 'failed'] as const)('after it was %s reads what was not read', async (how) => {
    const scanNo = await scanOf(3);
    await begin(scanNo, 'm1');
    await finish(scanNo, 'm1');
    await begin(scanNo, 'm2');
    await markDiscovered(store.db, scanNo);
    if (how === 'crashed') await markCrashed(store.db, scanNo, { message: 'gone', maxConcurrent: MANY });
    else await finishScan(store.db, scanNo, { end: how, maxConcurrent: MANY, step: 2 });
    expect(await mailboxTotals(store.db, scanNo), 'nobody reads any more').toMatchObject({ running: 0, waiting: 1 });
    expect(await reopenScan(store.db, { scanNo, step: 3 })).toEqual({ discovered: true });
    expect(await waiting(scanNo)).toEqual(['m2', 'm3']);
  });
});
