import { afterEach, describe, expect, it, vi } from 'vitest';
import { coverageTotals } from '../../store/coverage.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { scanByNo } from '../../store/scans.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('while a mailbox is read', () => {
  const stage = useMailboxes({ mailboxes: 9, messagesPerMailbox: 240, folders: 3 });
  afterEach(() => {
    stage.simulator.control.clearFaults();
    stage.simulator.control.stopChurn();
  });
  const stored = async (mailbox: string): Promise<Map<string, string>> => {
    const rows = await stage.store.sql<{ id: string; folder: string }>(
      `SELECT id, parent_folder_id AS folder FROM ${stage.organization.schema}.emails
       WHERE _user_id = $1 AND _deleted_at IS NULL`,
      [mailbox],
    );
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    return new Map(rows.map(({ id, folder }) => [id, folder]));
  };
  const truth = (mailbox: string): Map<string, string> =>
    new Map(
      stage.simulator.control.truth
        .page({ mailbox, limit: 10_000 })
        .value.map(({ message }) => [message['id'] as string, message['parentFolderId'] as string]),
    );
  const totals = async (scanNo: number) => coverageTotals(stage.store.db, await scanByNo(stage.store.db, scanNo));

  it.each(['SyncStateNotFound', 'resyncRequired'] as const)(
    'a next link that has grown old (%s) makes its folder begin anew, and no other one',
    async (code) => {
      const mailbox = stage.ownMailbox();
      const { control } = stage.simulator;
      const { scanNo } = await stage.addScan();
      const first = await stage.read(mailbox, scanNo, { pageSize: 20, sliceMs: 0 });
      expect(first).toMatchObject({ done: false, messages: 3 * 20 });
      const readAt = Date.now();
      await vi.waitUntil(() => Date.now() > readAt + 2_000, { timeout: 10_000 });
      const effect = { type: 'expireLinks', links: 'next', olderThan: 1.5, code } as const;
      const { id } = control.addFault({ mailbox, folder: 'inbox', kind: 'messagesDelta', times: 1, effect });
      const second = await stage.read(mailbox, scanNo, { pageSize: 20 });
      expect(control.faults().find((fault) => fault.id === id)?.struck).toBe(1);
      expect(second).toMatchObject({ ...DONE, messages: 240 - 3 * 20 + 20 });
      expect(await stored(mailbox)).toEqual(truth(mailbox));
      const folders = await folderCoverage(stage.store.db, scanNo, mailbox);
      expect(folders.reduce((sum, { records }) => sum + records, 0)).toBe(240);
      expect(await totals(scanNo)).toMatchObject({ graph: 240, stored: 240, unexplained: 0, foldersNotRead: 0 });
    },
  );

  it.each([
    ['denied', 'denied'],
    ['notEnabled', 'no_mailbox'],
  ] as const)(
    'it may be closed to the app (%s): the reason is said, and what was stored stays',
    async (state, reason) => {
      const mailbox = stage.ownMailbox();
      const { control } = stage.simulator;
      const { scanNo } = await stage.addScan({ mailboxes: { include: [mailbox] } });
      expect(await stage.read(mailbox, scanNo, { pageSize: 20, sliceMs: 0 })).toMatchObject({ done: false });
      control.addFault({ mailbox, effect: { type: 'mailbox', state } });
      expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'skipped', reason });
      expect((await stored(mailbox)).size).toBe(3 * 20);
      expect((await totals(scanNo)).notRead).toContainEqual({ state: 'skipped', reason, mailboxes: 1 });

      control.clearFaults();
      const { scanNo: later } = await stage.addScan({ mailboxes: { include: [mailbox] } });
      expect(await stage.read(mailbox, later)).toMatchObject(DONE);
      expect(await stored(mailbox)).toEqual(truth(mailbox));
    },
  );

  it('mail may arrive, change, move and vanish, and folders with it: nothing is left unexplained', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { scanNo } = await stage.addScan({ mailboxes: { include: [mailbox] } });
    control.setLatency(20);
    const { id } = control.startChurn({ mailbox, perSecond: 150, folders: true, seed: 11 });
    const churn = () => control.churns().find((flow) => flow.id === id);
    expect(await stage.read(mailbox, scanNo, { pageSize: 20 })).toMatchObject(DONE);
    expect(churn()?.changes).toBeGreaterThan(20);
    expect(await totals(scanNo)).toMatchObject({ unexplained: 0, quarantined: 0, foldersNotRead: 0 });
    await vi.waitFor(() => {
      for (const kind of ['renameFolder', 'moveFolder', 'removeFolder'] as const) {
        expect(churn()?.byKind[kind], kind).toBeGreaterThan(0);
      }
    }, 30_000);
    control.stopChurn(id);
    control.setLatency(0);

    const { scanNo: later } = await stage.addScan({ mailboxes: { include: [mailbox] } }, 'incremental');
    expect(await stage.read(mailbox, later)).toMatchObject(DONE);
    expect(await stored(mailbox)).toEqual(truth(mailbox));
    const { size } = truth(mailbox);
    expect(await totals(later)).toMatchObject({ graph: size, stored: size, unexplained: 0, foldersNotRead: 0 });
  });
});
