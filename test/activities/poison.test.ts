import { afterEach, describe, expect, it } from 'vitest';
import { MESSAGE_MEMBERS } from '../../model/mail.ts';
import type { FaultRule } from '../../simulator/faults/fault-rule.ts';
import { finishScan } from '../../store/scan-end.ts';
import { listQuarantine, requestRetries } from '../../store/quarantine-list.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('a message that cannot be read', () => {
  const stage = useMailboxes({ mailboxes: 18, messagesPerMailbox: 120, folders: 1 }, { maxRetries: 1 });
  afterEach(() => stage.simulator.control.clearFaults());

  const messagesOf = (mailbox: string): string[] =>
    stage.simulator.control.truth
      .page({ mailbox, folder: 'inbox', limit: 1000 })
      .value.map(({ message }) => message['id'] as string);
  const stored = (mailbox: string) =>
    stage.store.sql<Record<string, unknown>>(
      `SELECT id, subject, body_content, change_key, _folder, _deleted_at, _scan_id
       FROM ${stage.organization.schema}.emails WHERE _user_id = $1`,
      [mailbox],
    );
  const storedIds = async (mailbox: string): Promise<string[]> =>
    (await stored(mailbox)).map(({ id }) => id as string).sort();
  const quarantine = async (mailboxId: string, resolved = false) => {
    const { organizationId } = stage.organization;
    return (await listQuarantine(stage.store.db, { organizationId, mailboxId, resolved, limit: 100 })).entries;
  };
  const fault = (rule: FaultRule) => stage.simulator.control.addFault(rule);
  const scan = async (mailbox: string, mode: 'full' | 'incremental' = 'full') => {
    const { scanNo, scanId } = await stage.addScan({ folders: ['inbox'] }, mode);
    const result = await stage.read(mailbox, scanNo);
    return { scanNo, scanId, result };
  };
  const requests = () => stage.simulator.control.stats().requests;

  it('costs nobody but itself: what can be read of it is stored, and the rest of it named, with the cause', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const bad = ids[70] as string;
    fault({ mailbox, message: bad, effect: { type: 'poison', members: ['body'] } });
    const { scanNo, scanId, result } = await scan(mailbox);
    expect(result).toMatchObject(DONE);
    expect(await storedIds(mailbox)).toEqual([...ids].sort());
    const row = (await stored(mailbox)).find(({ id }) => id === bad);
    expect(row).toMatchObject({ subject: expect.any(String) as string, body_content: null, change_key: null });
    expect(await quarantine(mailbox)).toMatchObject([
      {
        messageId: bad,
        cause: 'ErrorContentConversionFailed',
        httpStatus: 500,
        requestId: expect.any(String) as string,
        unreadable: ['body'],
        stored: true,
        firstScanId: scanId,
      },
    ]);
    const [coverage] = await folderCoverage(stage.store.db, scanNo, mailbox);
    expect(coverage).toMatchObject({ state: 'completed', records: ids.length });
    const ended = await finishScan(stage.store.db, scanNo, { end: 'ran', maxConcurrent: 10 });
    expect(ended.status).toBe('completed_with_errors');
  });

  it('is stored whole, and no case for the quarantine, where only pages cannot hold it', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    fault({ mailbox, message: ids[3] as string, effect: { type: 'poison', where: 'pages', members: ['body'] } });
    expect((await scan(mailbox)).result).toMatchObject(DONE);
    expect((await stored(mailbox)).filter(({ change_key: key }) => key !== null)).toHaveLength(ids.length);
    expect(await quarantine(mailbox)).toEqual([]);
  });

  it('of which nothing at all can be read is named by its id', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const bad = ids[20] as string;
    fault({ mailbox, message: bad, effect: { type: 'poison', where: 'alone' } });
    fault({ mailbox, message: bad, effect: { type: 'poison', where: 'pages', members: ['body'] } });
    expect((await scan(mailbox)).result).toMatchObject(DONE);
    expect(await storedIds(mailbox)).toEqual(ids.filter((id) => id !== bad).sort());
    const [entry] = await quarantine(mailbox);
    expect(entry).toMatchObject({ messageId: bad, stored: false });
    expect(entry?.unreadable).toHaveLength(MESSAGE_MEMBERS.length - 1);
  });

  it('that not even a page of ids can hold is stepped over, named by its place, and let go when it has healed', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const bad = [ids[0], ids[57], ids[58], ids.at(-1)] as string[];
    for (const message of bad) fault({ mailbox, message, effect: { type: 'poison' } });
    expect((await scan(mailbox)).result).toMatchObject(DONE);
    expect(await storedIds(mailbox)).toEqual(ids.filter((id) => !bad.includes(id)).sort());
    expect(await quarantine(mailbox)).toHaveLength(bad.length);
    const { organizationId } = stage.organization;
    expect(await requestRetries(stage.store.db, organizationId, { mailboxId: mailbox })).toMatchObject({ messages: 0 });

    stage.simulator.control.clearFaults();
    expect((await scan(mailbox)).result).toMatchObject(DONE);
    expect(await storedIds(mailbox)).toEqual([...ids].sort());
    expect(await quarantine(mailbox)).toEqual([]);
  });

  it('is found in few requests among many, and whatever is stored is not read again', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    fault({ mailbox, message: ids[90] as string, effect: { type: 'poison', members: ['body'] } });
    await scan(mailbox);
    const before = requests();
    const second = await scan(mailbox);
    expect(second.result).toMatchObject(DONE);
    expect(requests() - before).toBeLessThan(60);
    const rewritten = (await stored(mailbox)).filter(({ _scan_id: id }) => id === second.scanId);
    expect(rewritten.map(({ id }) => id)).toEqual([ids[90]]);
    const [coverage] = await folderCoverage(stage.store.db, second.scanNo, mailbox);
    expect(coverage).toMatchObject({ records: ids.length });
    expect(await quarantine(mailbox)).toMatchObject([{ messageId: ids[90], attempts: expect.any(Number) as number }]);
  });

  it('does not make all that follow it be read one by one', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    fault({ mailbox, message: ids[1] as string, effect: { type: 'poison', members: ['body'] } });
    const batches = (): number => stage.simulator.control.stats().byKind.batch ?? 0;
    const before = batches();
    await scan(mailbox);
    expect(await storedIds(mailbox)).toEqual([...ids].sort());
    expect(batches() - before).toBeLessThan(ids.length / 6);
  });

  it('does not keep later rounds from following the folder', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const [bad, changed, removed] = [ids[50], ids[10], ids[11]] as [string, string, string];
    fault({ mailbox, message: bad, effect: { type: 'poison', members: ['body'] } });
    await scan(mailbox);
    control.changeMessage({ mailbox, id: changed }, { subject: 'Changed subject' });
    control.removeMessage({ mailbox, id: removed });
    const added = control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'Added' });
    expect((await scan(mailbox, 'incremental')).result).toMatchObject(DONE);
    const rows = new Map((await stored(mailbox)).map((row) => [row['id'], row]));
    expect(rows.get(changed)).toMatchObject({ subject: 'Changed subject', body_content: expect.any(String) as string });
    expect(rows.get(added.id)).toMatchObject({ subject: 'Added' });
    expect(rows.get(removed)?.['_deleted_at']).not.toBeNull();
    expect(await quarantine(mailbox)).toMatchObject([{ messageId: bad }]);
  });

  it('is stored whole, and leaves the quarantine, once a scan can read it', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const bad = ids[5] as string;
    fault({ mailbox, message: bad, effect: { type: 'poison', members: ['body'] } });
    await scan(mailbox);
    stage.simulator.control.clearFaults();
    const { scanNo, result } = await scan(mailbox, 'incremental');
    expect(result).toMatchObject(DONE);
    expect((await stored(mailbox)).find(({ id }) => id === bad)).toMatchObject({
      body_content: expect.any(String) as string,
      change_key: expect.any(String) as string,
    });
    expect(await quarantine(mailbox)).toEqual([]);
    expect(await quarantine(mailbox, true)).toMatchObject([{ messageId: bad, resolution: 'stored' }]);
    expect((await finishScan(stage.store.db, scanNo, { end: 'ran', maxConcurrent: 10 })).status).not.toBe('failed');
  });

  it('is tried again on request, without any scan, also where it has moved meanwhile', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    const [healed, gone, still] = [ids[5], ids[6], ids[7]] as [string, string, string];
    for (const message of [healed, gone, still]) {
      fault({ mailbox, message, effect: { type: 'poison', members: ['body'] } });
    }
    await scan(mailbox);
    expect(await quarantine(mailbox)).toHaveLength(3);
    control.clearFaults();
    fault({ mailbox, message: still, effect: { type: 'poison', members: ['body'] } });
    control.removeMessage({ mailbox, id: gone });
    control.moveMessage({ mailbox, id: healed }, 'deleteditems');

    const { organizationId } = stage.organization;
    expect(await stage.read(mailbox, [])).toMatchObject(DONE);
    expect(await quarantine(mailbox)).toHaveLength(3);
    expect(await requestRetries(stage.store.db, organizationId, { mailboxId: mailbox })).toMatchObject({ messages: 3 });
    expect(await stage.read(mailbox, [])).toMatchObject(DONE);
    expect(await quarantine(mailbox)).toMatchObject([{ messageId: still, attempts: 2, retryRequestedAt: null }]);
    const resolutions = new Map((await quarantine(mailbox, true)).map((entry) => [entry.messageId, entry.resolution]));
    expect([resolutions.get(healed), resolutions.get(gone)]).toEqual(['stored', 'gone']);
    const rows = new Map((await stored(mailbox)).map((row) => [row['id'], row]));
    expect(rows.get(healed)).toMatchObject({ body_content: expect.any(String) as string });
    expect(rows.get(healed)?.['_folder']).not.toBe('inbox');
    expect(rows.get(gone)?.['_deleted_at']).not.toBeNull();
  });

  it('that is not there when it is asked for is looked for once more, and only then taken for gone', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    fault({ mailbox, message: ids[0] as string, effect: { type: 'poison', members: ['body'] } });
    await scan(mailbox);
    const { id } = stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'Late' });
    const notFound = { type: 'status', status: 404, code: 'ErrorItemNotFound' } as const;
    const late = fault({ mailbox, message: id, kind: 'message', times: 1, effect: notFound });
    expect((await scan(mailbox, 'incremental')).result).toMatchObject(DONE);
    expect(stage.simulator.control.faults().find((one) => one.id === late.id)?.struck).toBe(1);
    expect(await storedIds(mailbox)).toEqual([...ids, id].sort());
    expect(await quarantine(mailbox)).toMatchObject([{ messageId: ids[0] }]);
  });

  it('is read around in a window of time, too', async () => {
    const mailbox = stage.ownMailbox();
    const ids = messagesOf(mailbox);
    fault({ mailbox, message: ids[30] as string, effect: { type: 'poison', members: ['body'] } });
    const { scanNo } = await stage.addScan({ folders: ['inbox'], since: '1990-01-01T00:00:00Z' });
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect(await storedIds(mailbox)).toEqual([...ids].sort());
    expect(await quarantine(mailbox)).toMatchObject([{ messageId: ids[30] }]);
  });

  it('is not looked for while Graph fails as a whole', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan({ folders: ['inbox'] });
    const down = { type: 'status', status: 500, code: 'InternalServerError' } as const;
    fault({ mailbox, kind: ['messagesDelta', 'messages'], effect: down });
    const folders = fault({ mailbox, kind: 'mailFolder', after: 1, effect: down });
    await expect(stage.read(mailbox, scanNo)).rejects.toThrow(/500/);
    stage.simulator.control.removeFault(folders.id);
    expect(await quarantine(mailbox)).toEqual([]);
  });
});

describe('a mailbox whose large pages are too much for Graph', () => {
  const stage = useMailboxes({ mailboxes: 2, messagesPerMailbox: 400, folders: 1 });
  const remembered = () =>
    stage.store.sql<{ messages: number }>('SELECT mailbox_id, messages FROM outhaul.page_limits');

  it.each([504, 413] as const)('is read in smaller ones, which is remembered and climbs back: %i', async (status) => {
    const { control } = stage.simulator;
    const mailbox = stage.mailboxes[status === 504 ? 0 : 1] as string;
    const { id } = control.addFault({ mailbox, effect: { type: 'pageLimit', largest: 30, status } });
    const first = await stage.addScan({ folders: ['inbox'] });
    expect(await stage.read(mailbox, first.scanNo, { pageSize: 200 })).toMatchObject({ ...DONE, messages: 400 });
    const [limit] = (await remembered()).filter((row) => 'mailbox_id' in row && row.mailbox_id === mailbox);
    expect(limit?.messages).toBeLessThanOrEqual(45);

    const struck = control.faults()[0]?.struck ?? 0;
    const second = await stage.addScan({ folders: ['inbox'] });
    await stage.read(mailbox, second.scanNo, { pageSize: 200 });
    expect((control.faults()[0]?.struck ?? 0) - struck).toBeLessThanOrEqual(struck);

    control.removeFault(id);
    for (let round = 0; round < 8; round++) {
      const { scanNo } = await stage.addScan({ folders: ['inbox'] });
      await stage.read(mailbox, scanNo, { pageSize: 200 });
    }
    expect((await remembered()).filter((row) => 'mailbox_id' in row && row.mailbox_id === mailbox)).toEqual([]);
  });
});
