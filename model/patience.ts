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

export interface Attempts {
  /** Whether waiting may mend the error. Default: any. */
  readonly mayPass?: (error: unknown) => boolean;
  /** Makes a better error of the last one. */
  readonly giveUp?: (error: unknown) => unknown;
}

/**
 * Tries `attempt` until it succeeds, saying once that it waits for `what`.
 * @throws what `attempt` threw last, through `giveUp`, when patience is used up; at once what waiting does not mend
 */
export async function patiently<T>(
  what: string,
  attempt: () => Promise<T>,
  { patienceMs, log, signal }: Patience,
  { mayPass = () => true, giveUp = (error) => error }: Attempts = {},
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!mayPass(error)) throw error;
      if (performance.now() + PAUSE_MS > deadline) throw giveUp(error);
      if (tries === 1) log(`Waiting for ${what} …`);
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}
