import { beforeAll, describe, expect, it } from 'vitest';
import { LeaseLost, UnknownScan } from '../../store/errors.ts';
import type { HeldMailbox } from '../../store/lease-guard.ts';
import { mailboxTotals } from '../../store/mailbox-totals.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import {
  finishMailbox,
  finishReading,
  nextMailboxes,
  recordUsers,
  unfinishedMailboxes,
  type FoundUser,
} from '../../store/scan-mailboxes.ts';
import { folderCoverage, failFolder, missingFolder, startFolders } from '../../store/scan-folders.ts';
import { addScan } from '../../store/scans.ts';
import { hold, unique, user, useStore } from './support.ts';

const store = useStore();
let organization: Organization;

beforeAll(async () => {
  organization = await ensureOrganization(store.db, 'mailboxes');
});

const newScan = async (): Promise<number> => {
  const scan = { organizationId: 'mailboxes', scanId: unique('scan'), mode: 'full', filters: { folders: [] } } as const;
  return (await addScan(store.db, { ...scan, status: 'running' })).scanNo;
};
const record = (scanNo: number, users: readonly FoundUser[]): Promise<{ waiting: number; skipped: number }> =>
  recordUsers(store.db, organization, { scanNo, tenantId: 'tenant', users });
const held = (mailboxId: string): Promise<HeldMailbox> => hold(store.db, organization, mailboxId);
const all = (ids: readonly string[]): FoundUser[] => ids.map((id) => ({ user: user(id) }));

async function listed(scanNo: number, limit: number): Promise<string[]> {
  const ids: string[] = [];
  for (let after = 0; ;) {
    const next = await nextMailboxes(store.db, scanNo, after, limit);
    if (next.mailboxIds.length === 0) return ids;
    ids.push(...next.mailboxIds);
    after = next.after;
  }
}

describe('users', () => {
  it('are listed in the order they were found, page by page, the skipped ones apart', async () => {
    const scanNo = await newScan();
    const guest = { user: user('guest', { userType: 'Guest' }), skip: 'guest' } as const;
    expect(await record(scanNo, [...all(['z', 'a']), guest])).toEqual({ waiting: 2, skipped: 1 });
    expect(await record(scanNo, all(['m', 'b', 'y']))).toEqual({ waiting: 3, skipped: 0 });
    expect(await listed(scanNo, 2)).toEqual(['z', 'a', 'm', 'b', 'y']);
    expect(await mailboxTotals(store.db, scanNo)).toMatchObject({ total: 6, waiting: 5, skipped: 1 });
  });

  it('keep their place and state when they are found again', async () => {
    const scanNo = await newScan();
    await record(scanNo, all(['a', 'b', 'c']));
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId: 'b', outcome: 'completed' });
    expect(await record(scanNo, all(['c', 'b', 'a', 'd', 'd']))).toEqual({ waiting: 4, skipped: 0 });
    expect(await listed(scanNo, 10)).toEqual(['a', 'c', 'd']);
  });

  it('have places of their own when two attempts of one discovery overlap', async () => {
    const scanNo = await newScan();
    const ids = Array.from({ length: 50 }, (_, i) => `overlap-${i}`);
    await Promise.all([record(scanNo, all(ids)), record(scanNo, all(ids.toReversed())), record(scanNo, all(ids))]);
    expect((await listed(scanNo, 7)).toSorted()).toEqual(ids.toSorted());
  });

  it('are stored with what Graph says of them, and rewritten only when that changes', async () => {
    const [first, second] = [await newScan(), await newScan()];
    const odd = user('odd', { displayName: 'a\u0000b', mail: null, userPrincipalName: 'odd@x.example' });
    await record(first, [{ user: odd }, { user: user('changes') }]);
    await record(second, [{ user: odd }, { user: user('changes', { displayName: 'New Name' }) }]);
    const rows = await store.sql(
      `SELECT id, mail, display_name, user_principal_name, account_enabled, user_type, _user_email, _tenant_id,
        _extraction_type, _scan_id = (SELECT scan_id FROM outhaul.scans WHERE scan_no = ${second}) AS rewritten
      FROM ${organization.schema}.mailboxes WHERE id IN ('odd', 'changes') ORDER BY id`,
    );
    const common = { account_enabled: true, user_type: 'Member', _tenant_id: 'tenant', _extraction_type: 'mailbox' };
    expect(rows).toEqual([
      {
        ...common,
        id: 'changes',
        mail: 'changes@contoso.example',
        display_name: 'New Name',
        user_principal_name: 'changes@contoso.example',
        _user_email: 'changes@contoso.example',
        rewritten: true,
      },
      {
        ...common,
        id: 'odd',
        mail: null,
        display_name: 'a\ufffdb',
        user_principal_name: 'odd@x.example',
        _user_email: 'odd@x.example',
        rewritten: false,
      },
    ]);
  });

  it('of a scan that is not there are an error', async () => {
    await expect(record(999_999, all(['a']))).rejects.toThrow(UnknownScan);
  });
});

describe('a mailbox of a scan', () => {
  it('keeps its first end, unless it was cancelled', async () => {
    const scanNo = await newScan();
    await record(scanNo, all(['a', 'b']));
    const scanNos = [scanNo];
    await startFolders(store.db, organization, { scanNos, ...(await held('a')), folders: [] });
    await finishMailbox(store.db, { scanNos, mailboxId: 'a', outcome: 'skipped', reason: 'denied', errorCode: 'E' });
    await finishMailbox(store.db, { scanNos, mailboxId: 'a', outcome: 'completed' });
    await startFolders(store.db, organization, { scanNos, ...(await held('a')), folders: [] });
    await finishMailbox(store.db, { scanNos, mailboxId: 'b', outcome: 'cancelled' });
    await finishMailbox(store.db, { scanNos, mailboxId: 'b', outcome: 'completed' });
    const rows = await store.sql(
      `SELECT mailbox_id, state, reason, error_code FROM outhaul.scan_mailboxes WHERE scan_no = ${scanNo} ORDER BY 1`,
    );
    expect(rows).toEqual([
      { mailbox_id: 'a', state: 'skipped', reason: 'denied', error_code: 'E' },
      { mailbox_id: 'b', state: 'completed', reason: null, error_code: null },
    ]);
    expect(await unfinishedMailboxes(store.db, scanNo, ['b', 'unknown', 'a'])).toEqual([]);
  });

  it('is unfinished until it has ended', async () => {
    const scanNo = await newScan();
    await record(scanNo, all(['a', 'b', 'c']));
    await startFolders(store.db, organization, { scanNos: [scanNo], ...(await held('b')), folders: [] });
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId: 'a', outcome: 'failed', reason: 'internal_error' });
    expect(await unfinishedMailboxes(store.db, scanNo, ['c', 'b', 'a'])).toEqual(['c', 'b']);
    expect((await nextMailboxes(store.db, scanNo, 0, 10)).mailboxIds).toEqual(['b', 'c']);
  });

  it('shows among those that run, 50 at most', async () => {
    const scanNo = await newScan();
    const ids = Array.from({ length: 60 }, (_, i) => `run-${i}`);
    await record(scanNo, all(ids));
    for (const mailboxId of ids) {
      await startFolders(store.db, organization, { scanNos: [scanNo], ...(await held(mailboxId)), folders: [] });
    }
    const totals = await mailboxTotals(store.db, scanNo);
    expect(totals).toMatchObject({ total: 60, running: 60, waiting: 0, completed: 0, records: 0 });
    expect(totals.runningMailboxes).toHaveLength(50);
    expect(totals.runningMailboxes[0]).toEqual({ mailboxId: 'run-59', folder: null, records: 0 });
  });

  it('of no scan has no totals', async () => {
    expect(await mailboxTotals(store.db, 999_999)).toMatchObject({ total: 0, records: 0, runningMailboxes: [] });
  });
});

describe('the folders of a mailbox in a scan', () => {
  it('make up what is expected, and keep what has come of them', async () => {
    const scanNo = await newScan();
    await record(scanNo, all(['a']));
    const at = { scanNos: [scanNo], ...(await held('a')) };
    const folders = ['inbox', 'broken', 'gone', 'done'].map((id) => ({ id, path: `Path/${id}`, graphCount: 10 }));
    expect(await startFolders(store.db, organization, { ...at, folders })).toHaveLength(4);
    await failFolder(store.db, organization, {
      ...at,
      folder: { id: 'broken', path: 'Path/broken' },
      errorCode: 'ErrorCorrupt',
    });
    await missingFolder(store.db, organization, { ...at, name: 'Path/gone' });
    await missingFolder(store.db, organization, { ...at, name: 'Nowhere' });
    await missingFolder(store.db, organization, { ...at, name: 'Nowhere' });
    await store.sql(`UPDATE outhaul.scan_folders SET state = 'completed', pages = 7 WHERE folder_id = 'done'`);
    await missingFolder(store.db, organization, { ...at, name: 'Path/done' });
    expect((await folderCoverage(store.db, scanNo, 'a')).map(({ folderId, state }) => [folderId, state])).toEqual([
      ['Nowhere', 'missing'],
      ['broken', 'failed'],
      ['done', 'completed'],
      ['gone', 'missing'],
      ['inbox', 'running'],
    ]);
    expect(await mailboxTotals(store.db, scanNo)).toMatchObject({ expected: 40 });
    const again = await startFolders(store.db, organization, {
      ...at,
      folders: folders.slice(0, 2).concat(folders.slice(3)),
    });
    expect(again.toSorted((one, two) => (one.folderId < two.folderId ? -1 : 1))).toEqual([
      { folderId: 'broken', completed: false, pages: 0 },
      { folderId: 'done', completed: true, pages: 7 },
      { folderId: 'inbox', completed: false, pages: 0 },
    ]);
    expect(await mailboxTotals(store.db, scanNo)).toMatchObject({ expected: 30 });
  });
});

describe('a reader that has lost its lease', () => {
  it('changes nothing of what its successor says of the mailbox and its folders', async () => {
    const scanNo = await newScan();
    await record(scanNo, all(['frozen']));
    const folder = { id: 'inbox', path: 'inbox', graphCount: 3 };
    const successor = { scanNos: [scanNo], ...(await held('frozen')) };
    await startFolders(store.db, organization, { ...successor, folders: [folder] });
    const state = (): Promise<object[]> =>
      store.sql(
        `SELECT m.state, m.expected, m.updated_at, f.folder_id, f.state AS folder, f.updated_at AS folder_updated_at
        FROM outhaul.scan_mailboxes m JOIN outhaul.scan_folders f USING (scan_no, mailbox_id) WHERE scan_no = $1`,
        [scanNo],
      );
    const before = await state();
    const late = { ...successor, leaseToken: 'of a frozen reader' };
    const said = [
      startFolders(store.db, organization, { ...late, folders: [{ ...folder, id: 'other', graphCount: 5 }] }),
      startFolders(store.db, organization, { ...late, folders: [] }),
      failFolder(store.db, organization, { ...late, folder, errorCode: 'Timeout' }),
      missingFolder(store.db, organization, { ...late, name: 'inbox' }),
      missingFolder(store.db, organization, { ...late, name: 'Nowhere' }),
      finishReading(store.db, organization, { ...late, outcome: 'failed', reason: 'folder_failed' }),
    ];
    for (const outcome of await Promise.allSettled(said)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(LeaseLost) as LeaseLost });
    }
    expect(await state()).toEqual(before);
    await finishReading(store.db, organization, { ...successor, outcome: 'completed' });
    expect(await unfinishedMailboxes(store.db, scanNo, ['frozen'])).toEqual([]);
  });
});
