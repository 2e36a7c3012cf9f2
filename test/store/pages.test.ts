import { describe, expect, it } from 'vitest';
import { LeaseLost, RoundLost, UnknownScan } from '../../store/errors.ts';
import { acquireLease, releaseLease } from '../../store/leases.ts';
import { mailboxTotals } from '../../store/mailbox-totals.ts';
import { writeMessages, writePage } from '../../store/pages.ts';
import { folderCoverage, startFolders } from '../../store/scan-folders.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { discardScan } from '../../store/scan-end.ts';
import { addScan } from '../../store/scans.ts';
import { markDeleted, moveEmails, unsettledEmails } from '../../store/settlement.ts';
import { deltaLinkOf } from '../../store/sync-state.ts';
import { message, openRound, startReading, unique, user, useStore, type Reading } from './support.ts';

const store = useStore();

const emails = (reading: Reading, columns = '*'): Promise<Record<string, unknown>[]> =>
  store.sql(`SELECT ${columns} FROM ${reading.organization.schema}.emails `);

const seen = async ({ scanNo }: Reading): Promise<number> => {
  const [row] = await store.sql<{ count: number }>(
    `SELECT count(*) AS count FROM outhaul.scan_messages WHERE scan_no = ${scanNo}`,
  );
  return row?.count ?? 0;
};

/** What the scan has found otherwise than it was stored, in a folder. */
const differences = async ({ scanNo }: Reading, folderId = 'inbox-id'): Promise<object | undefined> => {
  const [row] = await store.sql(
    `SELECT added, changed, moved, deleted, restored FROM outhaul.scan_folders WHERE scan_no = $1 AND folder_id = $2`,
    [scanNo, folderId],
  );
  return row;
};

const nothing = { inserted: 0, updated: 0, unchanged: 0, restored: 0, refused: [] };

describe('writePage', () => {
  it('stores new messages in the columns of the contract, with where they come from', async () => {
    const reading = await startReading(store.db, { scanId: 'first-scan' });
    const result = await writePage(store.db, reading.organization, reading.page([message('a'), message('b')]));
    expect(result).toEqual({ ...nothing, inserted: 2 });
    const [row] = await emails(reading);
    expect(row).toEqual({
      id: 'a',
      subject: 'Subject of a',
      sender_address: 'ada@contoso.example',
      sender_name: 'Ada',
      from_address: 'ada@contoso.example',
      from_name: 'Ada',
      to_recipients: [{ address: 'bob@contoso.example', name: 'Bob' }],
      cc_recipients: [],
      bcc_recipients: [],
      reply_to: [],
      received_date_time: '2024-03-01T10:20:30Z',
      sent_date_time: '2024-03-01T10:20:29Z',
      created_date_time: '2024-03-01T10:20:30Z',
      last_modified_date_time: '2024-03-01T10:20:31Z',
      body_preview: 'Hello',
      body_content: '<p>Hello</p>',
      body_content_type: 'html',
      has_attachments: false,
      importance: 'normal',
      inference_classification: 'focused',
      is_read: false,
      is_draft: false,
      is_delivery_receipt_requested: false,
      is_read_receipt_requested: false,
      flag_status: 'notFlagged',
      conversation_id: 'conversation',
      conversation_index: 'AQHa',
      internet_message_id: '<a@mail.contoso.example>',
      categories: ['blue'],
      parent_folder_id: 'inbox-id',
      web_link: 'https://outlook.office365.com/owa/?ItemID=1',
      change_key: 'ck-a',
      record: null,
      _no: expect.any(Number) as number,
      _mailbox_no: 1,
      _folder_no: 1,
      _removed_at: null,
      _extracted_at: expect.any(String) as string,
      _scan_id: 'first-scan',
      _tenant_id: 'tenant-1',
      _user_email: 'mailbox-1@contoso.example',
      _user_id: 'mailbox-1',
      _user_display_name: 'User mailbox-1',
      _folder: 'inbox-id',
      _content: 'full',
      _extraction_type: 'email',
      _deleted_at: null,
    });
  });

  it('changes nothing when a page is written again', async () => {
    const reading = await startReading(store.db);
    const page = reading.page([message('a'), message('b')], { excluded: 3 });
    await writePage(store.db, reading.organization, page);
    const before = await emails(reading);
    const coverage = await folderCoverage(store.db, reading.scanNo, reading.mailboxId);
    const again = await writePage(store.db, reading.organization, page);
    expect(again).toEqual({ ...nothing, unchanged: 2 });
    expect(await emails(reading)).toEqual(before);
    expect(await seen(reading)).toBe(2);
    const [folder] = await folderCoverage(store.db, reading.scanNo, reading.mailboxId);
    expect(folder).toEqual({ ...coverage[0], updatedAt: folder?.updatedAt });
    expect(folder).toMatchObject({ records: 2, pages: 1, excluded: 3, state: 'running' });
  });

  it('changes nothing when the last page is written again', async () => {
    const reading = await startReading(store.db);
    const { progress } = reading.page([]);
    const last = reading.page([message('a')], {
      progress: { ...progress, next: { deltaLink: 'https://graph/delta' } },
    });
    await writePage(store.db, reading.organization, last);
    await writePage(store.db, reading.organization, last);
    const [folder] = await folderCoverage(store.db, reading.scanNo, reading.mailboxId);
    expect(folder).toMatchObject({ records: 1, pages: 1, state: 'completed' });
  });

  it('takes the last of several messages with one id', async () => {
    const reading = await startReading(store.db);
    const twice = [message('a', { subject: 'early' }), message('b'), message('a', { subject: 'late' })];
    expect(await writePage(store.db, reading.organization, reading.page(twice))).toMatchObject({ inserted: 2 });
    expect(await emails(reading, 'id, subject')).toEqual([
      { id: 'a', subject: 'late' },
      { id: 'b', subject: 'Subject of b' },
    ]);
  });

  it('keeps apart ids that differ in case only, and the same id in two mailboxes', async () => {
    const reading = await startReading(store.db);
    await writePage(store.db, reading.organization, reading.page([message('aB'), message('ab'), message('AB')]));
    const { organizationId } = reading.organization;
    const other = await startReading(store.db, { organizationId, mailboxId: 'mailbox-2' });
    expect(await writePage(store.db, other.organization, other.page([message('ab')]))).toMatchObject({ inserted: 1 });
    expect(await emails(reading, 'id, _user_id')).toHaveLength(4);
  });

  it('does not rewrite a message whose change key is the stored one, but marks it as seen', async () => {
    const first = await startReading(store.db, { organizationId: 'unchanged', scanId: 'one' });
    await writePage(store.db, first.organization, first.page([message('a')]));
    const second = await startReading(store.db, { organizationId: 'unchanged', scanId: 'two' });
    const result = await writePage(store.db, second.organization, second.page([message('a', { subject: 'ignored' })]));
    expect(result).toEqual({ ...nothing, unchanged: 1 });
    expect(await emails(second, 'subject, _scan_id')).toEqual([{ subject: 'Subject of a', _scan_id: 'one' }]);
    expect(await seen(second)).toBe(1);
    expect(await mailboxTotals(store.db, second.scanNo)).toMatchObject({ records: 1 });
  });

  it('rewrites a message with another change key, in the same row', async () => {
    const reading = await startReading(store.db);
    await writePage(store.db, reading.organization, reading.page([message('a')]));
    const [before] = await emails(reading, '_no');
    const changed = message('a', { changeKey: 'other', '@odata.etag': 'W/"other"', isRead: true });
    expect(await writePage(store.db, reading.organization, reading.page([changed]))).toEqual({
      ...nothing,
      updated: 1,
    });
    expect(await emails(reading, '_no, is_read, change_key, record')).toEqual([
      { ...before, is_read: true, change_key: 'other', record: null },
    ]);
  });

  it('keeps the row of a message that moved to another folder', async () => {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    await writePage(store.db, reading.organization, reading.page([message('a')]));
    const archive = { id: 'archive-id' };
    const { round } = await openRound(store.db, reading.organization, { ...reading.request, folder: archive });
    const page = reading.page([message('a', { parentFolderId: 'archive-id' })], {
      folder: { id: 'archive-id', path: 'Archive' },
    });
    const moved = { ...page, progress: { ...page.progress, round } };
    expect(await writePage(store.db, reading.organization, moved)).toEqual({ ...nothing, updated: 1 });
    expect(await emails(reading, 'parent_folder_id, _folder')).toEqual([
      { parent_folder_id: 'archive-id', _folder: 'Archive' },
    ]);
    expect(await seen(reading)).toBe(1);
    expect(await mailboxTotals(store.db, reading.scanNo)).toMatchObject({ records: 1 });
  });

  it('tells apart what is new, changed, moved and restored, and counts each once', async () => {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    const { organization, mailboxId, leaseToken } = reading;
    const none = { added: 0, changed: 0, moved: 0, deleted: 0, restored: 0 };
    const write = async (page: Parameters<typeof writePage>[2]): Promise<void> => {
      await writePage(store.db, organization, page);
      await writePage(store.db, organization, page);
    };
    await write(reading.page(['a', 'b', 'c', 'd'].map((id) => message(id))));
    expect(await differences(reading)).toEqual({ ...none, added: 4 });
    await write(reading.page([message('a'), message('b', { changeKey: 'other' })]));
    expect(await differences(reading)).toEqual({ ...none, added: 4, changed: 1 });
    await markDeleted(store.db, organization, { mailboxId, leaseToken, scanId: 's', ids: ['c'] });
    await write(reading.page([message('c', { changeKey: 'other' })]));
    expect(await differences(reading)).toEqual({ ...none, added: 4, changed: 1, restored: 1 });
    const archive = { id: 'archive-id', path: 'Archive' };
    const { round } = await openRound(store.db, organization, { ...reading.request, folder: archive });
    const page = reading.page([message('d', { changeKey: 'other' }), message('e')], { folder: archive });
    await write({ ...page, progress: { ...page.progress, round } });
    expect(await differences(reading, 'archive-id')).toEqual({ ...none, added: 1, moved: 1 });
    expect(await differences(reading)).toEqual({ ...none, added: 4, changed: 1, restored: 1 });
  });

  it('restores a message that had been taken for deleted', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = reading;
    await writePage(store.db, organization, reading.page([message('a')]));
    await markDeleted(store.db, organization, { mailboxId, leaseToken, scanId: 's', ids: ['a'] });
    expect(await emails(reading, '_deleted_at IS NULL AS alive')).toEqual([{ alive: false }]);
    const result = await writePage(store.db, organization, reading.page([message('a')]));
    expect(result).toEqual({ ...nothing, updated: 1, restored: 1 });
    expect(await emails(reading, '_deleted_at')).toEqual([{ _deleted_at: null }]);
  });

  it('leaves what is said to be removed unsettled, until it is met again', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId } = reading;
    await writePage(store.db, organization, reading.page([message('a'), message('b'), message('c')]));
    const removed = ['b', 'c', 'never-seen'].map((id) => ({ id, reason: 'deleted' }));
    await writePage(store.db, organization, reading.page([message('c')], { removed }));
    const unsettled = await unsettledEmails(store.db, organization, { mailboxId, limit: 10 });
    expect(unsettled.map(({ id }) => id)).toEqual(['b', 'c']);
    await writePage(store.db, organization, reading.page([message('b')]));
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 10 })).toHaveLength(1);
  });

  it('has asked again for what stands as deleted, when its folder says that it left', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = reading;
    await writePage(store.db, organization, reading.page([message('a')]));
    const held = { mailboxId, leaseToken, scanId: 's', ids: ['a'] };
    await markDeleted(store.db, organization, held);
    const [before] = await emails(reading, '_deleted_at');
    await writePage(store.db, organization, reading.page([], { removed: [{ id: 'a', reason: 'deleted' }] }));
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 10 })).toMatchObject([{ id: 'a' }]);
    await markDeleted(store.db, organization, held);
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 10 })).toEqual([]);
    expect(await emails(reading, '_deleted_at')).toEqual([before]);
  });

  it('takes no removal for one where the message lies in another folder by now', async () => {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    const { organization, mailboxId } = reading;
    const { round } = await openRound(store.db, organization, { ...reading.request, folder: { id: 'archive-id' } });
    const page = reading.page([message('a')], { folder: { id: 'archive-id', path: 'Archive' } });
    await writePage(store.db, organization, { ...page, progress: { ...page.progress, round } });
    await writePage(store.db, organization, reading.page([], { removed: [{ id: 'a', reason: 'deleted' }] }));
    expect(await unsettledEmails(store.db, organization, { mailboxId, limit: 10 })).toEqual([]);
  });

  it('stores the delta link with the last page and completes the folder', async () => {
    const reading = await startReading(store.db);
    const { progress } = reading.page([]);
    const next = { deltaLink: 'https://graph/delta?token' };
    await writePage(store.db, reading.organization, reading.page([], { progress: { ...progress, next } }));
    const at = { mailboxId: reading.mailboxId, folderId: 'inbox-id' };
    expect(await deltaLinkOf(store.db, reading.organization, at)).toBe('https://graph/delta?token');
    const [folder] = await folderCoverage(store.db, reading.scanNo, reading.mailboxId);
    expect(folder).toMatchObject({ state: 'completed', records: 0, pages: 1 });
  });

  it('counts for every scan that it serves, each by what it has seen itself', async () => {
    const first = await startReading(store.db, { organizationId: 'joined', scanId: 'one' });
    await writePage(store.db, first.organization, first.page([message('a')]));
    const { organization, mailboxId } = first;
    const filters = { folders: ['all'] };
    const other = { organizationId: 'joined', scanId: 'two', mode: 'full', filters, status: 'running' } as const;
    const { scanNo } = await addScan(store.db, other);
    await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [{ user: user(mailboxId) }] });
    const scanNos = [first.scanNo, scanNo];
    await startFolders(store.db, organization, {
      scanNos,
      mailboxId,
      leaseToken: first.leaseToken,
      folders: [{ id: 'inbox-id', path: 'inbox-id', graphCount: 2 }],
    });
    const { round } = await openRound(store.db, organization, { ...first.request, scanNos });
    const page = first.page([message('a'), message('b')], { scanNos });
    await writePage(store.db, organization, { ...page, progress: { ...page.progress, round } });
    for (const no of scanNos) expect(await mailboxTotals(store.db, no)).toMatchObject({ records: 2, expected: 2 });
  });

  it('writes nothing under a token that is not the lease’s', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId, leaseToken } = reading;
    const stale = reading.page([message('a')], { leaseToken: 'of another reader' });
    await expect(writePage(store.db, organization, stale)).rejects.toThrow(LeaseLost);
    await releaseLease(store.db, organization, { mailboxId, token: leaseToken });
    await acquireLease(store.db, organization, { mailboxId, token: 'successor', seconds: 60 });
    await expect(writePage(store.db, organization, reading.page([message('a')]))).rejects.toThrow(LeaseLost);
    const partial = reading.page([{ id: 'a', isRead: true }]);
    await expect(writePage(store.db, organization, partial)).rejects.toThrow(LeaseLost);
    expect(await emails(reading)).toEqual([]);
    expect(await seen(reading)).toBe(0);
    expect(await folderCoverage(store.db, reading.scanNo, mailboxId)).toMatchObject([{ pages: 0 }]);
  });

  it('writes nothing for a round that is not the open one', async () => {
    const reading = await startReading(store.db);
    const page = reading.page([message('a')]);
    const late = { ...page, progress: { ...page.progress, round: 99 } };
    await expect(writePage(store.db, reading.organization, late)).rejects.toThrow(RoundLost);
    expect(await emails(reading)).toEqual([]);
  });

  it('writes nothing for a scan that was discarded', async () => {
    const reading = await startReading(store.db);
    await discardScan(store.db, reading.scanNo);
    const written = writePage(store.db, reading.organization, reading.page([message('a')]));
    await expect(written).rejects.toThrow(UnknownScan);
    expect(await emails(reading)).toEqual([]);
  });

  it('goes on from the last committed page', async () => {
    const reading = await startReading(store.db);
    const { progress } = reading.page([]);
    const next = { link: 'https://graph/next?2' };
    await writePage(
      store.db,
      reading.organization,
      reading.page([], { progress: { ...progress, next, pageSize: 25 } }),
    );
    expect(await openRound(store.db, reading.organization, reading.request)).toMatchObject({
      round: progress.round,
      link: 'https://graph/next?2',
      pageSize: 25,
      resumed: true,
    });
  });
});

describe('a successor that takes the lease while a page is being written', () => {
  it('waits for the page, and no later page of the old reader is stored', async () => {
    const reading = await startReading(store.db);
    const { organization, mailboxId } = reading;
    const expired = `UPDATE ${organization.schema}.mailboxes SET _lease_ends_at = now() - interval '1 second'`;
    await store.sql(expired);
    const writing: Promise<unknown>[] = [];
    for (let i = 0; i < 40; i++) {
      const page = reading.page([message(`m${i}`)]);
      writing.push(writePage(store.db, organization, page).then(String, (error: unknown) => error));
    }
    const answer = await acquireLease(store.open(), organization, { mailboxId, token: 'successor', seconds: 60 });
    expect(answer).toMatchObject({ acquired: true });
    const stored = (await emails(reading)).length;
    const results = await Promise.all(writing);
    expect(await emails(reading)).toHaveLength(stored);
    expect(results.filter((result) => result instanceof LeaseLost)).toHaveLength(40 - stored);
  });
});

describe('pages of one mailbox written side by side', () => {
  it('store every message once, and count it once, whichever page comes first', async () => {
    const db = store.open({ poolSize: 8 });
    const folders = ['f0', 'f1', 'f2'];
    const reading = await startReading(db, { organizationId: unique('side'), folders });
    const rounds = await Promise.all(
      folders.map((id) => openRound(db, reading.organization, { ...reading.request, folder: { id } })),
    );
    const messages = Array.from({ length: 60 }, (_, i) => message(`m${i}`));
    await Promise.all(
      rounds.flatMap(({ round }, at) =>
        [messages, messages.toReversed()].map((list) => {
          const path = folders[at] ?? '';
          const page = reading.page(list, { folder: { id: path, path } });
          return writePage(db, reading.organization, { ...page, progress: { ...page.progress, round } });
        }),
      ),
    );
    expect(await emails(reading, 'DISTINCT id, _no')).toHaveLength(60);
    expect(await mailboxTotals(db, reading.scanNo)).toMatchObject({ records: 60 });
    expect(await seen(reading)).toBe(60);
  });
});

describe('messages that were read by id', () => {
  const LATEST = { next: { deltaLink: 'https://graph/delta' } } as const;
  /** A folder read to its end, into which messages are put by id. */
  async function put(...ids: readonly string[]): Promise<{ reading: Reading; unsettled: () => Promise<string[]> }> {
    const reading = await startReading(store.db, { folders: ['inbox-id', 'archive-id'] });
    const { organization, mailboxId } = reading;
    const { progress, ...first } = reading.page([message('paged')]);
    await writePage(store.db, organization, { ...first, progress: { ...progress, ...LATEST } });
    await writeMessages(store.db, organization, { ...first, messages: ids.map((id) => message(id)) });
    return {
      reading,
      unsettled: async () => {
        const rows = await unsettledEmails(store.db, organization, { mailboxId, limit: 10 });
        return rows.map(({ id }) => id).sort();
      },
    };
  }
  /** One page is the folder's next round. */
  async function nextRound(reading: Reading, ids: readonly string[], folder = { id: 'inbox-id', path: 'Inbox' }) {
    const { organization, request } = reading;
    const { round } = await openRound(store.db, organization, { ...request, folder, mode: 'incremental' });
    const { progress, ...page } = reading.page(
      ids.map((id) => message(id)),
      { folder },
    );
    await writePage(store.db, organization, { ...page, progress: { ...progress, ...LATEST, round } });
  }

  it('are unsettled when the next round does not name them, for they may have left before it could tell', async () => {
    const { reading, unsettled } = await put('named', 'not-named');
    expect(await unsettled()).toEqual([]);
    await nextRound(reading, ['named']);
    expect(await unsettled()).toEqual(['not-named']);
  });

  it('are as good as others once a round has named them, or somebody has asked for them again', async () => {
    const { reading, unsettled } = await put('named', 'asked', 'deleted');
    const { organization, mailboxId, leaseToken } = reading;
    await nextRound(reading, ['named']);
    const held = { mailboxId, leaseToken, scanId: 's' };
    await moveEmails(store.db, organization, { ...held, folder: { id: 'inbox-id', path: 'Inbox' }, ids: ['asked'] });
    await markDeleted(store.db, organization, { ...held, ids: ['deleted'] });
    await nextRound(reading, []);
    expect(await unsettled()).toEqual(['deleted']);
    await markDeleted(store.db, organization, { ...held, ids: ['deleted'] });
    await nextRound(reading, []);
    expect(await unsettled()).toEqual([]);
  });

  it('are unsettled when another folder says that they left, for they may have gone back there', async () => {
    const { reading, unsettled } = await put('moved');
    const archive = { id: 'archive-id', path: 'Archive' };
    const { round } = await openRound(store.db, reading.organization, { ...reading.request, folder: archive });
    const page = reading.page([], { folder: archive, removed: [{ id: 'moved', reason: 'deleted' }] });
    await writePage(store.db, reading.organization, { ...page, progress: { ...page.progress, round } });
    expect(await unsettled()).toEqual(['moved']);
  });

  it('are noted as such also where they are settled in a folder that they were not in', async () => {
    const { reading, unsettled } = await put();
    const { organization, mailboxId, leaseToken } = reading;
    const archive = { id: 'archive-id', path: 'Archive' };
    const { round } = await openRound(store.db, organization, { ...reading.request, folder: archive });
    const page = reading.page([], { folder: archive });
    await writePage(store.db, organization, { ...page, progress: { ...page.progress, ...LATEST, round } });
    await moveEmails(store.db, organization, { mailboxId, leaseToken, scanId: 's', folder: archive, ids: ['paged'] });
    await nextRound(reading, [], archive);
    expect(await unsettled()).toEqual(['paged']);
  });
});
