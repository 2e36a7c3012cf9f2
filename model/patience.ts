import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** How long to go on trying, ms. */
  readonly patienceMs: number;
  /** Told once when waiting begins. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Pause between two attempts, ms. */
const PAUSE_MS = 500;

/**
 * Tries `attempt` until it succeeds, saying once that it waits for `what`. When patience is used up the last error is
 * thrown, through `giveUp` where that makes a better one of it.
 */
export async function patiently<T>(
  what: string,
  attempt: () => Promise<T>,
  { patienceMs, log, signal }: Patience,
  giveUp: (error: unknown) => unknown = (error) => error,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() + PAUSE_MS > deadline) throw giveUp(error);
      if (tries === 1) log(`Waiting for ${what} …`);
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}
