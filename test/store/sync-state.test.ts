import { describe, expect, it } from 'vitest';
import { LeaseLost, UnknownFolder } from '../../store/errors.ts';
import { saveFolders } from '../../store/folders.ts';
import { writePage } from '../../store/pages.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { addScan } from '../../store/scans.ts';
import { markDeleted, moveEmails, noteVanished, unsettledEmails } from '../../store/settlement.ts';
import { deltaLinkOf, openRounds, resetRound, type Round } from '../../store/sync-state.ts';
import { folder, message, openRound, startReading, unique, user, useStore, type Reading } from './support.ts';

const store = useStore();

/** Writes pages of the reading's folder, the last of which ends the round. */
async function readToEnd(reading: Reading, ids: readonly string[], round: Round, deltaLink = 'delta-1'): Promise<void> {
  const page = reading.page(ids.map((id) => message(id)));
  await writePage(store.db, reading.organization, {
    ...page,
    progress: { ...page.progress, round: round.round, next: { deltaLink } },
  });
}

const open = (reading: Reading, more: object = {}): Promise<Round> =>
  openRound(store.db, reading.organization, { ...reading.request, ...more });

describe('a round', () => {
  it('is resumed as it was begun, for all or some of its scans', async () => {
    const reading = await startReading(store.db);
    const begun = await open(reading, { scanNos: [1, 2, 3], method: 'list' });
    expect(begun).toMatchObject({ method: 'list', fromNothing: true, link: null, pageSize: null, resumed: false });
    for (const scanNos of [[1, 2, 3], [3, 1], [2]]) {
      expect(await open(reading, { scanNos })).toEqual({ ...begun, resumed: true });
    }
  });

  it('gives way to a new one when a scan joins that it does not serve', async () => {
    const reading = await startReading(store.db);
    const begun = await open(reading);
    const page = reading.page([message('a')]);
    await writePage(store.db, reading.organization, page);
    const joined = await open(reading, { scanNos: [reading.scanNo, 999] });
    expect(joined).toMatchObject({ round: begun.round + 1, link: null, resumed: false, fromNothing: true });
  });

  it('begins anew after it has ended: full from nothing, incremental from the saved link', async () => {
    const reading = await startReading(store.db);
    await readToEnd(reading, ['a'], await open(reading));
    const incremental = await open(reading, { mode: 'incremental' });
    expect(incremental).toMatchObject({ link: 'delta-1', fromNothing: false, resumed: false });
    expect(await open(reading, { mode: 'incremental' })).toEqual({ ...incremental, resumed: true });
    await readToEnd(reading, [], incremental, 'delta-2');
    const full = await open(reading, { mode: 'full' });
    expect(full).toMatchObject({ link: null, fromNothing: true });
    const at = { mailboxId: reading.mailboxId, folderId: 'inbox-id' };
    expect(await deltaLinkOf(store.db, reading.organization, at)).toBe('delta-2');
    expect(await open(reading, { mode: 'incremental', scanNos: [5], method: 'list' })).toMatchObject({ link: null });
  });

  it('begins from nothing in an incremental scan where no link was saved', async () => {
    const reading = await startReading(store.db);
    expect(await open(reading, { mode: 'incremental', scanNos: [9] })).toMatchObject({ fromNothing: true, link: null });
  });

  it('is reset to nothing, and the saved link is forgotten', async () => {
    const reading = await startReading(store.db);
    await readToEnd(reading, ['a'], await open(reading));
    const lost = await open(reading, { mode: 'incremental' });
    const request = { ...reading.request, mode: 'incremental', method: 'list' } as const;
    const anew = await resetRound(store.db, reading.organization, request);
    expect(anew).toMatchObject({
      round: lost.round + 1,
      method: 'list',
      fromNothing: true,
      link: null,
      resumed: false,
    });
    const at = { mailboxId: reading.mailboxId, folderId: 'inbox-id' };
    expect(await deltaLinkOf(store.db, reading.organization, at)).toBeUndefined();
  });

  it('that is reset forgets what the scan saw in its folder, and in no other', async () => {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    const { organization, mailboxId, scanNo, request } = reading;
    await writePage(store.db, organization, reading.page([message('a'), message('b')]));
    const archive = { id: 'archive-id', path: 'archive-id' };
    const { round } = await openRound(store.db, organization, { ...request, folder: archive });
    const kept = reading.page([message('c', { parentFolderId: 'archive-id' })], { folder: archive });
    await writePage(store.db, organization, { ...kept, progress: { ...kept.progress, round } });
    const anew = await resetRound(store.db, organization, request);
    const recordsOf = async (): Promise<unknown> =>
      (await folderCoverage(store.db, scanNo, mailboxId)).map(({ folderId, records }) => [folderId, records]);
    expect(await recordsOf()).toEqual([
      ['archive-id', 1],
      ['inbox-id', 0],
    ]);
    await readToEnd(reading, ['b'], anew);
    expect(await recordsOf()).toEqual([
      ['archive-id', 1],
      ['inbox-id', 1],
    ]);
    await noteVanished(store.db, organization, { mailboxId, leaseToken: reading.leaseToken, scanNo });
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 9 })).toMatchObject([{ id: 'a' }]);
  });

  it('of every folder of a mailbox is opened in one statement', async () => {
    const folders = ['inbox-id', 'archive-id', 'sent-id'].map((id) => ({ id }));
    const reading = await startReading(store.db, { folders: folders.map(({ id }) => id) });
    const inbox = await open(reading);
    const { folder: _one, ...request } = reading.request;
    const rounds = await openRounds(store.db, reading.organization, { ...request, folders });
    expect([...rounds.keys()].sort()).toEqual(['archive-id', 'inbox-id', 'sent-id']);
    expect(rounds.get('inbox-id')).toEqual({ ...inbox, resumed: true });
    expect(rounds.get('sent-id')).toMatchObject({ round: 1, resumed: false });
  });

  it('needs the lease, and a folder that was saved', async () => {
    const reading = await startReading(store.db);
    await expect(open(reading, { leaseToken: 'other' })).rejects.toThrow(LeaseLost);
    await expect(open(reading, { folder: { id: `x'; --` } })).rejects.toThrow(UnknownFolder);
    const { mailboxId } = reading;
    const save = { mailboxId, leaseToken: 'other', scanId: 's', folders: [folder('f')] };
    await expect(saveFolders(store.db, reading.organization, save)).rejects.toThrow(LeaseLost);
  });
});

describe('folders', () => {
  it('are stored as Graph tells them, and rewritten when they change', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = reading;
    const odd = folder('odd', { displayName: 'a\u0000b', path: 'x/\ud800', wellKnownName: 'archive', isHidden: true });
    await saveFolders(store.db, organization, { mailboxId, leaseToken, scanId: 'one', folders: [odd, odd] });
    await saveFolders(store.db, organization, { mailboxId, leaseToken, scanId: 'two', folders: [odd] });
    const rows =
      await store.sql(`SELECT id, display_name, parent_folder_id, child_folder_count, total_item_count, is_hidden,
      is_virtual, path, well_known_name, _scan_id, _user_id, _folder, _extraction_type
      FROM ${organization.schema}.mail_folders WHERE id = 'odd'`);
    expect(rows).toEqual([
      {
        id: 'odd',
        display_name: 'a\ufffdb',
        parent_folder_id: 'root',
        child_folder_count: 0,
        total_item_count: 10,
        is_hidden: true,
        is_virtual: false,
        path: 'x/\ufffd',
        well_known_name: 'archive',
        _scan_id: 'one',
        _user_id: 'mailbox-1',
        _folder: 'x/\ufffd',
        _extraction_type: 'mail_folder',
      },
    ]);
    expect(await open(reading, { folder: { id: 'odd' } })).toMatchObject({ round: 1 });
  });

  it('that are renamed or moved give their messages the new path, also after an interruption', async () => {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'other-id'] });
    const { organization, mailboxId, leaseToken } = reading;
    await readToEnd(reading, ['a', 'b'], await open(reading));
    const other = { id: 'other-id', path: 'other-id' };
    const { round } = await open(reading, { folder: other });
    const page = reading.page([message('c')], { folder: other });
    await writePage(store.db, organization, { ...page, progress: { ...page.progress, round } });
    const paths = () => store.sql(`SELECT id, _folder, _extracted_at FROM ${organization.schema}.emails ORDER BY id`);
    const before = await paths();
    const save = {
      ...{ mailboxId, leaseToken, scanId: 'later' },
      folders: [folder('inbox-id', { path: 'Above/Inbox' }), folder('other-id')],
    };
    const { schema } = organization;
    await store.sql(
      `CREATE FUNCTION ${schema}.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''gone''; END'`,
    );
    const trigger = `CREATE TRIGGER fail BEFORE UPDATE ON ${schema}.mail_folders FOR EACH ROW WHEN (OLD.path <> NEW.path)`;
    await store.sql(`${trigger} EXECUTE FUNCTION ${schema}.fail()`);
    await expect(saveFolders(store.db, organization, save)).rejects.toThrow('gone');
    await store.sql(`DROP FUNCTION ${schema}.fail CASCADE`);
    await store.sql(`UPDATE ${schema}.emails SET _folder = 'inbox-id' WHERE id = 'b'`);

    await saveFolders(store.db, organization, save);
    expect(await paths()).toEqual(
      before.map((row, at) => (at < 2 ? { ...row, _folder: 'Above/Inbox' } : { ...row, _folder: 'other-id' })),
    );
    expect(await store.sql(`SELECT path, _folder FROM ${schema}.mail_folders WHERE id = 'inbox-id'`)).toEqual([
      { path: 'Above/Inbox', _folder: 'Above/Inbox' },
    ]);
  });
});

describe('what a read from nothing no longer sees', () => {
  /** A second scan of the same mailbox, in which only some messages are left. */
  async function readAgain(first: Reading, ids: readonly string[]): Promise<{ reading: Reading; round: Round }> {
    const { organizationId } = first.organization;
    const scan = { organizationId, scanId: unique('again'), mode: 'full', filters: { folders: [] } } as const;
    const { scanNo } = await addScan(store.db, { ...scan, status: 'running' });
    await recordUsers(store.db, first.organization, {
      scanNo,
      tenantId: 't',
      users: [{ user: user(first.mailboxId) }],
    });
    const reading = {
      ...first,
      scanNo,
      request: { ...first.request, scanNos: [scanNo] },
      page: (messages, more) => first.page(messages, { scanNos: [scanNo], scanId: scan.scanId, ...more }),
    } satisfies Reading;
    const round = await open(reading);
    await readToEnd(reading, ids, round);
    return { reading, round };
  }

  it('is unsettled until Graph was asked, and then deleted or moved', async () => {
    const first = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = first;
    await readToEnd(first, ['kept', 'deleted', 'moved', 'still-here'], await open(first));
    const { reading } = await readAgain(first, ['kept']);
    const note = { mailboxId, leaseToken, scanNo: reading.scanNo };
    expect(await noteVanished(store.db, organization, { ...note, folderId: 'another' })).toBe(0);
    expect(await noteVanished(store.db, organization, note)).toBe(3);
    expect(await noteVanished(store.db, organization, { ...note, folderId: 'inbox-id' })).toBe(0);
    const unsettled = await unsettledEmails(store.db, organization, { mailboxId, limit: 2 });
    expect(unsettled).toMatchObject([
      { id: 'deleted', folderId: 'inbox-id' },
      { id: 'moved', folderId: 'inbox-id' },
    ]);
    const held = { mailboxId, leaseToken, scanId: 'settling', scanNos: [first.scanNo] };
    expect(await markDeleted(store.db, organization, { ...held, ids: ['deleted', 'unknown'] })).toBe(1);
    const archive = { id: 'archive-id', path: 'Archive' };
    await saveFolders(store.db, organization, { ...held, folders: [folder('archive-id')] });
    expect(await moveEmails(store.db, organization, { ...held, folder: archive, ids: ['moved'] })).toBe(1);
    const inbox = { id: 'inbox-id', path: 'Inbox' };
    expect(await moveEmails(store.db, organization, { ...held, folder: inbox, ids: ['still-here'] })).toBe(1);
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 10 })).toEqual([]);
    const counted = await store.sql(
      `SELECT added, moved, deleted FROM outhaul.scan_folders WHERE scan_no = ${first.scanNo} AND folder_id = 'inbox-id'`,
    );
    expect(counted).toEqual([{ added: 4, moved: 1, deleted: 1 }]);
    const rows = await store.sql(`SELECT id, parent_folder_id, _folder, _deleted_at IS NOT NULL AS deleted, _scan_id
      FROM (SELECT * FROM ${organization.schema}.emails ORDER BY _no) emails WHERE id <> 'kept'`);
    const settled = { _scan_id: 'settling', deleted: false };
    expect(rows).toEqual([
      { ...settled, id: 'deleted', parent_folder_id: 'inbox-id', _folder: 'inbox-id', deleted: true },
      { ...settled, id: 'moved', parent_folder_id: 'archive-id', _folder: 'Archive' },
      { ...settled, id: 'still-here', parent_folder_id: 'inbox-id', _folder: 'Inbox' },
    ]);
  });

  it('is noted in a folder that was never read but had messages moved to it', async () => {
    const first = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    const { organization, mailboxId, leaseToken } = first;
    await readToEnd(first, ['a'], await open(first));
    const held = { mailboxId, leaseToken, scanId: 's' };
    const archive = { id: 'archive-id', path: 'Archive' };
    await moveEmails(store.db, organization, { ...held, folder: archive, ids: ['a'] });
    const round = await open(first, { folder: archive });
    const page = first.page([], { folder: archive });
    const progress = { ...page.progress, round: round.round, next: { end: true } } as const;
    await writePage(store.db, organization, { ...page, progress });
    await store.sql(`DELETE FROM outhaul.scan_messages WHERE scan_no = ${first.scanNo}`);
    expect(await noteVanished(store.db, organization, { mailboxId, leaseToken, scanNo: first.scanNo })).toBe(1);
  });

  it('is not noted before the round has ended, nor after an incremental one', async () => {
    const first = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = first;
    await readToEnd(first, ['a', 'b'], await open(first));
    const incremental = await open(first, { mode: 'incremental', scanNos: [first.scanNo] });
    await store.sql(`DELETE FROM outhaul.scan_messages WHERE scan_no = ${first.scanNo}`);
    const note = { mailboxId, leaseToken, scanNo: first.scanNo };
    expect(await noteVanished(store.db, organization, note)).toBe(0);
    await readToEnd(first, [], incremental, 'delta-2');
    expect(await noteVanished(store.db, organization, note)).toBe(0);
    await open(first, { mode: 'full' });
    expect(await noteVanished(store.db, organization, note)).toBe(0);
  });

  it('does not include what was stored after the round began', async () => {
    const first = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = first;
    await readToEnd(first, ['old'], await open(first));
    const { reading } = await readAgain(first, ['old', 'new']);
    const note = { mailboxId, leaseToken, scanNo: reading.scanNo };
    await store.sql(`DELETE FROM outhaul.scan_messages WHERE scan_no = ${reading.scanNo}`);
    expect(await noteVanished(store.db, organization, note)).toBe(1);
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 9 })).toMatchObject([{ id: 'old' }]);
  });

  it('is settled under the lease only', async () => {
    const reading = await startReading(store.db);
    const held = { mailboxId: reading.mailboxId, leaseToken: 'other', scanId: 's', ids: ['a'] };
    const { organization } = reading;
    const f = { id: 'f', path: 'f' };
    await expect(markDeleted(store.db, organization, held)).rejects.toThrow(LeaseLost);
    await expect(moveEmails(store.db, organization, { ...held, folder: f })).rejects.toThrow(LeaseLost);
    await expect(noteVanished(store.db, organization, { ...held, scanNo: 1 })).rejects.toThrow(LeaseLost);
  });
});
