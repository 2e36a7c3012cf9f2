import { setMaxListeners } from 'node:events';

/** The longest wait that a request sits out by itself; a longer one goes back to the caller, in milliseconds. */
export const LONGEST_WAIT_MS = 10_000;

/**
 * Calls `listener` when the signal aborts; returns what takes it back. Many requests share one signal, so the warning
 * about many listeners, which is meant for leaks, is turned off for it.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** Settles as `promise` does, or rejects with the signal's reason when that comes first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let off = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    off = onAbort(signal, () => reject(signal.reason as Error));
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    off();
  }
}

/** Waits. Rejects with the signal's reason when it aborts meanwhile; no timer stays behind. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      off();
      resolve();
    }, ms);
    const off = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

/** Runs `task` with a signal that aborts when any of `signals` does, with that one's reason. */
export async function withAnySignal<T>(
  signals: readonly AbortSignal[],
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (const signal of signals) signal.throwIfAborted();
  const controller = new AbortController();
  const offs = signals.map((signal) => onAbort(signal, () => controller.abort(signal.reason)));
  try {
    return await task(controller.signal);
  } finally {
    for (const off of offs) off();
  }
}

/**
 * Works a queue off, `width` tasks at a time; a task may add to the queue. The first failure aborts the other tasks and
 * is thrown when they have ended, so that nothing goes on unwatched.
 */
export async function workOff<T>(
  queue: T[],
  width: number,
  signal: AbortSignal,
  task: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const running = new Set<Promise<void>>();
  const start = (item: T, inner: AbortSignal): void => {
    const run = task(item, inner)
      .catch((error: unknown) => failed.abort(error))
      .finally(() => running.delete(run));
    running.add(run);
  };
  await withAnySignal([signal, failed.signal], async (inner) => {
    for (let item = queue.pop(); item !== undefined || running.size > 0; item = queue.pop()) {
      if (item !== undefined && !inner.aborted) start(item, inner);
      while (running.size > 0 && (running.size >= width || queue.length === 0 || inner.aborted)) {
        await Promise.race(running);
      }
    }
    inner.throwIfAborted();
  });
}

interface Run<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** One run of a task that all who ask for it meanwhile share. It is aborted when the last of them has gone away. */
export class SharedRun<T> {
  readonly #task: (signal: AbortSignal) => Promise<T>;
  #current: Run<T> | undefined;

  constructor(task: (signal: AbortSignal) => Promise<T>) {
    this.#task = task;
  }

  async join(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const run = (this.#current ??= this.#start());
    run.waiting += 1;
    try {
      return await abortable(run.promise, signal);
    } finally {
      run.waiting -= 1;
      if (run.waiting === 0) {
        if (this.#current === run) this.#current = undefined;
        run.controller.abort(new Error('Nobody waits for it any more'));
      }
    }
  }

  #start(): Run<T> {
    const controller = new AbortController();
    const promise = this.#task(controller.signal);
    const run: Run<T> = { promise, controller, waiting: 0 };
    const forget = (): void => {
      if (this.#current === run) this.#current = undefined;
    };
    promise.then(forget, forget);
    return run;
  }
}
