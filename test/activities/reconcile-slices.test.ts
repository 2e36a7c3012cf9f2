import { afterEach, describe, expect, it } from 'vitest';
import { coveragePage } from '../../store/coverage.ts';
import { HARMLESS } from '../../store/scan-end.ts';
import { scanByNo } from '../../store/scans.ts';
import { useMailboxes, type ReadOptions } from './stage.ts';

const PAGE = 10;

describe('the proof of a folder for which Graph counts what it does not name', () => {
  const stage = useMailboxes({ mailboxes: 10, messagesPerMailbox: 120, folders: 1 }, { maxRetries: 1 });
  afterEach(() => stage.simulator.control.clearFaults());
  /** A mailbox that no other test of this file uses, whose count is off. */
  const miscounted = (): string => {
    const mailbox = stage.ownMailbox();
    stage.simulator.control.addFault({ mailbox, folder: 'inbox', effect: { type: 'count', off: 7 } });
    return mailbox;
  };
  const idsIn = (mailbox: string): string[] => stage.idsIn(mailbox, 'inbox');
  /** Lists of messages that Graph was asked for. */
  const pagesListed = (): number => stage.simulator.control.stats().byKind.messages ?? 0;
  const pagesOf = (mailbox: string): number => Math.ceil(idsIn(mailbox).length / PAGE);
  async function inSlices(mailbox: string, scanNo: number, how: ReadOptions = { sliceMs: 0 }): Promise<number> {
    for (let slices = 1; ; slices++) {
      if ((await stage.read(mailbox, scanNo, { pageSize: PAGE, ...how })).done) return slices;
      if (slices > 100) throw new Error('it does not end');
    }
  }
  async function expectProven(scanNo: number, mailbox: string): Promise<void> {
    const scan = await scanByNo(stage.store.db, scanNo);
    const { mailboxes } = await coveragePage(stage.store.db, scan, { limit: 10, harmless: HARMLESS });
    const [inbox] = mailboxes.find(({ mailboxId }) => mailboxId === mailbox)?.folders ?? [];
    const messages = idsIn(mailbox).length;
    expect(inbox).toMatchObject({ graph: messages, stored: messages, unexplained: 0, quarantined: 0 });
    expect(await stage.storedIds(mailbox)).toEqual(idsIn(mailbox));
  }

  it('is handed over from slice to slice, and walks each page of ids once', async () => {
    const mailbox = miscounted();
    const { scanNo } = await stage.addScan({ folders: ['inbox'] });
    const before = pagesListed();
    expect(await inSlices(mailbox, scanNo)).toBeGreaterThan(2 * pagesOf(mailbox) - 2);
    expect(pagesListed() - before).toBe(pagesOf(mailbox));
    await expectProven(scanNo, mailbox);
  });

  it('is handed back by a worker that ends, and gone on with where it stood', async () => {
    const mailbox = miscounted();
    const { scanNo } = await stage.addScan({ folders: ['inbox'] });
    const before = pagesListed();
    const stopping = new AbortController();
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messages' });
    const reading = stage.read(mailbox, scanNo, { pageSize: PAGE, stopping: stopping.signal });
    await hold.reached();
    stopping.abort();
    hold.release();
    expect(await reading).toMatchObject({ done: false });
    expect(pagesListed() - before).toBeLessThan(pagesOf(mailbox));
    expect(await inSlices(mailbox, scanNo, {})).toBe(1);
    expect(pagesListed() - before).toBe(pagesOf(mailbox));
    await expectProven(scanNo, mailbox);
  });

  it('finds what is missing and what is there too much over slices, in an incremental scan, too', async () => {
    const mailbox = miscounted();
    await inSlices(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo, {});
    const { control } = stage.simulator;
    const { id: gone } = control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'gone before anybody saw it' });
    control.removeMessage({ mailbox, id: gone });
    const [one = ''] = idsIn(mailbox);
    await stage.store.sql(`UPDATE ${stage.organization.schema}.emails SET id = $2 WHERE id = $1`, [one, gone]);
    const { scanNo } = await stage.addScan({ folders: ['inbox'] }, 'incremental');
    await inSlices(mailbox, scanNo);
    await expectProven(scanNo, mailbox);
  });

  it('takes in what arrives while it is walked', async () => {
    const mailbox = miscounted();
    const { scanNo } = await stage.addScan({ folders: ['inbox'] });
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messages', after: 3 });
    const reading = stage.read(mailbox, scanNo, { pageSize: PAGE });
    await hold.reached();
    stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'late' });
    hold.release();
    expect(await reading).toMatchObject({ done: true, outcome: 'completed' });
    await expectProven(scanNo, mailbox);
  });

  it('walks no ids again where that is how the folder was read', async () => {
    const mailbox = stage.ownMailbox();
    const [bad = ''] = idsIn(mailbox);
    const { control } = stage.simulator;
    control.addFault({ mailbox, message: bad, effect: { type: 'poison' } });
    const listedBy = async (): Promise<number> => {
      const before = pagesListed();
      await inSlices(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo, {});
      return pagesListed() - before;
    };
    await listedBy();
    const ordinary = await listedBy();
    control.addFault({ mailbox, folder: 'inbox', effect: { type: 'count', off: 7 } });
    expect(await listedBy()).toBe(ordinary);
  });

  it('counts what is proven of very many folders only once, though an attempt is lost in between', async () => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { folders } = control.createTree(mailbox, 'inbox', { wide: 1_100 });
    const { scanNo } = await stage.addScan();
    const counted = (): number => control.stats().byKind.messagesCount ?? 0;
    const before = counted();
    control.addFault({ mailbox, kind: 'messagesCount', after: 700, effect: { type: 'status', status: 500 } });
    await stage.read(mailbox, scanNo).catch(() => undefined);
    control.clearFaults();
    const lost = counted();
    expect(lost - before).toBeLessThan(folders);
    expect(await stage.read(mailbox, scanNo, { attempt: 2 })).toMatchObject({ done: true });
    expect(counted() - lost).toBeLessThan(folders - 400);
  });
});
