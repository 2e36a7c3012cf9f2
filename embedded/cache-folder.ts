import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedServiceError } from './errors.ts';
import { takeLock, type Lock } from './lock.ts';
import { makeFolder } from './make-folder.ts';
import { pause } from './pause.ts';

export interface CacheWork {
  cacheDir: string;
  /** Of the lock and the folder. */
  name: string;
  /** What is being put there, for the one who waits. */
  what: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs work that puts something into the cache, in one process at a time, with an empty folder beside it on the same
 * file system that is removed afterwards, as are those of interrupted processes. Another process is waited for.
 * Throws `EmbeddedServiceError` where the cache cannot be written.
 */
export async function withCacheLock<T>(options: CacheWork, work: (unfinished: string) => Promise<T>): Promise<T> {
  const lock = await takeCacheLock(options);
  try {
    const unfinished = await makeUnfinished(options);
    return await work(unfinished).finally(() => rm(unfinished, { recursive: true, force: true, maxRetries: 10 }));
  } finally {
    await lock.release();
  }
}

async function takeCacheLock({ cacheDir, name, what, log, signal }: CacheWork): Promise<Lock> {
  for (let told = false; ; told = true) {
    const lock = await orRefused(cacheDir, async () => {
      await makeFolder(cacheDir);
      return takeLock(join(cacheDir, `${name}.lock`));
    });
    if ('release' in lock) return lock;
    if (!told) log(`Waiting for another process (pid ${lock.heldBy.pid}) that is getting ${what}`);
    await pause(500, signal);
  }
}

async function makeUnfinished({ cacheDir, name }: CacheWork): Promise<string> {
  const prefix = `${name}.unfinished-`;
  return orRefused(cacheDir, async () => {
    for (const left of await readdir(cacheDir)) {
      if (left.startsWith(prefix)) await rm(join(cacheDir, left), { recursive: true, force: true });
    }
    return mkdtemp(join(cacheDir, prefix));
  });
}

async function orRefused<T>(cacheDir: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: Error) => {
    const cure = 'Make it writable, or set XDG_CACHE_HOME to another.';
    throw new EmbeddedServiceError(`The cache folder ${cacheDir} cannot be written: ${cause.message}. ${cure}`, {
      cause,
    });
  });
}
