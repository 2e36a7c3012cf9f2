import { setTimeout as delay } from 'node:timers/promises';

/** Waits; throws the signal's reason when that is aborted. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
}
