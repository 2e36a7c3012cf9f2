import { describe, expect, it } from 'vitest';
import type { SessionSettings } from '../../model/session.ts';
import type { ScanFilters } from '../../model/scan.ts';
import { messagesSeen } from '../../store/session-figures.ts';
import { unique } from '../store/support.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

const MESSAGES = 12;

describe('a poll that somebody asks for while a session runs', () => {
  const stage = useMailboxes({ mailboxes: 14, messagesPerMailbox: MESSAGES, folders: 2 });
  const live = liveOn(stage);
  /** A mailbox that was read before, and that a session follows. */
  const followed = async (
    settings: Partial<Omit<SessionSettings, 'filters'>> & { filters?: Partial<ScanFilters> } = {},
  ): Promise<string> => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    await live.start(mailbox, settings);
    await live.subscribe(mailbox);
    return mailbox;
  };
  const arrive = (mailbox: string, subject: string, more = {}): string =>
    stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject, ...more }).id;
  const poll = async (mailbox: string, filters: Partial<ScanFilters> = {}, scanId = unique('poll-')) => {
    const { scanNo } = await stage.addScan(filters, 'incremental', scanId);
    return { scanNo, result: await stage.read(mailbox, scanNo) };
  };
  const seen = () => messagesSeen(stage.store.db, live.session.scanNo);
  const isRead = (mailbox: string, id: string): unknown =>
    stage.simulator.control.truth.page({ mailbox, limit: 1000 }).value.find(({ message }) => message['id'] === id)
      ?.message['isRead'];
  const found = { done: true, outcome: 'completed' };

  it('finds for the session, too, what no notification has told', async () => {
    const mailbox = await followed();
    const [told, missed] = [arrive(mailbox, 'Told'), arrive(mailbox, 'Missed')];
    await live.hint(mailbox, told);
    const { scanNo, result } = await poll(mailbox);
    expect(result).toMatchObject(found);
    expect(await messagesSeen(stage.store.db, scanNo)).toBe(2);
    expect(await seen()).toBe(2);
    expect(await live.state(mailbox)).toMatchObject({ told: 1, missed: 1 });
    // A notification that comes late after all, and the hint that was waiting: neither counts twice.
    await live.hint(mailbox, missed);
    await live.read(mailbox);
    expect(await live.state(mailbox)).toMatchObject({ told: 2, missed: 0 });
    expect([await seen(), await live.hints(mailbox)]).toEqual([2, []]);
  });

  it('marks as read what the session is to mark, once', async () => {
    const mailbox = await followed({ markAsRead: true });
    stage.simulator.control.changeTenant({
      roles: ['User.Read.All', 'Mail.Read', 'Mail.ReadWrite'],
      revokeTokens: true,
    });
    const id = arrive(mailbox, 'To be marked');
    await poll(mailbox);
    expect(isRead(mailbox, id)).toBe(true);
    expect(await live.row(mailbox, id)).toMatchObject({ is_read: true });
    stage.simulator.control.changeMessage({ mailbox, id }, { isRead: false });
    await poll(mailbox);
    expect(isRead(mailbox, id)).toBe(false);
  });

  it('stores what somebody has read already, which a session of unread messages does not see', async () => {
    const mailbox = await followed({ onlyUnread: true });
    const [unread, read] = [arrive(mailbox, 'Unread'), arrive(mailbox, 'Read', { isRead: true })];
    const { scanNo } = await poll(mailbox);
    expect(await live.stored(mailbox)).toEqual(expect.arrayContaining([unread, read]));
    expect([await messagesSeen(stage.store.db, scanNo), await seen()]).toEqual([2, 1]);
    expect(
      await stage.store.sql('SELECT sum(added)::int AS added FROM outhaul.scan_folders WHERE scan_no = $1', [scanNo]),
    ).toEqual([{ added: 2 }]);
  });

  it('lists a window of time as a whole, of which the session sees what is new', async () => {
    const filters = { since: '2000-01-01T00:00:00.000Z' };
    const mailbox = await followed({ filters });
    arrive(mailbox, 'New');
    const { scanNo } = await poll(mailbox, filters);
    expect(await messagesSeen(stage.store.db, scanNo)).toBe(live.truth(mailbox).length);
    expect(await seen()).toBe(1);
  });

  it('that wants other folders is a scan like any other, and so is a scan that is no poll', async () => {
    const mailbox = await followed();
    arrive(mailbox, 'Of the poll');
    await poll(mailbox, { folders: ['inbox'] });
    arrive(mailbox, 'Of the scan');
    await poll(mailbox, {}, unique('nightly'));
    expect(await seen()).toBe(0);
  });

  it('ends in the middle of a mailbox, and goes on: each message counts once', async () => {
    const mailbox = await followed();
    const ids = Array.from({ length: 9 }, (_, index) => arrive(mailbox, `Message ${index}`));
    const { scanNo } = await stage.addScan({}, 'incremental', unique('poll-'));
    const how = { pageSize: 2, sliceMs: 0 };
    let slices = 0;
    while (!(await stage.read(mailbox, scanNo, how)).done) slices += 1;
    expect(slices).toBeGreaterThan(0);
    expect(await seen()).toBe(ids.length);
    expect(await live.state(mailbox)).toMatchObject({ told: 0, missed: ids.length });
  });

  it('is nobody else’s where no session runs', async () => {
    const mailbox = await followed();
    await stage.store.sql('UPDATE outhaul.sessions SET ended_at = now()');
    arrive(mailbox, 'Nobody waits');
    expect((await poll(mailbox)).result).toMatchObject(found);
    expect(await seen()).toBe(0);
  });
});
