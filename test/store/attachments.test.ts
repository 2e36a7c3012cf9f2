import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toAttachmentRow } from '../../model/attachment.ts';
import type { GraphMessage, Json } from '../../model/mail.ts';
import { attachmentById, attachmentsOfEmails, attachmentsOfMessage } from '../../store/attachment-lookup.ts';
import { lackingAttachments, quarantineLists, wantAttachments } from '../../store/attachment-reads.ts';
import {
  saveAttachments,
  settleAttachments,
  type ListedAttachment,
  type SettledAttachment,
} from '../../store/attachments.ts';
import { putBlob } from '../../store/blob-rows.ts';
import type { BlobStore } from '../../store/blobs/blob-store.ts';
import { BlobMissing } from '../../store/blobs/errors.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { LeaseLost } from '../../store/errors.ts';
import { writePage } from '../../store/pages.ts';
import { message, startReading, useStore, type Reading } from './support.ts';

const store = useStore();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-attachments-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Stage extends Reading {
  readonly held: { readonly mailboxId: string; readonly leaseToken: string; readonly scanId: string };
  readonly blobs: BlobStore;
}

/** A mailbox with these messages stored. */
async function stage(...messages: readonly GraphMessage[]): Promise<Stage> {
  const reading = await startReading(store.db);
  await writePage(store.db, reading.organization, reading.page(messages));
  const { mailboxId, leaseToken, organization } = reading;
  const blobs = folderBlobStores(folder).of(organization);
  return { ...reading, blobs, held: { mailboxId, leaseToken, scanId: 'scan' } };
}

const graphFile = (id: string, more: Record<string, Json> = {}): GraphMessage => ({
  '@odata.type': '#microsoft.graph.fileAttachment',
  id,
  name: `${id}.pdf`,
  contentType: 'application/pdf',
  size: 1_234,
  isInline: false,
  contentId: null,
  lastModifiedDateTime: '2024-03-01T10:20:31Z',
  ...more,
});
const file = (id: string, more: Record<string, Json> = {}): ListedAttachment => ({
  row: toAttachmentRow(graphFile(id, more), true),
});

/** Puts bytes and says that they are those of the attachment. */
async function stored(
  { organization, blobs }: Stage,
  messageId: string,
  id: string,
  text: string,
): Promise<SettledAttachment> {
  const { sha256, size } = await putBlob(store.db, organization, blobs, Readable.from([Buffer.from(text)]));
  return { messageId, id, state: 'stored', blob: { sha256, size }, sniffedType: null };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('what a mailbox lacks', () => {
  it('is nothing until attachments are wanted, then lists, then bytes, and at last nothing again', async () => {
    const at = await stage(message('m1'), message('m2'));
    const { organization, held, blobs, mailboxId } = at;
    const lacking = () => lackingAttachments(store.db, organization, { mailboxId, limit: 10 });
    expect(await lacking()).toEqual([]);

    expect(await wantAttachments(store.db, organization, { ...held, messageIds: ['m1', 'm2', 'unknown'] })).toBe(2);
    expect(await wantAttachments(store.db, organization, { ...held, messageIds: ['m1'] })).toBe(0);
    expect(await lacking()).toMatchObject([
      { messageId: 'm1', unlisted: true, attachments: [] },
      { messageId: 'm2', unlisted: true, attachments: [] },
    ]);

    const listed = await saveAttachments(store.db, organization, {
      ...held,
      lists: [
        { messageId: 'm1', attachments: [file('a'), { ...file('b'), leftOut: 'file_type' }, file('c')] },
        { messageId: 'm2', attachments: [] },
        { messageId: 'unknown', attachments: [file('a')] },
      ],
    });
    expect(listed.done).toEqual(['m2']);
    expect(await lacking()).toMatchObject([
      {
        messageId: 'm1',
        unlisted: false,
        attachments: [
          { id: 'a', kind: 'file', size: 1_234 },
          { id: 'c', kind: 'file', size: 1_234 },
        ],
      },
    ]);
    expect(await lackingAttachments(store.db, organization, { mailboxId, limit: 10, messageIds: ['m2'] })).toEqual([]);

    const first = [await stored(at, 'm1', 'a', 'bytes of a')];
    expect(await settleAttachments(store.db, organization, blobs, { ...held, attachments: first })).toEqual({
      done: [],
    });
    const last: SettledAttachment[] = [
      { messageId: 'm1', id: 'c', state: 'quarantined', reason: 'ErrorCannotOpenFileAttachment', requestId: 'r-1' },
    ];
    expect(await settleAttachments(store.db, organization, blobs, { ...held, attachments: last })).toEqual({
      done: ['m1'],
    });
    expect(await lacking()).toEqual([]);

    const rows = await attachmentsOfMessage(store.db, organization, { mailboxId, messageId: 'm1' });
    expect(rows).toMatchObject([
      { id: 'a', state: 'stored', position: 0, sha256: sha256('bytes of a'), byteSize: 10, reason: null },
      { id: 'b', state: 'left_out', position: 1, sha256: null, reason: 'file_type' },
      { id: 'c', state: 'quarantined', position: 2, reason: 'ErrorCannotOpenFileAttachment', requestId: 'r-1' },
    ]);
    const emailNos = rows.map(({ emailNo }) => emailNo).slice(0, 1);
    expect(await attachmentsOfEmails(store.db, organization, emailNos)).toEqual(rows);
    expect(await attachmentById(store.db, organization, { mailboxId, messageId: 'm1', id: 'b' })).toEqual(rows[1]);
    expect(await attachmentById(store.db, organization, { mailboxId, messageId: 'm2', id: 'b' })).toBeUndefined();
  });

  it('is done also when two settle the last attachments of a message at once', async () => {
    const at = await stage(message('m1'));
    const ids = Array.from({ length: 8 }, (_, no) => `a${no}`);
    await saveAttachments(store.db, at.organization, {
      ...at.held,
      lists: [{ messageId: 'm1', attachments: ids.map((id) => file(id)) }],
    });
    const answers = await Promise.all(
      ids.map((id) =>
        settleAttachments(store.db, at.organization, at.blobs, {
          ...at.held,
          attachments: [{ messageId: 'm1', id, state: 'left_out', reason: 'size' }],
        }),
      ),
    );
    expect(answers.flatMap(({ done }) => done)).toEqual(['m1']);
  });

  it('is told in parts', async () => {
    const at = await stage(...['m1', 'm2', 'm3'].map((id) => message(id)));
    await wantAttachments(store.db, at.organization, { ...at.held, messageIds: ['m1', 'm2', 'm3'] });
    const part = (after?: number) =>
      lackingAttachments(store.db, at.organization, {
        mailboxId: at.mailboxId,
        limit: 2,
        ...(after === undefined ? {} : { after }),
      });
    const first = await part();
    expect(first.map(({ messageId }) => messageId)).toEqual(['m1', 'm2']);
    expect((await part(first[1]?.emailNo)).map(({ messageId }) => messageId)).toEqual(['m3']);
  });

  it('counts a draft that has changed, but no message that has', async () => {
    const at = await stage(message('draft', { isDraft: true }), message('mail'));
    const lists = ['draft', 'mail'].map((messageId) => ({ messageId, attachments: [file('a')] }));
    await saveAttachments(store.db, at.organization, { ...at.held, lists });
    const messageIds = ['draft', 'mail'];
    expect(await wantAttachments(store.db, at.organization, { ...at.held, messageIds })).toBe(0);
    const changed = [message('draft', { isDraft: true, changeKey: 'new' }), message('mail', { changeKey: 'new' })];
    await writePage(store.db, at.organization, at.page(changed));
    expect(await wantAttachments(store.db, at.organization, { ...at.held, messageIds })).toBe(1);
    expect(await wantAttachments(store.db, at.organization, { ...at.held, messageIds, again: true })).toBe(1);
  });

  it('does not count a message whose attachments cannot be listed, until they are wanted again', async () => {
    const at = await stage(message('m1'));
    const { organization, held, mailboxId } = at;
    await wantAttachments(store.db, organization, { ...held, messageIds: ['m1'] });
    const messages = [{ messageId: 'm1', reason: 'ErrorItemNotFound', requestId: 'r-2' }];
    await quarantineLists(store.db, organization, { ...held, messages });
    expect(await lackingAttachments(store.db, organization, { mailboxId, limit: 1 })).toEqual([]);
    const { schema } = organization;
    expect(await store.sql(`SELECT state, reason, request_id FROM ${schema}.attachment_reads`)).toEqual([
      { state: 'quarantined', reason: 'ErrorItemNotFound', request_id: 'r-2' },
    ]);
    expect(await wantAttachments(store.db, organization, { ...held, messageIds: ['m1'] })).toBe(0);
    expect(await wantAttachments(store.db, organization, { ...held, messageIds: ['m1'], again: true })).toBe(1);
    expect(await lackingAttachments(store.db, organization, { mailboxId, limit: 1 })).toHaveLength(1);
  });
});

describe('attachments', () => {
  it('that are listed again stay stored, those gone from the list go, and others are wanted or left out anew', async () => {
    const at = await stage(message('m1'));
    const { organization, held, blobs, mailboxId } = at;
    const save = (...attachments: readonly ListedAttachment[]) =>
      saveAttachments(store.db, organization, { ...held, lists: [{ messageId: 'm1', attachments }] });
    await save(file('kept'), file('gone'), { ...file('back'), leftOut: 'size' });
    const attachments = [await stored(at, 'm1', 'kept', 'kept'), await stored(at, 'm1', 'gone', 'gone')];
    await settleAttachments(store.db, organization, blobs, { ...held, attachments });
    expect(await save(file('back'), file('kept', { name: 'renamed.pdf' }))).toEqual({ done: [] });
    expect(await attachmentsOfMessage(store.db, organization, { mailboxId, messageId: 'm1' })).toMatchObject([
      { id: 'back', state: 'wanted', reason: null },
      { id: 'kept', state: 'stored', name: 'renamed.pdf', sha256: sha256('kept') },
    ]);
    expect(
      await store.sql(`SELECT sha256 FROM ${organization.schema}.blobs WHERE _unreferenced_since IS NOT NULL`),
    ).toEqual([{ sha256: sha256('gone') }]);
  });

  it('carry the columns of extracted rows', async () => {
    const { organization, held } = await stage(message('m1'));
    await saveAttachments(store.db, organization, {
      ...held,
      lists: [{ messageId: 'm1', attachments: [file('a')] }],
    });
    expect(
      await store.sql(`SELECT message_id, kind, _scan_id, _tenant_id, _user_email, _user_id, _user_display_name, _folder,
        _extraction_type, _extracted_at IS NOT NULL AS dated FROM ${organization.schema}.attachments`),
    ).toEqual([
      {
        message_id: 'm1',
        kind: 'file',
        _scan_id: 'scan',
        _tenant_id: 'tenant-1',
        _user_email: 'mailbox-1@contoso.example',
        _user_id: 'mailbox-1',
        _user_display_name: 'User mailbox-1',
        _folder: 'inbox-id',
        _extraction_type: 'attachment',
        dated: true,
      },
    ]);
  });

  it('are stored whatever their names, ids and types are, and the record keeps what no column holds', async () => {
    const { organization, held, mailboxId } = await stage(message('m1'));
    const odd = 'a\u0000b\ud800c/../../etc/passwd';
    const long = 'n'.repeat(10_000);
    let deep: Json = 'bottom';
    for (let level = 0; level < 200; level++) deep = [deep];
    const attachments = [
      file('odd', { name: odd, contentType: odd, contentId: odd, size: 1.5, more: odd }),
      file('long', { name: long, contentType: long }),
      file('i'.repeat(9_000), { name: null, contentType: null, size: null, isInline: null }),
      file(`nul\u0000`, { '@odata.type': '#microsoft.graph.newAttachment', lastModifiedDateTime: 'soon', deep }),
      file('item', {
        '@odata.type': '#microsoft.graph.itemAttachment',
        contentType: null,
        item: { subject: 'not kept' },
      }),
      file('link', {
        '@odata.type': '#microsoft.graph.referenceAttachment',
        sourceUrl: 'https://contoso.example/a',
        contentBytes: 'bm90IGtlcHQ=',
      }),
      file('link', { name: 'the last counts' }),
    ];
    await saveAttachments(store.db, organization, { ...held, lists: [{ messageId: 'm1', attachments }] });
    const rows = await attachmentsOfMessage(store.db, organization, { mailboxId, messageId: 'm1' });
    const clean = 'a\ufffdb\ufffdc/../../etc/passwd';
    expect(rows).toMatchObject([
      { id: 'odd', name: clean, contentType: clean, contentId: clean, size: null },
      { id: 'long', name: long, contentType: long },
      { id: 'i'.repeat(9_000), name: null, size: null, isInline: null },
      { id: 'nul\ufffd', kind: 'file' },
      { id: 'item', kind: 'item' },
      { id: 'link', kind: 'file', name: 'the last counts' },
    ]);
    const records = await store.sql<{ record: Json }>(
      `SELECT record FROM ${organization.schema}.attachments ORDER BY position`,
    );
    expect(records.map(({ record }) => record)).toEqual([
      { name: odd, contentType: odd, contentId: odd, size: 1.5, more: odd },
      null,
      null,
      {
        id: 'nul\u0000',
        name: 'nul\u0000.pdf',
        '@odata.type': '#microsoft.graph.newAttachment',
        lastModifiedDateTime: 'soon',
        deep,
      },
      null,
      null,
    ]);
    expect(await attachmentById(store.db, organization, { mailboxId, messageId: 'm1', id: 'nul\u0000' })).toMatchObject(
      { position: 3 },
    );
  });

  it('are stored without a record that the database cannot take', async () => {
    const { organization, held, mailboxId } = await stage(message('m1'));
    const deep = JSON.parse(`${'['.repeat(6_500)}${']'.repeat(6_500)}`) as Json;
    const far = JSON.parse(`${'['.repeat(60_000)}${']'.repeat(60_000)}`) as Json;
    const attachments = [file('deep', { deep }), file('far', { far })];
    await saveAttachments(store.db, organization, { ...held, lists: [{ messageId: 'm1', attachments }] });
    expect(await attachmentsOfMessage(store.db, organization, { mailboxId, messageId: 'm1' })).toHaveLength(2);
  });

  it('of a hundred messages come in one statement, 5,000 of them', async () => {
    const ids = Array.from({ length: 100 }, (_, no) => `m${no}`);
    const { organization, held } = await stage(...ids.map((id) => message(id)));
    const attachments = Array.from({ length: 50 }, (_, no) => file(`a${no}`));
    const lists = ids.map((messageId) => ({ messageId, attachments }));
    for (let time = 0; time < 2; time++) await saveAttachments(store.db, organization, { ...held, lists });
    expect(await store.sql(`SELECT count(*) AS count FROM ${organization.schema}.attachments`)).toEqual([
      { count: 5_000 },
    ]);
  });

  it('are not written without the lease', async () => {
    const at = await stage(message('m1'));
    const { organization, blobs } = at;
    const held = { ...at.held, leaseToken: 'another' };
    const lists = [{ messageId: 'm1', attachments: [file('a')] }];
    await expect(saveAttachments(store.db, organization, { ...held, lists })).rejects.toThrow(LeaseLost);
    await expect(wantAttachments(store.db, organization, { ...held, messageIds: ['m1'] })).rejects.toThrow(LeaseLost);
    await saveAttachments(store.db, organization, { ...at.held, lists });
    const attachments = [await stored(at, 'm1', 'a', 'no lease')];
    await expect(settleAttachments(store.db, organization, blobs, { ...held, attachments })).rejects.toThrow(LeaseLost);
    const { schema } = organization;
    expect(await store.sql(`SELECT state, sha256 FROM ${schema}.attachments`)).toEqual([
      { state: 'wanted', sha256: null },
    ]);
    expect(await store.sql(`SELECT _unreferenced_since IS NULL AS referenced FROM ${schema}.blobs`)).toEqual([
      { referenced: false },
    ]);
  });

  it('do not refer to a blob that is not there', async () => {
    const at = await stage(message('m1'));
    const { organization, held, blobs } = at;
    const attachments = [file('a'), file('b')];
    await saveAttachments(store.db, organization, { ...held, lists: [{ messageId: 'm1', attachments }] });
    const there = await stored(at, 'm1', 'a', 'there');
    const blob = { sha256: sha256('never put'), size: 9 };
    const never: SettledAttachment = { messageId: 'm1', id: 'b', state: 'stored', blob, sniffedType: null };
    await expect(
      settleAttachments(store.db, organization, blobs, { ...held, attachments: [there, never] }),
    ).rejects.toThrow(BlobMissing);
    expect(await store.sql(`SELECT state FROM ${organization.schema}.attachments`)).toEqual([
      { state: 'wanted' },
      { state: 'wanted' },
    ]);
  });
});
