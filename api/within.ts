import { setTimeout as delay } from 'node:timers/promises';

/** What `work` answers in time; rejects with `late` afterwards, while `work` goes on unheard. */
export async function within<T>(milliseconds: number, work: Promise<T>, late: () => Error): Promise<T> {
  const done = new AbortController();
  work.catch(() => undefined);
  try {
    return await Promise.race([
      work,
      delay(milliseconds, undefined, { signal: done.signal, ref: false }).then(() => Promise.reject(late())),
    ]);
  } finally {
    done.abort();
  }
}
