import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Content } from '../../model/content.ts';
import type { GraphMessage } from '../../model/mail.ts';
import { lackingAttachments, wantSeenAttachments } from '../../store/attachment-reads.ts';
import { saveAttachments } from '../../store/attachments.ts';
import { putBlob, removeUnreferenced } from '../../store/blob-rows.ts';
import { BlobMissing } from '../../store/blobs/errors.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { LeaseLost } from '../../store/errors.ts';
import { lackingOriginals, originalOf, settleOriginals, wantSeenOriginals } from '../../store/originals.ts';
import { writePage } from '../../store/pages.ts';
import { finishScan } from '../../store/scan-end.ts';
import { finishReading } from '../../store/scan-mailboxes.ts';
import { scanByNo } from '../../store/scans.ts';
import { contentsByFolder, contentsOfScan, countContents } from '../../store/scan-contents.ts';
import { message, startReading, useStore } from './support.ts';

const store = useStore();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-originals-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function stage(content: Content = 'full') {
  const reading = await startReading(store.db, { filters: { content } });
  const { organization, mailboxId, leaseToken, scanNo } = reading;
  const held = { mailboxId, leaseToken };
  const blobs = folderBlobStores(folder).of(organization);
  return {
    ...reading,
    held,
    blobs,
    write: (content: 'full' | 'attachments' | 'mime', ...messages: GraphMessage[]) =>
      writePage(store.db, organization, reading.page(messages, { content })),
    put: async (bytes = randomBytes(100)) => {
      const { sha256, size } = await putBlob(store.db, organization, blobs, Readable.from([bytes]));
      return { sha256, size };
    },
    settle: (...originals: Parameters<typeof settleOriginals>[3]['originals']) =>
      settleOriginals(store.db, organization, blobs, { ...held, originals, scanId: 'scan' }),
    lacking: async () =>
      (await lackingOriginals(store.db, organization, { mailboxId, limit: 10 })).map(({ messageId }) => messageId),
    unlisted: async () =>
      (await lackingAttachments(store.db, organization, { mailboxId, limit: 10 }))
        .filter(({ everything }) => everything)
        .map(({ messageId }) => messageId),
    wantSeen: () => wantSeenOriginals(store.db, organization, { ...held, scanNos: [scanNo] }),
  };
}

describe('a page', () => {
  it('of messages whose attachments are kept wants those of all that may have some', async () => {
    const { write, unlisted, lacking } = await stage();
    const shown = { contentType: 'html', content: '<img src="cid:a">' };
    await write(
      'attachments',
      message('has', { hasAttachments: true }),
      message('has none', { hasAttachments: false }),
      message('shows one', { hasAttachments: false, body: shown }),
    );
    expect(await unlisted()).toEqual(['has', 'shows one']);
    expect(await lacking(), 'originals were not asked for').toEqual([]);
  });

  it('wants originals of all its messages, once, and nothing where neither is kept', async () => {
    const { write, lacking, settle, put } = await stage();
    await write('full', message('a', { hasAttachments: true }));
    expect(await lacking()).toEqual([]);
    await write('mime', message('a'), message('b'));
    expect(await lacking()).toEqual(['a', 'b']);
    await settle({ messageId: 'a', state: 'stored', blob: await put() });
    await write('mime', message('a', { '@odata.etag': 'W/"later"', changeKey: 'later' }), message('b'));
    expect(await lacking(), 'a message that was sent stays what it is').toEqual(['b']);
  });

  it('wants the original and the attachments of a draft again when it has changed', async () => {
    const { write, lacking, settle, put, unlisted, organization, held } = await stage();
    const draft = (changeKey: string): GraphMessage =>
      message('draft', { isDraft: true, hasAttachments: true, '@odata.etag': `W/"${changeKey}"`, changeKey });
    await write('mime', draft('one'));
    await settle({ messageId: 'draft', state: 'stored', blob: await put() });
    const lists = [{ messageId: 'draft', attachments: [] }];
    await saveAttachments(store.db, organization, { ...held, lists, scanId: null });
    await write('mime', draft('one'));
    expect([await lacking(), await unlisted()]).toEqual([[], []]);
    await write('mime', draft('two'));
    expect([await lacking(), await unlisted()]).toEqual([['draft'], ['draft']]);
  });
});

describe('originals', () => {
  it('of what a scan has seen are wanted though the pages did not want them', async () => {
    const { write, wantSeen, lacking } = await stage();
    await write('full', message('a'), message('b'));
    expect(await wantSeen()).toBe(2);
    expect(await wantSeen()).toBe(0);
    expect(await lacking()).toEqual(['a', 'b']);
  });

  it('refer to their blob, which stays as long as they do', async () => {
    const { write, settle, put, organization, blobs, mailboxId } = await stage();
    await write('mime', message('a'));
    const first = await put();
    await settle({ messageId: 'a', state: 'stored', blob: first });
    expect(await removeUnreferenced(store.db, organization, blobs, { graceMs: 0 })).toEqual({ blobs: 0, bytes: 0 });
    expect(await originalOf(store.db, organization, { mailboxId, messageId: 'a' })).toEqual({
      ...{ emailNo: expect.any(Number) as number, state: 'stored', reason: null, blob: first },
    });
    const second = await put();
    await settle({ messageId: 'a', state: 'stored', blob: second });
    expect(await removeUnreferenced(store.db, organization, blobs, { graceMs: 0 })).toMatchObject({ blobs: 1 });
    expect(await originalOf(store.db, organization, { mailboxId, messageId: 'a' })).toMatchObject({ blob: second });
  });

  it('are not said to be stored where the blob is not there, or another holds the mailbox', async () => {
    const { write, settle, lacking, put, organization, blobs, held } = await stage();
    await write('mime', message('a'));
    const blob = { sha256: 'f'.repeat(64), size: 3 };
    await expect(settle({ messageId: 'a', state: 'stored', blob })).rejects.toThrow(BlobMissing);
    const originals = [{ messageId: 'a', state: 'stored', blob: await put() }] as const;
    const lost = { ...held, leaseToken: 'lost', originals, scanId: null };
    await expect(settleOriginals(store.db, organization, blobs, lost)).rejects.toThrow(LeaseLost);
    expect(await lacking()).toEqual(['a']);
  });

  it('and attachments are counted by scan and folder', async () => {
    const { write, settle, put, organization, held, scanNo, mailboxId } = await stage();
    await write('mime', message('a'), message('b'), message('c'));
    await settle(
      { messageId: 'a', state: 'stored', blob: await put() },
      { messageId: 'b', state: 'quarantined', reason: 'ErrorMimeContentInvalid', requestId: 'r' },
    );
    await countContents(store.db, organization, { ...held, scanNos: [scanNo] });
    await countContents(store.db, organization, { ...held, scanNos: [scanNo] });
    const counts = {
      ...{ attachments: 0, attachmentsLeftOut: 0, attachmentsQuarantined: 0 },
      ...{ originals: 1, originalsQuarantined: 1 },
    };
    expect(await contentsOfScan(store.db, organization, scanNo)).toEqual(counts);
    const mailboxes = await contentsByFolder(store.db, organization, { scanNo, mailboxIds: [mailboxId] });
    expect(mailboxes).toEqual(new Map([[mailboxId, new Map([['inbox-id', counts]])]]));
  });

  it('that cannot be read keep the scan from being called complete, where it was to keep them', async () => {
    const ends = await Promise.all(
      (['full', 'mime'] as const).map(async (content) => {
        const { write, settle, organization, held, scanNo, mailboxId } = await stage(content);
        await write('mime', message('a'));
        await settle({ messageId: 'a', state: 'quarantined', reason: 'ErrorMimeContentInvalid' });
        await countContents(store.db, organization, { ...held, scanNos: [scanNo] });
        await finishReading(store.db, organization, { ...held, scanNos: [scanNo], mailboxId, outcome: 'completed' });
        await finishScan(store.db, scanNo, { end: 'ran', maxConcurrent: 5 });
        const { status, errorMessage } = await scanByNo(store.db, scanNo);
        return [status, errorMessage];
      }),
    );
    expect(ends).toEqual([
      ['completed', null],
      ['completed_with_errors', 'originals in quarantine: 1'],
    ]);
  });

  it('of what has been left out for want of takers are wanted by a scan that keeps all', async () => {
    const { write, unlisted, organization, held, scanNo } = await stage();
    await write('full', message('a', { hasAttachments: true }));
    await saveAttachments(store.db, organization, {
      ...held,
      lists: [{ messageId: 'a', attachments: [] }],
      scanId: null,
    });
    const seen = { ...held, scanNos: [scanNo], after: '', limit: 10 };
    expect(await wantSeenAttachments(store.db, organization, seen)).toMatchObject({ wanted: 1 });
    expect(await unlisted()).toEqual(['a']);
    expect(await wantSeenAttachments(store.db, organization, seen)).toMatchObject({ wanted: 0 });
  });
});
