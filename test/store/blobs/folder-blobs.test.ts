import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HEAD_BYTES, type BlobRef } from '../../../store/blobs/blob-store.ts';
import {
  BlobAltered,
  BlobMismatch,
  BlobMissing,
  BlobsUnavailable,
  toBlobsUnavailable,
} from '../../../store/blobs/errors.ts';
import { FolderBlobs, folderBlobStores } from '../../../store/blobs/folder-blobs.ts';
import { StoreUnavailable } from '../../../store/errors.ts';
import { startTypescript } from '../../support/typescript-process.ts';

const program = new URL('folder-process.ts', import.meta.url);

let parent: string;
let counter = 0;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'outhaul-blobs-'));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

/** A store of its own; its folder is not there yet. */
function stage(): { readonly root: string; readonly blobs: FolderBlobs; readonly place: (blob: BlobRef) => string } {
  const root = join(parent, `store-${++counter}`, 'nested');
  return { root, blobs: new FolderBlobs(root), place: ({ sha256 }) => join(root, sha256.slice(0, 2), sha256) };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pieces = (bytes: Buffer, size = 10_000): Readable => {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) list.push(bytes.subarray(at, at + size));
  return Readable.from(list);
};
/** A stream that breaks after some bytes. */
const cut = (bytes: Buffer, error: Error): Readable =>
  Readable.from(
    (async function* () {
      yield bytes;
      throw error;
    })(),
  );
const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

describe('a blob', () => {
  it.each([0, 1, HEAD_BYTES, 65_536, 1_000_003])('of %i bytes comes out as it went in', async (size) => {
    const { blobs, root, place } = stage();
    const bytes = randomBytes(size);
    const { head, ...blob } = await blobs.put(pieces(bytes));
    expect(blob).toEqual({ sha256: sha256(bytes), size });
    expect(Buffer.from(head).equals(bytes.subarray(0, HEAD_BYTES))).toBe(true);
    expect(await blobs.has(blob)).toBe(true);
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
    expect((await blobs.read(blob)).equals(bytes)).toBe(true);
    expect(await filesIn(root)).toEqual([blob.sha256]);
    expect((await stat(place(blob))).mode & 0o777).toBe(0o600);
    for (const folder of [root, join(root, blob.sha256.slice(0, 2)), join(root, 'incoming')]) {
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    }
  });

  it('is stored once, however often it is put, also by two processes at once', async () => {
    const { blobs, root } = stage();
    const two = [1, 2].map(() => startTypescript(program, ['put', root, '300000', '20']));
    const answers = (await Promise.all(two.map(({ answer }) => answer()))).map(
      (text) => JSON.parse(text) as { refs: string[] },
    );
    expect(answers[0]?.refs).toHaveLength(1);
    expect(answers[0]).toEqual(answers[1]);
    expect(await filesIn(root)).toEqual(answers[0]?.refs);
    const [ref = ''] = answers[0]?.refs ?? [];
    expect(await buffer(await blobs.open({ sha256: ref, size: 300_000 }))).toHaveLength(300_000);
  });

  it('is announced before it has its name, and not stored where that fails', async () => {
    const { blobs, root } = stage();
    const bytes = randomBytes(100);
    const announce = vi.fn(async (blob: BlobRef) => {
      expect(blob).toEqual({ sha256: sha256(bytes), size: 100 });
      expect(await blobs.has(blob)).toBe(false);
      throw new Error('no row');
    });
    await expect(blobs.put(pieces(bytes), { announce })).rejects.toThrow('no row');
    expect(announce).toHaveBeenCalledOnce();
    expect(await filesIn(root)).toEqual([]);
  });

  it('is refused where its size or hash is not what was expected', async () => {
    const { blobs, root } = stage();
    const bytes = randomBytes(50_000);
    const put = (expected: Partial<BlobRef>) => blobs.put(pieces(bytes), { expected });
    await expect(put({ size: 50_001 })).rejects.toThrow('50000 bytes came where 50001 were expected');
    await expect(put({ size: 20_000 })).rejects.toThrow(BlobMismatch);
    await expect(put({ sha256: sha256(Buffer.from('other')) })).rejects.toThrow(BlobMismatch);
    expect(await filesIn(root)).toEqual([]);
    await put({ size: 50_000, sha256: sha256(bytes) });
    expect(await filesIn(root)).toHaveLength(1);
  });

  it('is not stored, and leaves nothing behind, where its stream is cut', async () => {
    const { blobs, root } = stage();
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' });
    const source = cut(randomBytes(70_000), reset);
    await expect(blobs.put(source)).rejects.toBe(reset);
    expect(source.destroyed).toBe(true);
    expect(await filesIn(root)).toEqual([]);
  });

  it('is given up when the signal says so, before or in the middle', async () => {
    const { blobs, root } = stage();
    const reason = new Error('enough');
    const stalled = new Readable({ read: () => undefined });
    await expect(blobs.put(stalled, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(stalled.destroyed).toBe(true);
    const controller = new AbortController();
    const source = new Readable({ read: () => undefined });
    source.push(randomBytes(1_000));
    const putting = blobs.put(source, { signal: controller.signal });
    await vi.waitFor(async () => expect(await filesIn(root)).toHaveLength(1));
    controller.abort(reason);
    await expect(putting).rejects.toBe(reason);
    expect(source.destroyed).toBe(true);
    expect(await filesIn(root)).toEqual([]);
  });

  it('can be read in parts', async () => {
    const { blobs } = stage();
    const bytes = randomBytes(200_000);
    const blob = await blobs.put(pieces(bytes));
    for (const range of [
      { start: 0, end: 0 },
      { start: 70_000, end: 190_000 },
      { start: 199_999, end: 199_999 },
      { start: 0, end: 199_999 },
    ]) {
      const part = await buffer(await blobs.open(blob, { range }));
      expect(part.equals(bytes.subarray(range.start, range.end + 1))).toBe(true);
    }
    for (const range of [
      { start: 0, end: 200_000 },
      { start: 5, end: 4 },
      { start: -1, end: 4 },
      { start: 0.5, end: 4 },
    ]) {
      await expect(blobs.open(blob, { range })).rejects.toThrow(RangeError);
    }
  });

  it('that is altered is noticed before the reader has all of it, and mended by being put again', async () => {
    const { blobs, place } = stage();
    const bytes = randomBytes(300_000);
    const blob = await blobs.put(pieces(bytes));
    const handle = await open(place(blob), 'r+');
    await handle.write(Buffer.from('altered'), 0, 7, 1_000);
    await handle.close();
    let read = 0;
    const reading = (async () => {
      for await (const piece of await blobs.open(blob)) read += (piece as Buffer).length;
    })();
    await expect(reading).rejects.toThrow(BlobAltered);
    expect(read).toBeLessThan(bytes.length);
    await expect(blobs.read(blob)).rejects.toThrow(BlobAltered);
    await truncate(place(blob), 10);
    expect(await blobs.has(blob)).toBe(false);
    await expect(blobs.read(blob)).rejects.toThrow(/it is not 300000 bytes long/);
    await expect(blobs.open(blob)).rejects.toThrow(BlobAltered);
    await expect(blobs.open(blob, { range: { start: 0, end: 5 } })).rejects.toThrow(/it has 10 bytes and not 300000/);
    await blobs.put(pieces(bytes));
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
  });

  it('that is missing is said to be', async () => {
    const { blobs } = stage();
    const blob = { sha256: sha256(Buffer.from('never')), size: 5 };
    await expect(blobs.open(blob)).rejects.toThrow(BlobMissing);
    await expect(blobs.read(blob)).rejects.toThrow(BlobMissing);
    expect(await blobs.has(blob)).toBe(false);
    expect(await blobs.setAside(blob.sha256)).toBeUndefined();
  });

  it('can be set aside, put back and deleted, by one at a time', async () => {
    const { blobs, root } = stage();
    const bytes = randomBytes(1_000);
    const blob = await blobs.put(pieces(bytes));
    const asides = (await Promise.all([1, 2, 3].map(() => blobs.setAside(blob.sha256)))).filter((aside) => aside);
    expect(asides).toHaveLength(1);
    const [aside] = asides;
    if (!aside) return;
    expect(await blobs.has(blob)).toBe(false);
    const found: unknown[] = [];
    for await (const each of blobs.asides()) found.push(each);
    expect(found).toEqual([aside]);
    await blobs.restore(aside);
    await blobs.restore(aside);
    expect((await buffer(await blobs.open(blob))).equals(bytes)).toBe(true);
    const again = await blobs.setAside(blob.sha256);
    await blobs.put(pieces(bytes));
    if (again) await blobs.restore(again);
    expect(await filesIn(root)).toEqual([blob.sha256]);
    await blobs.discard(aside);
    expect(await blobs.has(blob)).toBe(true);
  });

  it('has no name that could lead out of the folder', async () => {
    const { blobs, root } = stage();
    await mkdir(root, { recursive: true });
    const precious = join(root, '..', 'precious');
    await writeFile(precious, 'precious');
    for (const name of ['../precious', 'aa/../../precious', `${'a'.repeat(63)}/`, 'A'.repeat(64), '']) {
      await expect(blobs.open({ sha256: name, size: 8 })).rejects.toThrow(TypeError);
      await expect(blobs.has({ sha256: name, size: 8 })).rejects.toThrow(TypeError);
      await expect(blobs.setAside(name)).rejects.toThrow(TypeError);
      await expect(blobs.discard({ sha256: 'a'.repeat(64), name: `../${name}` })).rejects.toThrow(TypeError);
    }
    expect(existsSync(precious)).toBe(true);
    for (const schema of ['"../other"', '""', '"a/b"', '".."']) {
      expect(() => folderBlobStores(parent).of({ organizationId: 'o', schema })).toThrow(TypeError);
    }
  });

  it('belongs to one organization', async () => {
    const stores = folderBlobStores(join(parent, 'organizations'));
    const one = stores.of({ organizationId: 'one', schema: '"outlook_emails_one"' });
    const blob = await one.put(pieces(randomBytes(10)));
    expect(await one.has(blob)).toBe(true);
    expect(await stores.of({ organizationId: 'two', schema: '"outlook_emails_two"' }).has(blob)).toBe(false);
    expect(await readdir(join(parent, 'organizations'))).toEqual(['outlook_emails_one']);
  });
});

describe('a folder of blobs', () => {
  it('is rid of what killed writers left behind, by its age', async () => {
    const { blobs, root } = stage();
    const child = startTypescript(program, ['stall', root]);
    await child.says('writing');
    child.kill('SIGKILL');
    expect(await child.ended).toBe('SIGKILL');
    const [left = ''] = await filesIn(root);
    expect(left).not.toBe('');
    expect(await blobs.removeAbandoned(60_000)).toBe(0);
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(root, 'incoming', left), hourAgo, hourAgo);
    expect(await blobs.removeAbandoned(60_000)).toBe(1);
    expect(await filesIn(root)).toEqual([]);
    expect(await stage().blobs.removeAbandoned(0)).toBe(0);
  });

  it('takes and gives 150 MB in little memory', async () => {
    const size = 150 * 1024 * 1024;
    const child = startTypescript(program, ['measure', stage().root, String(size)]);
    const answer = JSON.parse(await child.answer()) as Record<string, number>;
    expect(answer).toMatchObject({ size, read: size });
    expect(answer['putExtra']).toBeLessThan(64 * 1024 * 1024);
    expect(answer['readExtra']).toBeLessThan(64 * 1024 * 1024);
  });

  it('says that it is full, leaves nothing behind, and goes on when there is room', async ({ annotate }) => {
    const root = join(parent, 'tiny');
    await mkdir(root);
    const own = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']), '--mount'];
    const mount = ['sh', '-c', 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', root];
    const child = startTypescript(program, ['fill', root], { before: [...own, ...mount] });
    const text = await child.answer().catch(async (error: unknown) => {
      await annotate(`No small disk could be mounted here; /dev/full stands for it. ${String(error)}`);
      return undefined;
    });
    if (text === undefined) {
      const handle = await open('/dev/full', 'w');
      const error = await handle.write('x').catch((reason: unknown) => toBlobsUnavailable(reason));
      await handle.close();
      expect(error).toMatchObject({ name: 'BlobsUnavailable', trouble: 'full' });
      return;
    }
    const full = {
      name: 'BlobsUnavailable',
      message: 'the blob store is full: make room on its disk (ENOSPC)',
      trouble: 'full',
    };
    expect(JSON.parse(text)).toEqual({ full, left: [], fullAgain: full, recovered: 800_000 });
  });

  it('says that it may not be written', async () => {
    const root = join(parent, 'denied');
    await mkdir(root);
    const isRoot = process.getuid?.() === 0;
    await chmod(parent, 0o755);
    await chmod(root, isRoot ? 0o700 : 0o500);
    const child = startTypescript(program, ['denied', root, isRoot ? '65534' : String(process.getuid?.())]);
    expect(JSON.parse(await child.answer())).toEqual({
      name: 'BlobsUnavailable',
      message: 'the blob store may not be written or read: give this user its folder (EACCES)',
      trouble: 'denied',
    });
  });

  it('is out of reach where something else is in its place, which is a reason to wait', async () => {
    const root = join(parent, 'a-file');
    await writeFile(root, '');
    const source = Readable.from([Buffer.from('x')]);
    const error: unknown = await new FolderBlobs(root).put(source).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BlobsUnavailable);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(error).toMatchObject({ trouble: 'away', message: 'the blob store does not answer (ENOTDIR)' });
    expect(source.destroyed).toBe(true);
  });
});
