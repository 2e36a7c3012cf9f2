import { closeSync, open as openFile, read } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './errors.ts';

/** Nobody but this user reads mail. */
const PRIVATE_FOLDER = 0o700;

/** Makes a folder, and those above it, so that they are there after a loss of power too. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: PRIVATE_FOLDER });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await ensureFolder(dirname(path));
    return ensureFolder(path);
  }
  await syncFolder(dirname(path));
}

/** Has the folder's entries written to the disk. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Does the work, and once more where it failed because the folder was not there. */
export async function within<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await ensureFolder(folder);
    return work();
  }
}

/** Renames, for good. Whatever has the name is replaced. */
export async function moveInto(folder: string, from: string, to: string): Promise<void> {
  await within(folder, () => rename(from, to));
  await syncFolder(folder);
}

export const removeFile = (path: string): Promise<void> => rm(path, { force: true });

/**
 * All of a file that should have so many bytes: as many, one more where there are more, or fewer. By callbacks, for the
 * objects and promises of every step would cost more than what is read; and it is closed at once, for what was only read
 * has nothing to be waited for.
 */
export const readSized = (path: string, size: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    openFile(path, 'r', (failure, file) => {
      if (failure) return reject(failure);
      const bytes = Buffer.allocUnsafeSlow(size + 1);
      const end = (error: Error | null, length: number): void => {
        try {
          closeSync(file);
        } catch (failure) {
          error ??= failure as Error;
        }
        if (error) reject(error);
        else resolve(bytes.subarray(0, length));
      };
      const go = (at: number): void =>
        read(file, bytes, at, bytes.length - at, at, (error, count) => {
          if (error || count === 0 || at + count >= size) end(error, at + count);
          else go(at + count);
        });
      go(0);
    });
  });
