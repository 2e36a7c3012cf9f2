import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';

/** How long the end waits for a connection that does not close. */
const HANG_MS = 3_000;

export interface Ending {
  /** Aborts when the workers are told to end. */
  readonly stopping: AbortSignal;
  /** Tells them to. */
  readonly shutdown: () => void;
  /** How long they may take, ms. The SDK's own limit does not hold where the server hangs. */
  readonly forceMs: number;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * Runs workers until all of them have ended; where one fails, the others are told to end. What does not end in time is
 * left behind, which is no failure: Temporal gives it to another worker when it misses the heartbeat.
 * @throws what the first worker failed with
 */
export async function runTogether(
  workers: readonly Pick<Worker, 'run'>[],
  { stopping, shutdown, forceMs, log }: Ending,
): Promise<void> {
  const failures: unknown[] = [];
  const leave = (err?: unknown): void => log.warn({ err }, 'Some work is left behind: it was not handed back in time');
  const runs = workers.map((worker) =>
    worker.run().catch((error: unknown) => {
      if (stopping.aborted) return leave(error);
      failures.push(error);
      shutdown();
    }),
  );
  const ended = new AbortController();
  const late = once(stopping).then(() => delay(forceMs, undefined, { signal: ended.signal }).then(leave));
  late.catch(() => undefined);
  await Promise.race([Promise.all(runs), late]);
  ended.abort();
  if (failures.length > 0) throw failures[0];
}

const once = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** Closes connections; what hangs, or cannot be closed, is left to the process's end. */
export async function closeAll(
  closers: readonly (() => Promise<void>)[],
  log: Pick<Logger, 'warn'>,
  hangMs = HANG_MS,
): Promise<void> {
  const closed = new AbortController();
  const late = delay(hangMs, undefined, { signal: closed.signal }).then(() => Promise.reject(new Error('it hangs')));
  late.catch(() => undefined);
  const leave = (err: unknown): void => log.warn({ err }, 'A connection could not be closed and is left behind');
  await Promise.all(closers.map((close) => Promise.race([close(), late]).catch(leave)));
  closed.abort();
}
