import { beforeEach, describe, expect, it } from 'vitest';
import { InvalidCursor, LeaseLost } from '../../store/errors.ts';
import { acquireLease } from '../../store/leases.ts';
import { rememberPageLimit } from '../../store/mailbox-memory.ts';
import { writeMessages, writePage } from '../../store/pages.ts';
import { listQuarantine, mailboxesToRetry, requestRetries } from '../../store/quarantine-list.ts';
import {
  NOT_FOUND,
  notFoundBy,
  quarantineMessages,
  resolveMessages,
  retriesDue,
  type UnreadableMessage,
} from '../../store/quarantine.ts';
import { finishMailbox } from '../../store/scan-mailboxes.ts';
import { finishScan } from '../../store/scan-end.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { message, startReading, useStore, type Reading } from './support.ts';

const store = useStore();

const unreadable = (id: string, more: Partial<UnreadableMessage> = {}): UnreadableMessage => ({
  id,
  cause: 'ErrorContentConversionFailed',
  httpStatus: 500,
  requestId: 'a1b2',
  unreadable: ['body'],
  stored: true,
  ...more,
});

describe('the quarantine', () => {
  let reading: Reading;
  beforeEach(async () => {
    reading = await startReading(store.db);
  });
  const put = (messages: readonly UnreadableMessage[], scanNo: number | null = reading.scanNo) => {
    const { mailboxId, leaseToken } = reading;
    const entries = { folder: { id: 'inbox-id' }, scanNo, messages };
    return quarantineMessages(store.db, reading.organization, { mailboxId, leaseToken, ...entries });
  };
  const resolve = (...ids: string[]) => {
    const { mailboxId, leaseToken } = reading;
    return resolveMessages(store.db, reading.organization, { mailboxId, leaseToken, ids, resolution: 'stored' });
  };
  const list = async (more: Partial<Parameters<typeof listQuarantine>[1]> = {}) => {
    const { organizationId } = reading.organization;
    return (await listQuarantine(store.db, { organizationId, resolved: false, limit: 100, ...more })).entries;
  };
  const due = (more: { scanNos?: number[]; folderIds?: string[] } = {}) =>
    retriesDue(store.db, reading.organization, {
      mailboxId: reading.mailboxId,
      folderIds: ['inbox-id'],
      scanNos: [reading.scanNo],
      limit: 10,
      ...more,
    });

  it('names the message, its cause and what could not be read', async () => {
    await put([unreadable('bad')]);
    expect(await list()).toMatchObject([
      {
        organizationId: reading.organization.organizationId,
        mailboxId: 'mailbox-1',
        folderId: 'inbox-id',
        messageId: 'bad',
        cause: 'ErrorContentConversionFailed',
        httpStatus: 500,
        requestId: 'a1b2',
        unreadable: ['body'],
        stored: true,
        attempts: 1,
        retryRequestedAt: null,
        resolvedAt: null,
      },
    ]);
  });

  it('holds a message once, with what its latest attempt came to', async () => {
    await put([unreadable('bad')]);
    await put([unreadable('bad', { cause: 'Timeout', httpStatus: undefined, unreadable: ['body', 'flag'] })]);
    expect(await list()).toMatchObject([
      { messageId: 'bad', cause: 'Timeout', httpStatus: null, unreadable: ['body', 'flag'], attempts: 2 },
    ]);
  });

  it('lets go what could be read after all, and takes it back anew', async () => {
    await put([unreadable('bad'), unreadable('other')]);
    await resolve('bad', 'never in it');
    expect((await list()).map(({ messageId }) => messageId)).toEqual(['other']);
    expect(await list({ resolved: true })).toMatchObject([{ messageId: 'bad', resolution: 'stored' }]);
    await put([unreadable('bad')]);
    expect(await list({ messageId: 'bad' })).toMatchObject([{ attempts: 1, resolvedAt: null, resolution: null }]);
  });

  it('changes nothing without the lease', async () => {
    const held = { mailboxId: reading.mailboxId, leaseToken: 'not mine' };
    const entries = { folder: { id: 'inbox-id' }, scanNo: null, messages: [unreadable('bad')] };
    await expect(quarantineMessages(store.db, reading.organization, { ...held, ...entries })).rejects.toThrow(
      LeaseLost,
    );
    await put([unreadable('other')]);
    const gone = { ...held, ids: ['other'], resolution: 'gone' } as const;
    await expect(resolveMessages(store.db, reading.organization, gone)).rejects.toThrow(LeaseLost);
    expect(await list()).toHaveLength(1);
  });

  it('has a scan try each message of its folders once, and whoever is asked what was asked for', async () => {
    await put([unreadable('old', { cause: 'Timeout' })], null);
    await put([unreadable('mine')]);
    expect((await due()).map(({ id }) => id)).toEqual(['old']);
    expect(await due({ folderIds: ['another'] })).toEqual([]);
    await put([unreadable('old')]);
    expect(await due()).toEqual([]);

    const { organizationId } = reading.organization;
    expect(await requestRetries(store.db, organizationId, { messageId: 'mine' })).toEqual({
      messages: 1,
      mailboxes: 1,
    });
    const [asked] = await due({ scanNos: [], folderIds: [] });
    expect(asked).toEqual({ id: 'mine', folder: { id: 'inbox-id', path: 'inbox-id' }, stored: true, content: 'full' });
    expect(await mailboxesToRetry(store.db, { organizationId, after: '', limit: 10 })).toEqual(['mailbox-1']);
    expect(await mailboxesToRetry(store.db, { organizationId, after: 'mailbox-1', limit: 10 })).toEqual([]);
    await put([unreadable('mine')], null);
    expect(await due({ scanNos: [], folderIds: [] })).toEqual([]);
  });

  it('knows what a scan was told of and did not find', async () => {
    await put([unreadable('bad'), unreadable('moved?', { cause: NOT_FOUND, httpStatus: 404, stored: false })]);
    const { mailboxId, scanNo } = reading;
    const found = await notFoundBy(store.db, reading.organization, { mailboxId, scanNos: [scanNo], limit: 10 });
    expect(found.map(({ id }) => id)).toEqual(['moved?']);
  });

  it.each([
    ['message', { messageId: 'b' }, ['b']],
    ['cause', { cause: 'Timeout' }, ['b', 'c']],
    ['mailbox', { mailboxId: 'mailbox-1' }, ['a', 'b', 'c']],
    ['mailbox that has none', { mailboxId: 'mailbox-2' }, []],
    ['several at once', { mailboxId: 'mailbox-1', cause: 'Timeout', messageId: 'c' }, ['c']],
  ])('is listed and asked for by %s', async (_, filter, ids) => {
    await put([unreadable('a'), unreadable('b', { cause: 'Timeout' }), unreadable('c', { cause: 'Timeout' })]);
    expect((await list(filter)).map(({ messageId }) => messageId)).toEqual(ids);
    const { organizationId } = reading.organization;
    expect(await requestRetries(store.db, organizationId, filter)).toMatchObject({ messages: ids.length });
    expect((await list()).filter(({ retryRequestedAt: at }) => at).map(({ messageId }) => messageId)).toEqual(ids);
  });

  it('is listed by scan: what lies in the folders that it has read', async () => {
    await put([unreadable('a')]);
    const { organizationId } = reading.organization;
    const other = await startReading(store.db, { organizationId, mailboxId: 'mailbox-2', folders: ['other-id'] });
    expect(await list({ scanNo: reading.scanNo })).toHaveLength(1);
    expect(await list({ scanNo: other.scanNo })).toEqual([]);
  });

  it('is listed page by page, each message once', async () => {
    const ids = Array.from({ length: 25 }, (_, index) => `m${String(index).padStart(2, '0')}`);
    await put(ids.map((id) => unreadable(id)));
    const { organizationId } = reading.organization;
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listQuarantine(store.db, { organizationId, resolved: false, limit: 10, cursor });
      seen.push(...page.entries.map(({ messageId }) => messageId));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen.sort()).toEqual(ids);
    const wrong = listQuarantine(store.db, { organizationId, resolved: false, limit: 10, cursor: 'bWFpbGJveGVzOjE' });
    await expect(wrong).rejects.toThrow(InvalidCursor);
  });

  it("is one organization's", async () => {
    await put([unreadable('a')]);
    const stranger = await startReading(store.db);
    const { organizationId } = stranger.organization;
    expect((await listQuarantine(store.db, { organizationId, resolved: false, limit: 10 })).entries).toEqual([]);
    expect(await requestRetries(store.db, organizationId, { messageId: 'a' })).toEqual({ messages: 0, mailboxes: 0 });
  });

  it('keeps a scan from being called complete, and says how many messages', async () => {
    await writePage(store.db, reading.organization, reading.page([message('good')]));
    await put([unreadable('bad'), unreadable('worse', { stored: false })]);
    const { mailboxId, scanNo } = reading;
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId, outcome: 'completed' });
    expect(await finishScan(store.db, scanNo, { end: 'ran', maxConcurrent: 10 })).toMatchObject({
      status: 'completed_with_errors',
    });
    const [scan] = await store.sql(`SELECT error_message FROM outhaul.scans WHERE scan_no = ${scanNo}`);
    expect(scan).toEqual({ error_message: 'messages in quarantine: 2' });
  });
});

describe('messages that were read by id', () => {
  it('are stored, seen by the scans given, and leave the round of their folder alone', async () => {
    const reading = await startReading(store.db);
    const { organization, scanNo, mailboxId } = reading;
    const { progress: _, ...messages } = reading.page([message('a')]);
    expect(await writeMessages(store.db, organization, messages)).toMatchObject({ inserted: 1 });
    expect(await folderCoverage(store.db, scanNo, mailboxId)).toMatchObject([
      { records: 1, pages: 0, state: 'running' },
    ]);
    const state = `SELECT next_link, round_ended_at FROM ${organization.schema}.sync_state`;
    expect(await store.sql(state)).toEqual([{ next_link: null, round_ended_at: null }]);
    const more = { ...messages, scanNos: [], scanId: null, messages: [message('b')] };
    expect(await writeMessages(store.db, organization, more)).toMatchObject({ inserted: 1 });
    expect(await folderCoverage(store.db, scanNo, mailboxId)).toMatchObject([{ records: 1 }]);
  });

  it('that say nothing new of a stored message leave its row as it is', async () => {
    const reading = await startReading(store.db);
    await writePage(store.db, reading.organization, reading.page([message('a')]));
    const page = reading.page([{ id: 'a', changeKey: 'ck-a', '@odata.etag': 'W/"ck-a"' }]);
    expect(await writePage(store.db, reading.organization, page)).toMatchObject({ updated: 0, unchanged: 1 });
  });
});

describe('what is remembered of a mailbox', () => {
  it('comes with the lease: how large a page may be, until any size will do, and how much is in quarantine', async () => {
    const { organization, mailboxId, leaseToken } = await startReading(store.db);
    const name = { organizationId: organization.organizationId, mailboxId };
    const memory = () => acquireLease(store.db, organization, { mailboxId, token: leaseToken, seconds: 60 });
    expect(await memory()).toMatchObject({ memory: { pageLimit: null, quarantined: 0 } });
    for (const pageLimit of [250, 125]) await rememberPageLimit(store.db, { ...name, pageLimit });
    const entries = { folder: { id: 'inbox-id' }, scanNo: null, messages: [unreadable('bad')] };
    await quarantineMessages(store.db, organization, { mailboxId, leaseToken, ...entries });
    expect(await memory()).toMatchObject({ memory: { pageLimit: 125, quarantined: 1 } });
    await rememberPageLimit(store.db, { ...name, pageLimit: null });
    expect(await memory()).toMatchObject({ memory: { pageLimit: null } });
  });
});
