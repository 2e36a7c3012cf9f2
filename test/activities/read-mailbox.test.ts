import { randomUUID } from 'node:crypto';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it, vi } from 'vitest';
import { run, transaction } from '../../store/database.ts';
import { LeaseLost } from '../../store/errors.ts';
import { acquireLease, releaseLease } from '../../store/leases.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { open, unhurried } from '../graph/support.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('reading a mailbox', () => {
  const stage = useMailboxes({
    mailboxes: 19,
    messagesPerMailbox: 240,
    folders: 3,
    users: [
      { kind: 'denied', displayName: 'Denied' },
      { kind: 'unlicensed', displayName: 'Unlicensed' },
    ],
  });
  const truthOf = (mailboxId: string) => {
    const found = stage.simulator.control.truth.mailboxes().find(({ id }) => id === mailboxId);
    if (!found) throw new Error('no such mailbox');
    return found;
  };
  const stored = async (mailboxId: string) =>
    stage.store.sql<{
      id: string;
      subject: string;
      _folder: string;
      _deleted_at: string | null;
      _scan_id: string;
      _extracted_at: string;
    }>(
      `SELECT e.id, subject, _folder, _deleted_at, e._scan_id, e._extracted_at FROM ${stage.organization.schema}.emails e
       WHERE e._user_id = $1 ORDER BY e.id`,
      [mailboxId],
    );

  const runOut = (mailboxId: string, ago: string): Promise<unknown> =>
    stage.store.sql(
      `UPDATE ${stage.organization.schema}.mailboxes SET _lease_token = 'lost reader',
        _lease_ends_at = clock_timestamp() - $2::interval WHERE id = $1`,
      [mailboxId, ago],
    );

  it('stores every message of its folders once', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ ...DONE, messages: 240 });
    expect((await stored(mailbox)).map(({ id }) => id)).toEqual(stage.idsIn(mailbox));
    const told = stage.reports.filter(({ mailboxId }) => mailboxId === mailbox);
    expect(told).toEqual([{ scanId: String(scanNo), mailboxId: mailbox, ask: 1, outcome: 'completed' }]);
  });

  it('for several scans at once, credits each with what it asked for and no more', async () => {
    const mailbox = stage.ownMailbox();
    const inbox = await stage.addScan({ folders: ['inbox'] });
    const all = await stage.addScan();
    expect(await stage.read(mailbox, [inbox.scanNo, all.scanNo])).toMatchObject(DONE);
    const seen = async (scanNo: number): Promise<number> =>
      (await folderCoverage(stage.store.db, scanNo, mailbox)).reduce((sum, { records }) => sum + records, 0);
    const inInbox = stage.idsIn(mailbox, 'inbox').length;
    expect(inInbox).toBeGreaterThan(0);
    expect(await seen(inbox.scanNo)).toBe(inInbox);
    expect(await seen(all.scanNo)).toBe(240);
  });

  it('again rewrites nothing that did not change, and follows what was changed, moved, deleted and added', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    const first = await stage.addScan();
    await stage.read(mailbox, first.scanNo);
    const inbox = stage.idsIn(mailbox, 'inbox');
    const [changed, moved, deleted] = inbox as [string, string, string];
    control.changeMessage({ mailbox, id: changed }, { subject: 'Changed subject' });
    control.moveMessage({ mailbox, id: moved }, 'deleteditems');
    control.removeMessage({ mailbox, id: deleted });
    const added = control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'Added' });

    const second = await stage.addScan();
    expect(await stage.read(mailbox, second.scanNo)).toMatchObject(DONE);
    const rows = await stored(mailbox);
    const row = (id: string) => rows.find((one) => one.id === id);
    expect(row(changed)?.subject).toBe('Changed subject');
    expect(row(moved)?._folder).toBe('deleteditems');
    expect(row(deleted)?._deleted_at).not.toBeNull();
    expect(row(added.id)?.subject).toBe('Added');
    expect(rows.filter(({ _deleted_at: gone }) => !gone).map(({ id }) => id)).toEqual(stage.idsIn(mailbox));
    const touched = rows.filter(({ _scan_id: scan }) => scan === second.scanId).map(({ id }) => id);
    expect(touched.sort()).toEqual([changed, moved, deleted, added.id].sort());
  });

  it('takes a message that moved out of the wanted folders for moved, not for deleted', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo);
    const [moved] = stage.idsIn(mailbox, 'inbox') as [string];
    const { id: elsewhere } = control.createFolder(mailbox, 'msgfolderroot', 'Elsewhere');
    control.moveMessage({ mailbox, id: moved }, elsewhere);
    await stage.read(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo);
    const row = (await stored(mailbox)).find(({ id }) => id === moved);
    expect(row).toMatchObject({ _folder: 'Elsewhere', _deleted_at: null });
  });

  it('stops at a page border when its time is up, and goes on from there', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    stage.simulator.control.resetStats();
    let slices = 1;
    while (!(await stage.read(mailbox, scanNo, { sliceMs: 0, pageSize: 20 })).done) slices++;
    expect(slices).toBeGreaterThan(3);
    expect((await stored(mailbox)).map(({ id }) => id)).toEqual(stage.idsIn(mailbox));
    const pages = truthOf(mailbox)
      .folders.filter(({ isHidden, isSearchFolder, inTree }) => inTree && !isHidden && !isSearchFolder)
      .reduce((sum, { messages }) => sum + Math.max(1, Math.ceil(messages / 20)), 0);
    expect(stage.simulator.control.stats().byKind.messagesDelta).toBe(pages);
  });

  it('holds three pages at a time, those being stored included: a worker that is killed has read no more in vain', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const { control } = stage.simulator;
    const hold = control.hold({ mailbox, kind: 'messagesDelta' });
    control.resetStats();
    const reading = stage.read(mailbox, scanNo, { pageSize: 20 });
    await vi.waitFor(() => expect(hold.waiting).toBe(3), { timeout: 10_000 });
    await transaction(stage.store.open(), async (client) => {
      await run(client, { text: `LOCK TABLE ${stage.organization.schema}.emails IN EXCLUSIVE MODE`, values: [] });
      hold.release();
      await vi.waitFor(async () => {
        const stuck = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        expect(await stage.store.sql(stuck)).toHaveLength(3);
      });
      expect(control.stats().byKind.messagesDelta).toBe(3);
    });
    expect(await reading).toMatchObject({ ...DONE, messages: 240 });
  });

  it('cancelled, stops its requests, keeps what is committed and frees the lease', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesDelta', after: 4 });
    const environment = new MockActivityEnvironment();
    const reading = stage.read(mailbox, scanNo, { environment, pageSize: 20 });
    const refused = expect(reading).rejects.toThrow(CancelledFailure);
    await hold.reached();
    environment.cancel('CANCELLED');
    await refused;
    hold.release();
    const lease = { mailboxId: mailbox, token: randomUUID(), seconds: 5 };
    expect(await acquireLease(stage.store.db, stage.organization, lease)).toMatchObject({ acquired: true });
    await releaseLease(stage.store.db, stage.organization, lease);
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect((await stored(mailbox)).map(({ id }) => id)).toEqual(stage.idsIn(mailbox));
  });

  it('waits for the end of a lease that is not its own', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const other = { mailboxId: mailbox, token: randomUUID(), seconds: 3600 };
    await acquireLease(stage.store.db, stage.organization, other);
    stage.simulator.control.resetStats();
    const reading = stage.read(mailbox, scanNo);
    await vi.waitFor(async () => {
      const waiting = await stage.store.sql(`SELECT 1 FROM pg_stat_activity WHERE query LIKE '%_lease_token%'`);
      expect(waiting.length).toBeGreaterThan(0);
    });
    expect(stage.simulator.control.stats().mailboxes[mailbox]).toBeUndefined();
    await releaseLease(stage.store.db, stage.organization, other);
    expect(await reading).toMatchObject(DONE);
  });

  it('asks one thing at a time while requests of a lost reader may be open, so that Graph counts four', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const { control, url, tenantId, clientId, clientSecret } = stage.simulator;
    const credential = { kind: 'secret', clientSecret } as const;
    await using lost = open(url, {}, { tenantId, clientId, cloud: 'global', credential });
    const hold = control.hold({ mailbox, kind: 'messagesDelta' });
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 10 } as const;
    const open3 = Array.from({ length: 3 }, () => lost.graph.mailbox(mailbox).messages(request, unhurried()));
    await vi.waitFor(() => expect(hold.waiting).toBe(3));
    control.resetStats();
    await runOut(mailbox, '1 s');
    const reading = stage.read(mailbox, scanNo);
    await vi.waitFor(() => expect(hold.waiting).toBe(4), { timeout: 10_000 });
    hold.release();
    expect(await reading).toMatchObject({ ...DONE, messages: 240 });
    await Promise.all(open3);
    expect(control.stats().mailboxes[mailbox]?.peakConcurrency).toBe(4);
  });

  it('asks three things at a time when a lost reader has no request open any more', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    await runOut(mailbox, '61 s');
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesDelta' });
    const reading = stage.read(mailbox, scanNo);
    await vi.waitFor(() => expect(hold.waiting).toBe(3), { timeout: 10_000 });
    hold.release();
    expect(await reading).toMatchObject(DONE);
  });

  it('loses its lease to a successor and writes nothing any more', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesDelta' });
    const reading = stage.read(mailbox, scanNo);
    const refused = expect(reading).rejects.toThrow(LeaseLost);
    await hold.reached();
    await stage.store.sql(`UPDATE ${stage.organization.schema}.mailboxes SET _lease_token = $1 WHERE id = $2`, [
      randomUUID(),
      mailbox,
    ]);
    hold.release();
    await refused;
    expect(await stored(mailbox)).toEqual([]);
    await stage.store.sql(`UPDATE ${stage.organization.schema}.mailboxes SET _lease_token = NULL WHERE id = $1`, [
      mailbox,
    ]);
  });

  it('starts a folder anew, once, when Graph has lost its sync state', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan({ folders: ['inbox'] });
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesDelta', after: 2 });
    const reading = stage.read(mailbox, scanNo, { pageSize: 20 });
    await hold.reached();
    stage.simulator.control.expireDelta({ mailbox });
    hold.release();
    expect(await reading).toMatchObject(DONE);
    expect((await stored(mailbox)).map(({ id }) => id)).toEqual(stage.idsIn(mailbox, 'inbox'));
  });

  it('notes a folder that the mailbox lacks, and reads the others', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan({ folders: ['inbox', 'No Such Folder'] });
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    const coverage = await folderCoverage(stage.store.db, scanNo, mailbox);
    expect(coverage.map(({ path, state }) => [path, state]).sort()).toEqual([
      ['No Such Folder', 'missing'],
      ['inbox', 'completed'],
    ]);
  });

  it('goes on when one folder fails, and says so', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    stage.simulator.control.failNext({ mailbox, kind: 'messagesDelta', status: 400, code: 'ErrorInvalidRequest' });
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'failed', reason: 'folder_failed' });
    const states = (await folderCoverage(stage.store.db, scanNo, mailbox)).map(({ state }) => state);
    expect(states.filter((state) => state === 'failed')).toHaveLength(1);
    expect(states.filter((state) => state === 'completed').length).toBeGreaterThan(1);
  });

  it.each([
    ['denied', 'denied'],
    ['unlicensed', 'no_mailbox'],
  ])('skips a mailbox that Graph does not give: %s', async (kind, reason) => {
    const mailbox = stage.simulator.control.truth.mailboxes().find((one) => one.kind === kind)?.id ?? '';
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'skipped', reason });
  });

  it('reads a window of time, and takes nothing outside of it for deleted', async () => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    const before = await stored(mailbox);
    const times = stage.simulator.control.truth
      .page({ mailbox, limit: 1000 })
      .value.map(({ message }) => message['receivedDateTime'] as string)
      .sort();
    const [since, until] = [times[60], times[120]] as [string, string];
    const { scanNo } = await stage.addScan({ since, until });
    expect(await stage.read(mailbox, scanNo)).toMatchObject({
      ...DONE,
      messages: times.filter((time) => time >= since && time < until).length,
    });
    expect(await stored(mailbox)).toEqual(before);
  });
});

describe('reading with a bound on the size of a body', () => {
  const stage = useMailboxes({ mailboxes: 1, messagesPerMailbox: 200, folders: 1 }, { maxBodyBytes: 60_000 });

  it('asks for smaller pages until they fit', async () => {
    const { scanNo } = await stage.addScan();
    const [mailbox] = stage.mailboxes as [string];
    expect(await stage.read(mailbox, scanNo, { pageSize: 200 })).toMatchObject({ ...DONE, messages: 200 });
  });
});
