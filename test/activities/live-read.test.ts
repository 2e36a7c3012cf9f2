import { afterEach, describe, expect, it, vi } from 'vitest';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('reading a mailbox for a session', () => {
  const stage = useMailboxes({
    mailboxes: 40,
    messagesPerMailbox: 60,
    folders: 3,
    users: [{ kind: 'denied', displayName: 'Denied' }],
  });
  const live = liveOn(stage);
  afterEach(() => stage.simulator.control.clearFaults());

  /** A mailbox that no other test of this file uses, read by a scan and followed by a session. */
  const followed = async (settings: Parameters<typeof live.start>[1] = {}, scanned = {}): Promise<string> => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan(scanned)).scanNo);
    await live.start(mailbox, settings);
    await live.subscribe(mailbox);
    stage.simulator.control.resetStats();
    return mailbox;
  };
  const arrive = (mailbox: string, subject: string, folder = 'inbox', more = {}): string =>
    stage.simulator.control.addMessage({ mailbox, folder }, { subject, ...more }).id;
  const arriveMany = (mailbox: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => arrive(mailbox, `Mail ${at + 1}`));
  const requests = () => stage.simulator.control.stats().byKind;
  const inInbox = (mailbox: string): string[] =>
    stage.simulator.control.truth
      .page({ mailbox, folder: 'inbox', limit: 1000 })
      .value.map(({ message }) => message['id'] as string);
  /** Makes the database fail when it should forget what was done. */
  const failing = async (table: 'hints' | 'session_mailboxes', work: () => Promise<unknown>): Promise<void> => {
    const { store } = stage;
    await store.sql(
      `CREATE FUNCTION outhaul.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''gone''; END'`,
    );
    await store.sql(`CREATE TRIGGER fail BEFORE DELETE OR UPDATE ON outhaul.${table} EXECUTE FUNCTION outhaul.fail()`);
    await expect(work()).rejects.toThrow('gone');
    await store.sql('DROP FUNCTION outhaul.fail CASCADE');
  };

  it('stores the messages that were named, by id, in one batch', async () => {
    const mailbox = await followed();
    const first = arrive(mailbox, 'First');
    const second = arrive(mailbox, 'Second', 'sentitems');
    await live.hint(mailbox, first, second);
    expect(await live.read(mailbox)).toMatchObject({ ...DONE, messages: 2 });
    expect(await live.row(mailbox, first)).toMatchObject({ subject: 'First', _folder: 'inbox' });
    expect(await live.row(mailbox, second)).toMatchObject({ _folder: 'sentitems', _scan_id: live.session.sessionId });
    expect(await live.hints(mailbox)).toEqual([]);
    expect(requests()).toEqual({ batch: 1, message: 2 });
    expect(await live.state(mailbox)).toMatchObject({ told: 2, missed: 0, wanted: false });
  });

  it('asks the delta where many were named', async () => {
    const mailbox = await followed();
    const named = arriveMany(mailbox, 11);
    const unnamed = arrive(mailbox, 'Nobody told');
    await live.hint(mailbox, ...named);
    expect(await live.read(mailbox)).toMatchObject({ ...DONE, messages: 12 });
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    expect(await live.row(mailbox, unnamed)).toBeDefined();
    expect(await live.hints(mailbox)).toEqual([]);
    expect(requests().message).toBeUndefined();
    expect(await live.state(mailbox)).toMatchObject({ told: 11, missed: 1, wanted: false });
  });

  it('waits for more while they keep coming, and reads them at once', async () => {
    const mailbox = await followed();
    await live.hint(mailbox, arrive(mailbox, 'First'));
    const reading = live.read(mailbox, { joinMs: 1_500, joinMaxMs: 5_000 });
    await vi.waitFor(async () => {
      const asked = await stage.store.sql(`SELECT FROM pg_stat_activity WHERE query LIKE '%taken%' AND state = 'idle'`);
      expect(asked.length).toBeGreaterThan(0);
    });
    await live.hint(mailbox, arrive(mailbox, 'Second'));
    expect(await reading).toMatchObject({ ...DONE, messages: 2 });
    expect(requests().batch).toBe(1);
  });

  it('waits no longer than told since the first', async () => {
    const mailbox = await followed();
    await live.hint(mailbox, arrive(mailbox, 'First'));
    await stage.store.sql(`UPDATE outhaul.hints SET first_at = first_at - interval '1 hour'`);
    expect(await live.read(mailbox, { joinMs: 3_600_000, joinMaxMs: 2_000 })).toMatchObject({ ...DONE, messages: 1 });
  });

  it('counts a message that only the delta found as missed, until a notification comes late', async () => {
    const mailbox = await followed();
    const [found, told] = [arrive(mailbox, 'Found'), arrive(mailbox, 'Told')];
    await live.hint(mailbox, told);
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.state(mailbox)).toMatchObject({ told: 1, missed: 1, wanted: false });
    await live.hint(mailbox, found);
    await live.read(mailbox);
    expect(await live.state(mailbox)).toMatchObject({ told: 2, missed: 0 });
    await live.hint(mailbox, found, told);
    await live.read(mailbox);
    expect(await live.state(mailbox)).toMatchObject({ told: 2, missed: 0 });
  });

  it('counts nothing that came before Graph was asked to notify', async () => {
    const mailbox = await followed();
    arrive(mailbox, 'Old', 'inbox', { receivedDateTime: '2024-01-01T00:00:00Z' });
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.state(mailbox)).toMatchObject({ told: 0, missed: 0 });
  });

  it('stores what is dated by clocks that are a day off, before or behind ours', async () => {
    const mailbox = await followed();
    const dated = (hours: number) => ({ receivedDateTime: new Date(Date.now() + hours * 3600_000).toISOString() });
    const [told, ...found] = [1, -24, 24].map((hours) => arrive(mailbox, `At ${hours}`, 'inbox', dated(hours)));
    await live.hint(mailbox, told ?? '');
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    for (const id of found) expect(await live.row(mailbox, id)).toMatchObject({ _deleted_at: null });
    // Only the share of lost notifications leans on the clocks: what seems older than the subscription is left out.
    expect(await live.state(mailbox)).toMatchObject({ told: 1, missed: 1, wanted: false });
  });

  it('follows a message that was changed, moved, deleted, and one that has left the wanted folders', async () => {
    const mailbox = await followed({ filters: { folders: ['inbox', 'deleteditems'] } });
    const { control } = stage.simulator;
    const [changed, moved, deleted, left] = inInbox(mailbox) as [string, string, string, string];
    control.changeMessage({ mailbox, id: changed }, { subject: 'Changed' });
    control.moveMessage({ mailbox, id: moved }, 'deleteditems');
    control.removeMessage({ mailbox, id: deleted });
    const { id: elsewhere } = control.createFolder(mailbox, 'msgfolderroot', 'Elsewhere');
    control.moveMessage({ mailbox, id: left }, elsewhere);
    await live.hint(mailbox, changed, moved, deleted, left);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, changed)).toMatchObject({ subject: 'Changed' });
    expect(await live.row(mailbox, moved)).toMatchObject({ _folder: 'deleteditems', _deleted_at: null });
    expect((await live.row(mailbox, deleted))?._deleted_at).not.toBeNull();
    expect(await live.row(mailbox, left)).toMatchObject({ _folder: 'Elsewhere', _deleted_at: null });
    expect(requests().messagesDelta).toBeUndefined();
    expect(await live.state(mailbox)).toMatchObject({ told: 0, missed: 0 });
  });

  it('leaves out what lies in folders that the session does not want', async () => {
    const mailbox = await followed({ filters: { folders: ['inbox'] } });
    const sent = arrive(mailbox, 'Sent', 'sentitems');
    await live.hint(mailbox, sent);
    await live.read(mailbox);
    expect(await live.row(mailbox, sent)).toBeUndefined();
    expect([await live.hints(mailbox), requests().messagesDelta]).toEqual([[], undefined]);
  });

  it('asks once more for a message that is not there yet', async () => {
    const mailbox = await followed();
    const id = arrive(mailbox, 'Late');
    const fault = { mailbox, message: id, kind: 'message', status: 404, code: 'ErrorItemNotFound' } as const;
    stage.simulator.control.failNext(fault);
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject({ ...DONE, messages: 1 });
    expect(await live.row(mailbox, id)).toMatchObject({ subject: 'Late' });
  });

  it('forgets the name of a message that is gone', async () => {
    const mailbox = await followed();
    const id = arrive(mailbox, 'Gone');
    stage.simulator.control.removeMessage({ mailbox, id });
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject({ ...DONE, messages: 0 });
    expect([await live.row(mailbox, id), await live.hints(mailbox)]).toEqual([undefined, []]);
  });

  it('reads a folder that is new, when a message in it was named', async () => {
    const mailbox = await followed();
    const { id: folder } = stage.simulator.control.createFolder(mailbox, 'inbox', 'New folder');
    const id = arrive(mailbox, 'In the new folder', folder);
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'inbox/New folder' });
    expect(await live.hints(mailbox)).toEqual([]);
    expect(await live.state(mailbox)).toMatchObject({ told: 1, missed: 0, wanted: false });
  });

  it('does not read a hidden folder, and looks it up only once', async () => {
    const mailbox = await followed();
    const { id: folder } = stage.simulator.control.createFolder(mailbox, 'msgfolderroot', 'Hidden', true);
    const [first, second] = [arrive(mailbox, 'First', folder), arrive(mailbox, 'Second', folder)];
    await live.hint(mailbox, first);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    stage.simulator.control.resetStats();
    await live.hint(mailbox, second);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(requests()).toEqual({ batch: 1, message: 1 });
    expect([await live.row(mailbox, first), await live.row(mailbox, second)]).toEqual([undefined, undefined]);
    expect([await live.hints(mailbox), await live.state(mailbox)]).toMatchObject([[], { wanted: false }]);
  });

  it('reads what was named twice, and once more after a crash, without a trace', async () => {
    const mailbox = await followed();
    const id = arrive(mailbox, 'Once');
    await live.hint(mailbox, id);
    await failing('hints', () => live.read(mailbox));
    const before = await live.row(mailbox, id);
    expect(before).toMatchObject({ subject: 'Once' });
    expect(await live.hints(mailbox)).toEqual([id]);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, id)).toEqual(before);
    expect(await live.hints(mailbox)).toEqual([]);
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
  });

  it('does a delta round again whose end was not recorded', async () => {
    const mailbox = await followed();
    arrive(mailbox, 'Found');
    await live.wantDelta(mailbox);
    await failing('session_mailboxes', () => live.read(mailbox));
    expect(await live.state(mailbox)).toMatchObject({ wanted: true });
    const later = arrive(mailbox, 'Later');
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, later)).toBeDefined();
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
  });

  it('keeps a wish that came during the delta round', async () => {
    const mailbox = await followed();
    await live.wantDelta(mailbox);
    const hold = stage.simulator.control.hold({ mailbox, kind: 'messagesDelta' });
    const reading = live.read(mailbox);
    await hold.reached();
    const late = arrive(mailbox, 'Late');
    await live.wantDelta(mailbox);
    hold.release();
    expect(await reading).toMatchObject(DONE);
    expect(await live.row(mailbox, late)).toBeDefined();
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('leaves the open round of a scan alone, which loses nothing by it', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo, { sliceMs: 0, pageSize: 5 })).toMatchObject({ done: false });
    const rounds = () =>
      stage.store.sql(
        `SELECT folder_no, round_no, round_scans, next_link FROM ${stage.organization.schema}.sync_state s
         JOIN ${stage.organization.schema}.mail_folders f USING (folder_no)
         JOIN ${stage.organization.schema}.mailboxes m USING (mailbox_no)
         WHERE m.id = $1 AND round_ended_at IS NULL ORDER BY 1`,
        [mailbox],
      );
    const open = await rounds();
    expect(open.length).toBeGreaterThan(0);
    await live.start(mailbox);
    const named = arrive(mailbox, 'Named');
    await live.hint(mailbox, named);
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, named)).toMatchObject({ subject: 'Named' });
    expect(await rounds()).toEqual(open);
    expect(await live.state(mailbox)).toMatchObject({ wanted: true });

    const unnamed = arrive(mailbox, 'Not named');
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, unnamed)).toBeDefined();
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('begins a folder anew whose sync state is lost, settles what vanished, and leaves the others', async () => {
    const mailbox = await followed();
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    const { control } = stage.simulator;
    const [gone, moved] = inInbox(mailbox) as [string, string];
    control.removeMessage({ mailbox, id: gone });
    control.moveMessage({ mailbox, id: moved }, 'sentitems');
    const added = arrive(mailbox, 'Added');
    control.expireDelta({ mailbox, folder: 'inbox' });
    const before = new Map((await live.stored(mailbox)).map((id) => [id, true]));
    await live.wantDelta(mailbox);
    control.resetStats();
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect((await live.row(mailbox, gone))?._deleted_at).not.toBeNull();
    expect(await live.row(mailbox, moved)).toMatchObject({ _folder: 'sentitems', _deleted_at: null });
    expect(await live.row(mailbox, added)).toBeDefined();
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    expect(before.size).toBe(60);
    expect(control.stats().byStatus['410']).toBe(1);
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('keeps every row of a folder that it begins anew while that is read', async () => {
    const mailbox = await followed({ filters: { folders: ['inbox'] } });
    const { control } = stage.simulator;
    const [gone] = inInbox(mailbox) as [string];
    control.removeMessage({ mailbox, id: gone });
    const before = await live.stored(mailbox);
    expect(before).toContain(gone);
    control.expireDelta({ mailbox, folder: 'inbox' });
    await live.wantDelta(mailbox);
    // The first request is answered with 410, the second with the new round's first page.
    const hold = control.hold({ mailbox, kind: 'messagesDelta', after: 2 });
    const reading = live.read(mailbox, {}, { pageSize: 5 });
    await hold.reached();
    expect([control.stats().byStatus['410'], requests().messagesDelta]).toEqual([1, 3]);
    expect(await live.stored(mailbox)).toEqual(before);
    hold.release();
    expect(await reading).toMatchObject(DONE);
    expect(await live.stored(mailbox)).toEqual(before.filter((id) => id !== gone));
  });

  it('lists a folder whose delta is refused because the mailbox is over its quota', async () => {
    const mailbox = await followed();
    const { control } = stage.simulator;
    const { id: fault } = control.addFault({ mailbox, effect: { type: 'mailbox', state: 'overQuota' } });
    const [named, found] = [arrive(mailbox, 'Named'), arrive(mailbox, 'Found')];
    const [gone] = inInbox(mailbox).slice(-1) as [string];
    control.removeMessage({ mailbox, id: gone });
    await live.hint(mailbox, named);
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(control.faults().find(({ id }) => id === fault)?.struck).toBeGreaterThan(0);
    for (const id of [named, found]) expect(await live.row(mailbox, id)).toMatchObject({ _deleted_at: null });
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    expect(await live.hints(mailbox)).toEqual([]);
    expect(await live.state(mailbox)).toMatchObject({ state: 'followed', told: 1, missed: 1, wanted: false });
  });

  it.each(['message', 'messagesDelta'] as const)(
    'keeps what was named, and the wish for a delta round, where Graph throttles the %s for ten minutes',
    async (kind) => {
      const mailbox = await followed();
      const ids = arriveMany(mailbox, kind === 'message' ? 2 : 11);
      await live.hint(mailbox, ...ids);
      await live.wantDelta(mailbox);
      const effect = { type: 'status', status: 429, code: 'ApplicationThrottled', retryAfter: 600 } as const;
      stage.simulator.control.addFault({ mailbox, kind, effect });
      await expect(live.read(mailbox)).rejects.toMatchObject({ kind: 'throttled', retryAfterMs: 600_000 });
      expect((await live.hints(mailbox)).sort()).toEqual([...ids].sort());
      expect(await live.state(mailbox)).toMatchObject({ state: 'followed', wanted: true });
      const asked = stage.simulator.control.stats().requests;
      await expect(live.read(mailbox)).rejects.toMatchObject({ kind: 'throttled' });
      expect(stage.simulator.control.stats().requests).toBe(asked);
    },
  );

  it('reads the other folders where one fails, and has the next sweep ask again', async () => {
    const mailbox = await followed();
    const [inInbox, inSent] = [arrive(mailbox, 'Inbox'), arrive(mailbox, 'Sent', 'sentitems')];
    const fault = {
      mailbox,
      folder: 'inbox',
      kind: 'messagesDelta',
      status: 400,
      code: 'ErrorInvalidRequest',
    } as const;
    stage.simulator.control.failNext(fault);
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, inSent)).toBeDefined();
    expect(await live.row(mailbox, inInbox)).toBeUndefined();
    expect(await live.state(mailbox)).toMatchObject({ wanted: true, state: 'followed' });
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, inInbox)).toBeDefined();
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('goes on with a long round in the next slice, and reads what is named meanwhile first', async () => {
    const mailbox = stage.ownMailbox();
    await stage.addScan({ mailboxes: { include: [mailbox] } });
    await live.start(mailbox);
    await live.wantDelta(mailbox);
    let slices = 0;
    const first = await live.read(mailbox, {}, { sliceMs: 0, pageSize: 5 });
    expect(first.done).toBe(false);
    const named = inInbox(mailbox).at(-1) ?? '';
    await live.hint(mailbox, named);
    await live.read(mailbox, {}, { sliceMs: 0, pageSize: 5 });
    expect([await live.hints(mailbox), (await live.row(mailbox, named))?.id]).toEqual([[], named]);
    while (!(await live.read(mailbox, {}, { sliceMs: 0, pageSize: 5 })).done) slices++;
    expect(slices).toBeGreaterThan(2);
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('takes only unread messages where that is wanted, and follows what it has', async () => {
    const mailbox = await followed({ onlyUnread: true });
    const { control } = stage.simulator;
    const unread = arrive(mailbox, 'Unread');
    const read = arrive(mailbox, 'Read', 'inbox', { isRead: true });
    await live.hint(mailbox, unread, read);
    await live.read(mailbox);
    const other = arrive(mailbox, 'Read, too', 'inbox', { isRead: true });
    control.changeMessage({ mailbox, id: unread }, { isRead: true });
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.row(mailbox, unread)).toMatchObject({ is_read: true });
    expect([await live.row(mailbox, read), await live.row(mailbox, other)]).toEqual([undefined, undefined]);
    control.changeMessage({ mailbox, id: read }, { isRead: false });
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.row(mailbox, read)).toMatchObject({ subject: 'Read', is_read: false });
  });

  it('takes only messages of the window of time', async () => {
    const mailbox = await followed({ filters: { folders: ['all'], since: '2024-05-01T00:00:00Z' } });
    const old = arrive(mailbox, 'Old', 'inbox', { receivedDateTime: '2024-04-30T23:59:59Z' });
    const [named, found] = [arrive(mailbox, 'Named'), arrive(mailbox, 'Found')];
    await live.hint(mailbox, old, named);
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.row(mailbox, old)).toBeUndefined();
    expect([await live.row(mailbox, named), await live.row(mailbox, found)]).not.toContain(undefined);
  });

  it('puts a message into quarantine that cannot be read whole', async () => {
    const mailbox = await followed();
    const id = arrive(mailbox, 'Poison');
    stage.simulator.control.addFault({ mailbox, message: id, effect: { type: 'poison', members: ['body'] } });
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.row(mailbox, id)).toMatchObject({ subject: 'Poison', change_key: null });
    const entries = await stage.store.sql('SELECT unreadable FROM outhaul.quarantine WHERE message_id = $1', [id]);
    expect(entries).toEqual([{ unreadable: ['body'] }]);
    expect(await live.hints(mailbox)).toEqual([]);
  });

  it('skips a mailbox that Graph does not give', async () => {
    const mailbox = stage.simulator.control.truth.mailboxes().find(({ kind }) => kind === 'denied')?.id ?? '';
    await stage.addScan();
    await live.start(mailbox);
    await live.hint(mailbox, 'whatever');
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await live.state(mailbox)).toMatchObject({ state: 'skipped', reason: 'denied', wanted: false });
    expect(await live.hints(mailbox)).toEqual([]);
  });

  it('reads what is named while it reads, for nobody asks it again', async () => {
    const mailbox = await followed();
    await live.hint(mailbox, arrive(mailbox, 'First'));
    const hold = stage.simulator.control.hold({ mailbox, kind: 'message' });
    const reading = live.read(mailbox);
    await hold.reached();
    const second = arrive(mailbox, 'Second');
    await live.hint(mailbox, second);
    hold.release();
    expect(await reading).toMatchObject({ ...DONE, messages: 2 });
    expect(await live.row(mailbox, second)).toBeDefined();
    expect(await live.state(mailbox)).toMatchObject({ told: 2, missed: 0 });
  });

  it('leaves nothing new to a scan that goes on from where it was, and the scan says so', async () => {
    const mailbox = await followed();
    const found = arrive(mailbox, 'Found');
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    const before = await live.row(mailbox, found);
    const { scanNo } = await stage.addScan({}, 'incremental');
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ ...DONE, messages: 0 });
    expect(await live.row(mailbox, found)).toEqual(before);
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
  });

  it('lets a scan from nothing settle what vanished from folders that it has read already', async () => {
    const mailbox = await followed();
    const [gone] = inInbox(mailbox) as [string];
    stage.simulator.control.removeMessage({ mailbox, id: gone });
    for (let at = 0; at < 30; at++) arrive(mailbox, `Sent ${at}`, 'sentitems');
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo, { sliceMs: 0, pageSize: 25 })).toMatchObject({ done: false });
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect((await live.row(mailbox, gone))?._deleted_at).not.toBeNull();
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
  });

  it('settles what vanished from a folder that it began anew, also after a crash', async () => {
    const mailbox = await followed();
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    const [gone] = inInbox(mailbox) as [string];
    stage.simulator.control.removeMessage({ mailbox, id: gone });
    stage.simulator.control.expireDelta({ mailbox, folder: 'inbox' });
    await live.wantDelta(mailbox);
    const emails = `${stage.organization.schema}.emails`;
    const { store } = stage;
    await store.sql(
      `CREATE FUNCTION outhaul.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''gone''; END'`,
    );
    await store.sql(`CREATE TRIGGER fail BEFORE UPDATE ON ${emails} FOR EACH ROW
      WHEN (NEW._removed_at IS NOT NULL) EXECUTE FUNCTION outhaul.fail()`);
    await expect(live.read(mailbox)).rejects.toThrow('gone');
    await store.sql('DROP FUNCTION outhaul.fail CASCADE');
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect((await live.row(mailbox, gone))?._deleted_at).not.toBeNull();
    expect(await live.state(mailbox)).toMatchObject({ wanted: false });
  });

  it('forgets hints that no session wants', async () => {
    const mailbox = await followed();
    const id = arrive(mailbox, 'Nobody wants it');
    await live.hint(mailbox, id);
    await stage.store.sql('UPDATE outhaul.sessions SET ended_at = now()');
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect([await live.row(mailbox, id), await live.hints(mailbox), requests()]).toEqual([undefined, [], {}]);
  });
});

describe('marking as read', () => {
  const stage = useMailboxes({ mailboxes: 10, messagesPerMailbox: 10, folders: 2 });
  const live = liveOn(stage);
  const followed = async (): Promise<string> => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    await live.start(mailbox, { markAsRead: true });
    return mailbox;
  };
  const arrive = (mailbox: string, subject: string, more = {}): string =>
    stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject, ...more }).id;
  const isRead = (mailbox: string, id: string): unknown =>
    stage.simulator.control.truth.page({ mailbox, limit: 1000 }).value.find(({ message }) => message['id'] === id)
      ?.message['isRead'];
  const session = async () => {
    const [row] = await stage.store.sql<{ marked: number; refused: string | null }>(
      'SELECT marked_as_read AS marked, mark_as_read_refused AS refused FROM outhaul.sessions WHERE session_no = $1',
      [live.session.sessionNo],
    );
    return row;
  };
  const grant = (...more: 'Mail.ReadWrite'[]): void =>
    stage.simulator.control.changeTenant({
      roles: ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read', ...more],
      revokeTokens: true,
    });

  it('follows when a message is stored, at Graph and in its row', async () => {
    grant('Mail.ReadWrite');
    const mailbox = await followed();
    const [named, draft] = [arrive(mailbox, 'Named'), arrive(mailbox, 'Draft', { isDraft: true })];
    await live.hint(mailbox, named, draft);
    await live.read(mailbox);
    const found = arrive(mailbox, 'Found');
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    for (const id of [named, found]) {
      expect(isRead(mailbox, id)).toBe(true);
      expect(await live.row(mailbox, id)).toMatchObject({ is_read: true });
    }
    expect([isRead(mailbox, draft), await session()]).toEqual([false, { marked: 2, refused: null }]);
    const before = await live.row(mailbox, named);
    await live.hint(mailbox, named);
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.row(mailbox, named)).toEqual(before);
  });

  it('leaves a message alone that somebody has marked as unread again', async () => {
    grant('Mail.ReadWrite');
    const mailbox = await followed();
    const id = arrive(mailbox, 'Unread again');
    await live.hint(mailbox, id);
    await live.read(mailbox);
    stage.simulator.control.changeMessage({ mailbox, id }, { isRead: false });
    await live.hint(mailbox, id);
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect([isRead(mailbox, id), await session()]).toMatchObject([false, { marked: 1 }]);
    expect(await live.row(mailbox, id)).toMatchObject({ is_read: false });
  });

  it('is told once that it is refused, and the messages are stored all the same', async () => {
    grant();
    const mailbox = await followed();
    const [first, second] = [arrive(mailbox, 'First'), arrive(mailbox, 'Second')];
    await live.hint(mailbox, first);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await session()).toMatchObject({ marked: 0, refused: expect.stringContaining('Mail.ReadWrite') as string });
    stage.simulator.control.resetStats();
    await live.hint(mailbox, second);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(stage.simulator.control.stats().byKind.message).toBe(1);
    expect([await live.row(mailbox, first), await live.row(mailbox, second)]).toMatchObject([
      { is_read: false },
      { is_read: false },
    ]);
    expect(await live.hints(mailbox)).toEqual([]);
  });
});
