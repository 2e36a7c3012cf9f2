import { createHash, randomUUID } from 'node:crypto';
import { open, opendir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, addAbortSignal, pipeline, type Readable } from 'node:stream';
import { pipeline as run } from 'node:stream/promises';
import type { AsideBlob, BlobRef, BlobStore, BlobStores, OpenOptions, PutOptions, PutResult } from './blob-store.ts';
import { Draft } from './draft.ts';
import { BlobAltered, BlobMissing, codeOf, toBlobsUnavailable } from './errors.ts';
import { moveInto, readSized, removeFile, syncFolder, within } from './files.ts';
import { VerifiedBytes, readError } from './verified-bytes.ts';

/** Every organization's blobs below one folder, each in a folder named as its schema. */
export const folderBlobStores = (folder: string): BlobStores => ({
  of: ({ schema }) => {
    const name = schema.replace(/^"|"$/g, '');
    if (!/^[a-z0-9_]{1,63}$/.test(name)) throw new TypeError('a schema name is made of a-z, 0-9 and _');
    return new FolderBlobs(join(folder, name));
  },
});

/**
 * Blobs as files, which may lie on a disk that several machines share. Below its folder:
 * - `ab/ab12…`: a blob, its name the SHA-256 of its bytes;
 * - `incoming/`: what is being written. A file comes from there to its place by a rename, so that what has a name is whole;
 * - `aside/ab12….<token>`: a blob on its way out.
 */
export class FolderBlobs implements BlobStore {
  readonly #root: string;
  readonly #incoming: string;
  readonly #aside: string;
  /** Folders that are there for good, as far as this object has seen to it: 256 at most. */
  readonly #kept = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    this.#incoming = join(root, 'incoming');
    this.#aside = join(root, 'aside');
  }

  async put(source: Readable, options: PutOptions = {}): Promise<PutResult> {
    const { expected = {}, signal } = options;
    // A stream that is given up may still say why; nobody else listens then.
    source.on('error', () => undefined);
    try {
      signal?.throwIfAborted();
      const draft = await onDisk(Draft.begin(this.#incoming, expected));
      return await this.#fill(draft, source, options);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      source.destroy();
    }
  }

  async #fill(draft: Draft, source: Readable, { announce, signal }: PutOptions): Promise<PutResult> {
    try {
      await run(source, draft.sink(), { signal });
      const blob = await onDisk(draft.finish());
      await announce?.(blob);
      signal?.throwIfAborted();
      const { folder, path } = this.#place(blob.sha256);
      await onDisk(moveInto(folder, draft.path, path));
      await this.#keep(folder);
      return { ...blob, head: draft.head };
    } catch (error) {
      await draft.discard();
      throw error;
    }
  }

  async open({ sha256, size }: BlobRef, { range, signal }: OpenOptions = {}): Promise<Readable> {
    signal?.throwIfAborted();
    if (range && !isWithin(range, size)) throw new RangeError(`the range does not lie within ${size} bytes`);
    const handle = await onDisk(open(this.#place(sha256).path, 'r'), () => new BlobMissing(sha256));
    try {
      const { size: found } = await onDisk(handle.stat());
      if (found !== size) throw new BlobAltered(sha256, `it has ${found} bytes and not ${size}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    const isWhole = !range || range.end - range.start + 1 === size;
    const bytes = isWhole ? new VerifiedBytes(sha256) : new Part();
    pipeline(handle.createReadStream(isWhole ? {} : range), bytes, () => undefined);
    return signal ? addAbortSignal(signal, bytes) : bytes;
  }

  async read({ sha256, size }: BlobRef, signal?: AbortSignal): Promise<Buffer> {
    signal?.throwIfAborted();
    const bytes = await onDisk(readSized(this.#place(sha256).path, size), () => new BlobMissing(sha256));
    if (bytes.length !== size) throw new BlobAltered(sha256, `it is not ${size} bytes long`);
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== sha256) throw new BlobAltered(sha256, `its bytes have the hash ${found}`);
    return bytes;
  }

  async has({ sha256, size }: BlobRef): Promise<boolean> {
    const { path } = this.#place(sha256);
    const found = await onDisk(stat(path), () => undefined);
    return found?.size === size;
  }

  async setAside(sha256: string): Promise<AsideBlob | undefined> {
    const aside = { sha256, name: `${sha256}.${randomUUID()}` };
    const moving = within(this.#aside, () => rename(this.#place(sha256).path, this.#asidePath(aside)));
    return onDisk(
      moving.then(() => aside),
      () => undefined,
    );
  }

  async restore(aside: AsideBlob): Promise<void> {
    const { folder, path } = this.#place(aside.sha256);
    if (await onDisk(stat(path), () => undefined)) return this.discard(aside);
    await onDisk(moveInto(folder, this.#asidePath(aside), path), () => undefined);
  }

  async discard(aside: AsideBlob): Promise<void> {
    await onDisk(removeFile(this.#asidePath(aside)));
  }

  async *asides(): AsyncIterable<AsideBlob> {
    for await (const name of filesOf(this.#aside)) {
      const [, sha256] = /^([0-9a-f]{64})\.[0-9a-f-]{36}$/.exec(name) ?? [];
      if (sha256 !== undefined) yield { sha256, name };
    }
  }

  async removeAbandoned(olderThanMs: number): Promise<number> {
    let removed = 0;
    for await (const name of filesOf(this.#incoming)) {
      const path = join(this.#incoming, name);
      const found = await onDisk(stat(path), () => undefined);
      if (!found || Date.now() - found.mtimeMs < olderThanMs) continue;
      await onDisk(removeFile(path));
      removed++;
    }
    return removed;
  }

  /** Another process may have made the folder a moment ago, and not have had that written to the disk. */
  async #keep(folder: string): Promise<void> {
    if (this.#kept.has(folder)) return;
    await onDisk(syncFolder(this.#root));
    this.#kept.add(folder);
  }

  /** A hash has nothing in it that could lead out of the folder. */
  #place(sha256: string): { readonly folder: string; readonly path: string } {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError('a blob is named by 64 hexadecimal digits');
    const folder = join(this.#root, sha256.slice(0, 2));
    return { folder, path: join(folder, sha256) };
  }

  #asidePath({ sha256, name }: AsideBlob): string {
    this.#place(sha256);
    if (!/^[0-9a-f]{64}\.[0-9a-f-]{36}$/.test(name)) throw new TypeError('this is no blob that was set aside');
    return join(this.#aside, name);
  }
}

/** A part of a blob. */
class Part extends PassThrough {
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error && readError(error));
  }
}

/** Answers in the store's words where the disk does not do what it should; `absent` where the file is not there. */
async function onDisk<Result, Absent = never>(
  work: Promise<Result>,
  absent?: () => Absent,
): Promise<Result | Exclude<Absent, Error>> {
  try {
    return await work;
  } catch (error) {
    if (!absent || codeOf(error) !== 'ENOENT') throw toBlobsUnavailable(error);
    const answer = absent();
    if (answer instanceof Error) throw answer;
    return answer as Exclude<Absent, Error>;
  }
}

/** The names in a folder, a few at a time; none where there is no folder. */
async function* filesOf(folder: string): AsyncIterable<string> {
  const entries = await onDisk(opendir(folder), () => undefined);
  for await (const { name } of entries ?? []) yield name;
}

const isWithin = ({ start, end }: { readonly start: number; readonly end: number }, size: number): boolean =>
  Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end < size;
