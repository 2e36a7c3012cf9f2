import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toAttachmentRow } from '../../model/attachment.ts';
import { saveAttachments, settleAttachments } from '../../store/attachments.ts';
import { putBlob, recoverAsides, removeUnreferenced } from '../../store/blob-rows.ts';
import type { AsideBlob, BlobRef } from '../../store/blobs/blob-store.ts';
import { BlobMissing } from '../../store/blobs/errors.ts';
import { FolderBlobs } from '../../store/blobs/folder-blobs.ts';
import { StoreUnavailable } from '../../store/errors.ts';
import { writePage } from '../../store/pages.ts';
import { startTypescript } from '../support/typescript-process.ts';
import { message, startReading, useStore } from './support.ts';

const store = useStore();
let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'outhaul-blob-rows-'));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

/** A mailbox in which each of these messages has one attachment that is to come. */
async function stage(messageIds = ['m1', 'm2']) {
  const reading = await startReading(store.db);
  const { organization, mailboxId, leaseToken } = reading;
  await writePage(store.db, organization, reading.page(messageIds.map((id) => message(id))));
  const held = { mailboxId, leaseToken, scanId: null };
  const root = join(parent, organization.organizationId);
  const blobs = new FolderBlobs(root);
  const attachments = [{ row: toAttachmentRow({ id: 'a' }, false) }];
  const list = (messageId: string) =>
    saveAttachments(store.db, organization, { ...held, lists: [{ messageId, attachments }] });
  for (const messageId of messageIds) await list(messageId);
  return {
    organization,
    root,
    blobs,
    list,
    put: async (bytes: Buffer): Promise<BlobRef> => {
      const { sha256, size } = await putBlob(store.db, organization, blobs, Readable.from([bytes]));
      return { sha256, size };
    },
    refer: (messageId: string, blob: BlobRef, through = blobs) =>
      settleAttachments(store.db, organization, through, {
        ...held,
        attachments: [{ messageId, id: 'a', state: 'stored', blob, sniffedType: null }],
      }),
    /** As where Graph lists none any more. */
    drop: (...ids: string[]) =>
      saveAttachments(store.db, organization, {
        ...held,
        lists: ids.map((messageId) => ({ messageId, attachments: [] })),
      }),
    remove: (through = blobs, graceMs = 0) => removeUnreferenced(store.db, organization, through, { graceMs }),
    recover: () => recoverAsides(store.db, organization, blobs),
    rows: () => store.sql<BlobRef>(`SELECT sha256, size FROM ${organization.schema}.blobs ORDER BY sha256`),
    asides: () => readdir(join(root, 'aside')).catch(() => []),
  };
}

describe('the same content', () => {
  it('is stored once for an organization, and goes with the last reference to it', async () => {
    const { put, refer, drop, remove, rows, blobs } = await stage();
    const bytes = randomBytes(1_000);
    const blob = await put(bytes);
    expect(await put(bytes)).toEqual(blob);
    await refer('m1', blob);
    await refer('m2', blob);
    expect(await rows()).toEqual([blob]);
    await drop('m1');
    expect(await remove()).toEqual({ blobs: 0, bytes: 0 });
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
    await drop('m2');
    expect(await remove(blobs, 3_600_000)).toEqual({ blobs: 0, bytes: 0 });
    expect(await remove()).toEqual({ blobs: 1, bytes: 1_000 });
    expect(await rows()).toEqual([]);
    expect(await blobs.has(blob)).toBe(false);
  });

  it('goes also where two drop the last two references at once, and of many blobs all do', async () => {
    const ids = Array.from({ length: 60 }, (_, no) => `m${no}`);
    const { put, refer, drop, remove, rows } = await stage(ids);
    const shared = await put(randomBytes(10));
    for (const [no, id] of ids.entries()) await refer(id, no < 2 ? shared : await put(randomBytes(10)));
    await Promise.all([drop('m0'), drop('m1'), drop(...ids.slice(2))]);
    expect(await remove()).toEqual({ blobs: 59, bytes: 590 });
    expect(await rows()).toEqual([]);
  });

  it('is not lost where an attachment comes to have other bytes', async () => {
    const { put, refer, remove, rows } = await stage();
    const [before, after] = [await put(randomBytes(10)), await put(randomBytes(10))];
    await refer('m1', before);
    await refer('m1', after);
    expect(await remove()).toEqual({ blobs: 1, bytes: 10 });
    expect(await rows()).toEqual([after]);
  });
});

describe('a blob to which nothing refers yet', () => {
  it('may go while its writer hesitates, who is told, and puts it once more', async () => {
    const { put, refer, remove, blobs } = await stage();
    const bytes = randomBytes(100);
    const blob = await put(bytes);
    expect(await remove()).toMatchObject({ blobs: 1 });
    await expect(refer('m1', blob)).rejects.toThrow(BlobMissing);
    await put(bytes);
    await refer('m1', blob);
    await remove();
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
  });

  it('is kept by a transaction that is about to refer to it', async () => {
    const { put, refer, remove, root } = await stage();
    const blob = await put(randomBytes(100));
    const seen: object[] = [];
    class SlowBlobs extends FolderBlobs {
      override async has(ref: BlobRef): Promise<boolean> {
        const there = await super.has(ref);
        seen.push(await remove());
        return there;
      }
    }
    const slow = new SlowBlobs(root);
    await refer('m1', blob, slow);
    expect(seen).toEqual([{ blobs: 0, bytes: 0 }]);
    expect(await slow.has(blob)).toBe(true);
  });
});

describe('a blob to which a committed row refers', () => {
  it('is put back where its remover was frozen and has lost its lock', async () => {
    const { put, refer, remove, rows, root, asides, organization } = await stage();
    const bytes = randomBytes(100);
    const blob = await put(bytes);
    class FrozenBlobs extends FolderBlobs {
      override async setAside(sha256: string): Promise<AsideBlob | undefined> {
        await store.sql(`SELECT pg_terminate_backend(pid) FROM pg_locks
          WHERE relation = '${organization.schema}.blobs'::regclass AND pid <> pg_backend_pid()`);
        await refer('m1', blob);
        return super.setAside(sha256);
      }
    }
    const frozen = new FrozenBlobs(root);
    await expect(remove(frozen)).rejects.toThrow(StoreUnavailable);
    expect((await buffer(await frozen.open(blob))).equals(bytes)).toBe(true);
    expect(await rows()).toEqual([blob]);
    expect(await asides()).toEqual([]);
  });

  it('is put back where its remover was killed when it had set it aside', async () => {
    const { put, refer, recover, blobs, root, asides, organization } = await stage();
    const bytes = randomBytes(100);
    const blob = await put(bytes);
    const child = startTypescript(new URL('removing-process.ts', import.meta.url), [
      'aside',
      store.url,
      root,
      organization.schema,
    ]);
    await child.says('aside');
    child.kill('SIGKILL');
    await child.ended;
    expect(await asides()).toHaveLength(1);
    await expect(refer('m1', blob)).rejects.toThrow(BlobMissing);
    expect(await recover()).toBe(1);
    await refer('m1', blob);
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
    expect(await asides()).toEqual([]);
  });
});

describe('a blob that was removed', () => {
  it('goes for good where its remover was killed when it had committed that, and may come again meanwhile', async () => {
    const { put, refer, recover, rows, blobs, root, asides, organization } = await stage();
    const bytes = randomBytes(100);
    const blob = await put(bytes);
    const child = startTypescript(new URL('removing-process.ts', import.meta.url), [
      'discard',
      store.url,
      root,
      organization.schema,
    ]);
    await child.says('discard');
    child.kill('SIGKILL');
    await child.ended;
    expect(await rows()).toEqual([]);
    expect(await asides()).toHaveLength(1);
    expect(await recover()).toBe(0);
    expect(await asides()).toEqual([]);
    expect(await blobs.has(blob)).toBe(false);
    await put(bytes);
    await refer('m1', blob);
    expect(await blobs.has(blob)).toBe(true);
  });
});

describe('writers and removers', () => {
  it('never lose a blob between them', async () => {
    const ids = Array.from({ length: 8 }, (_, no) => `m${no}`);
    const { put, refer, drop, list, remove, blobs, organization } = await stage(ids);
    const contents = [randomBytes(100), randomBytes(100)];
    const state = { writing: ids.length };
    const write = async (id: string, seed: number): Promise<void> => {
      for (let time = 0; time < 6; time++) {
        const bytes = contents[(seed + time) % 2] ?? Buffer.alloc(0);
        for (let stored = false; !stored;) {
          const blob = await put(bytes);
          stored = await refer(id, blob).then(
            () => true,
            (error: unknown) => {
              if (error instanceof BlobMissing) return false;
              throw error;
            },
          );
        }
        expect(await blobs.has(await put(bytes))).toBe(true);
        if (time === 5) break;
        await drop(id);
        await list(id);
      }
      state.writing--;
    };
    const sweep = async (): Promise<void> => {
      while (state.writing > 0) await remove();
    };
    await Promise.all([...ids.map(write), sweep(), sweep()]);
    await remove();
    const referred = await store.sql<BlobRef>(
      `SELECT DISTINCT sha256, byte_size AS size FROM ${organization.schema}.attachments`,
    );
    expect(referred.length).toBeGreaterThan(0);
    for (const blob of referred) expect(await buffer(await blobs.open(blob))).toHaveLength(100);
  });
});
