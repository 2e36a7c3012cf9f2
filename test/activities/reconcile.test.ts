import { describe, expect, it } from 'vitest';
import { coveragePage, coverageTotals, type CoveredFolder } from '../../store/coverage.ts';
import { HARMLESS } from '../../store/scan-end.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { scanByNo } from '../../store/scans.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('the end of a read', () => {
  const stage = useMailboxes({ mailboxes: 18, messagesPerMailbox: 120, folders: 2 });
  async function covered(scanNo: number, mailbox: string): Promise<readonly CoveredFolder[]> {
    const scan = await scanByNo(stage.store.db, scanNo);
    const { mailboxes } = await coveragePage(stage.store.db, scan, { limit: 1000, harmless: HARMLESS });
    return mailboxes.find(({ mailboxId }) => mailboxId === mailbox)?.folders ?? [];
  }
  const sums = (folders: readonly CoveredFolder[]) =>
    (['graph', 'stored', 'quarantined', 'leftOut', 'unexplained'] as const).map((name) =>
      folders.reduce((sum, folder) => sum + (folder[name] ?? NaN), 0),
    );
  /** Reads the mailbox, and has `change` happen after its folders were read and before Graph counts them. */
  async function readWhile(mailbox: string, scanNo: number, change: () => unknown): Promise<void> {
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesCount' });
    const reading = stage.read(mailbox, scanNo);
    await hold.reached();
    await change();
    hold.release();
    expect(await reading).toMatchObject(DONE);
  }

  it('finds as many messages stored in every folder as Graph counts', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    await stage.read(mailbox, scanNo);
    const folders = await covered(scanNo, mailbox);
    expect(folders.length).toBeGreaterThan(2);
    for (const { graph, stored: kept, reconciledAt } of folders)
      expect([graph, reconciledAt]).toEqual([kept, expect.any(String)]);
    expect(sums(folders)).toEqual([120, 120, 0, 0, 0]);
  });

  it('takes in what has arrived, moved and gone since its folders were read', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { scanNo } = await stage.addScan();
    await readWhile(mailbox, scanNo, () => {
      control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'arrived' });
      control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'arrived too' });
      const [gone = '', moved = ''] = stage.idsIn(mailbox, 'inbox');
      control.removeMessage({ mailbox, id: gone });
      control.moveMessage({ mailbox, id: moved }, 'sentitems');
    });
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
    expect(sums(await covered(scanNo, mailbox))).toEqual([121, 121, 0, 0, 0]);
  });

  it('finds messages of a folder that was deleted meanwhile to be gone', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { id: folder } = control.createFolder(mailbox, 'inbox', 'Passing');
    control.addMessage({ mailbox, folder }, { subject: 'passing' });
    const { scanNo } = await stage.addScan();
    await readWhile(mailbox, scanNo, () => control.removeFolder({ mailbox, folder }));
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
    expect(sums(await covered(scanNo, mailbox))).toEqual([120, 120, 0, 0, 0]);
  });

  it('finds messages of a folder that was deleted between two scans to be gone', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { id: folder } = control.createFolder(mailbox, 'inbox', 'Last year');
    control.addMessage({ mailbox, folder }, { subject: 'old' });
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    control.removeFolder({ mailbox, folder });
    await stage.read(mailbox, (await stage.addScan({}, 'incremental')).scanNo);
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
  });

  it('follows a message into a folder that was made while the mailbox was read, and out of it again', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    const second = await stage.addScan({}, 'incremental');
    const [moved = ''] = stage.idsIn(mailbox, 'inbox');
    const hold = control.hold({ mailbox, kind: 'messagesDelta' });
    const reading = stage.read(mailbox, second.scanNo);
    await hold.reached();
    const { id: folder } = control.createFolder(mailbox, 'inbox', 'Brand new');
    control.moveMessage({ mailbox, id: moved }, folder);
    hold.release();
    await reading;
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
    control.removeFolder({ mailbox, folder });
    await stage.read(mailbox, (await stage.addScan({}, 'incremental')).scanNo);
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
  });

  it('finds what has left a window of time to be gone', async () => {
    const mailbox = stage.ownMailbox();
    const since = '2001-01-01T00:00:00Z';
    const windowed = { folders: ['inbox'], since };
    await stage.read(mailbox, (await stage.addScan(windowed)).scanNo);
    const [gone = ''] = stage.idsIn(mailbox, 'inbox');
    stage.simulator.control.removeMessage({ mailbox, id: gone });
    const again = await stage.addScan(windowed);
    await stage.read(mailbox, again.scanNo);
    const left = stage.idsIn(mailbox, 'inbox').length;
    expect(sums(await covered(again.scanNo, mailbox))).toEqual([left, left, 0, 0, 0]);
    expect(await stage.storedIds(mailbox)).not.toContain(gone);
  });

  it('reads a message again that is not in the store any more, and in the same walk one that is in another version', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    await stage.read(mailbox, scanNo);
    const [lost = '', stale = ''] = stage.idsIn(mailbox, 'inbox');
    const emails = `${stage.organization.schema}.emails`;
    await stage.store.sql(`DELETE FROM ${emails} WHERE id = $1`, [lost]);
    const versions = () => stage.store.sql(`SELECT subject, change_key FROM ${emails} WHERE id = $1`, [stale]);
    const before = await versions();
    await stage.store.sql(`UPDATE ${emails} SET subject = 'Old', change_key = 'old' WHERE id = $1`, [stale]);
    const again = await stage.addScan({}, 'incremental');
    await stage.read(mailbox, again.scanNo);
    expect(await versions()).toEqual(before);
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
    expect(sums(await covered(again.scanNo, mailbox))).toEqual([120, 120, 0, 0, 0]);
  });

  it('believes the ids that Graph names rather than its count', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    control.addFault({ mailbox, effect: { type: 'count', off: 7 } });
    const { scanNo } = await stage.addScan();
    await stage.read(mailbox, scanNo);
    expect(sums(await covered(scanNo, mailbox))).toEqual([120, 120, 0, 0, 0]);
  });

  it('has seen what moved out of a folder while that was walked once more, where the other folder is its own, too', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    control.addFault({ mailbox, folder: 'inbox', effect: { type: 'count', off: 7 } });
    const { scanNo } = await stage.addScan();
    const [moved = ''] = stage.idsIn(mailbox, 'inbox');
    const inSent = stage.idsIn(mailbox, 'sentitems').length;
    const hold = control.hold({ mailbox, kind: 'messages' });
    const reading = stage.read(mailbox, scanNo);
    await hold.reached();
    control.moveMessage({ mailbox, id: moved }, 'sentitems');
    hold.release();
    expect(await reading).toMatchObject(DONE);
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
    const folders = await folderCoverage(stage.store.db, scanNo, mailbox);
    expect(folders.reduce((sum, { records }) => sum + records, 0)).toBe(120);
    expect(folders.find(({ path }) => path === 'sentitems')?.records).toBe(inSent + 1);
    const [seen] = await stage.store.sql<{ count: number }>(
      `SELECT count(*) FROM outhaul.scan_messages WHERE scan_no = ${scanNo}`,
    );
    expect(seen?.count).toBe(120);
  });

  it('has not seen what moved into a folder that it does not read, or lies outside of its window', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const [kept = '', moved = ''] = stage.idsIn(mailbox, 'inbox');
    control.moveMessage({ mailbox, id: kept }, 'sentitems');
    await stage.read(mailbox, (await stage.addScan({ folders: ['sentitems', 'inbox'] })).scanNo);
    control.moveMessage({ mailbox, id: moved }, 'archive');
    control.moveMessage({ mailbox, id: kept }, 'inbox');
    const { scanNo } = await stage.addScan({ folders: ['sentitems', 'inbox'], until: '2000-01-01T00:00:00Z' });
    const other = await stage.addScan({ folders: ['inbox'] });
    await stage.read(mailbox, scanNo);
    await stage.read(mailbox, other.scanNo);
    const seen = async (no: number) =>
      (await stage.store.sql(`SELECT 1 FROM outhaul.scan_messages WHERE scan_no = ${no}`)).length;
    expect([await seen(scanNo), await seen(other.scanNo)]).toEqual([0, stage.idsIn(mailbox, 'inbox').length]);
  });

  it('says what a window of time leaves out', async () => {
    const mailbox = stage.ownMailbox();
    const times = stage.simulator.control.truth
      .page({ mailbox, folder: 'inbox', limit: 1000 })
      .value.map(({ message }) => message['receivedDateTime'] as string)
      .sort();
    const since = times[Math.floor(times.length / 2)] ?? '';
    const wanted = times.filter((time) => time >= since).length;
    const { scanNo } = await stage.addScan({ folders: ['inbox'], since });
    await stage.read(mailbox, scanNo);
    expect(sums(await covered(scanNo, mailbox))).toEqual([times.length, wanted, 0, times.length - wanted, 0]);
  });

  it('names what is stored within a window of time and not there in Graph', async () => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo);
    const messages = stage.simulator.control.truth
      .page({ mailbox, folder: 'inbox', limit: 1000 })
      .value.map(({ message }) => ({ id: message['id'] as string, time: message['receivedDateTime'] as string }))
      .sort((one, two) => (one.time < two.time ? -1 : 1));
    const [oldest] = messages;
    const { time: since = '' } = messages[Math.floor(messages.length / 2)] ?? {};
    const within = messages.filter(({ time }) => time >= since).length;
    await stage.store.sql(`UPDATE ${stage.organization.schema}.emails SET received_date_time = $2 WHERE id = $1`, [
      oldest?.id,
      since,
    ]);
    const { scanNo } = await stage.addScan({ folders: ['inbox'], since });
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    const folders = await covered(scanNo, mailbox);
    expect(sums(folders)).toEqual([messages.length, within + 1, 0, messages.length - within, 1]);
    expect(folders.flatMap(({ unexplainedMessages }) => unexplainedMessages)).toEqual([oldest?.id]);
  });

  it('sums up over the mailboxes of a scan, those that were not read with the reason', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan({ mailboxes: { include: [mailbox] } });
    await stage.read(mailbox, scanNo);
    const totals = await coverageTotals(stage.store.db, await scanByNo(stage.store.db, scanNo));
    expect(totals).toMatchObject({ mailboxesRead: 1, graph: 120, stored: 120, unexplained: 0, foldersNotRead: 0 });
    expect(totals.notRead).toEqual([{ state: 'skipped', reason: 'not_included', mailboxes: totals.mailboxes - 1 }]);
  });
});
