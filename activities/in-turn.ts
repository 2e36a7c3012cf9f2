import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { StoreUnavailable } from '../store/errors.ts';

export interface Turns<T> {
  readonly work: (item: T, signal: AbortSignal) => Promise<void>;
  /** What names an item in the log; nothing else of it or of its error's words is told. */
  readonly idsOf: (item: T) => object;
  /** Default: one after the other. */
  readonly atOnce?: number;
  readonly log: Pick<Logger, 'warn'>;
  readonly signal: AbortSignal;
}

/** So many failures in a row of a store that is out of reach are no single item's any more. */
const STORE_IS_AWAY = 3;

/**
 * Gives each item its turn; one that fails is logged and keeps no other from it.
 * @returns how many went well, and how many did not
 * @throws {StoreUnavailable} when the store is away, for all of them
 * @throws the signal's reason
 */
export async function inTurn<T>(
  items: readonly T[],
  { work, idsOf, atOnce = 1, log, signal }: Turns<T>,
): Promise<{ readonly done: number; readonly failed: number }> {
  const counts = { done: 0, failed: 0 };
  const limit = pLimit(atOnce);
  let unavailable = 0;
  const turn = async (item: T): Promise<void> => {
    signal.throwIfAborted();
    if (unavailable >= STORE_IS_AWAY) return;
    try {
      await work(item, signal);
      counts.done++;
      unavailable = 0;
    } catch (error) {
      signal.throwIfAborted();
      counts.failed++;
      unavailable = error instanceof StoreUnavailable ? unavailable + 1 : 0;
      log.warn({ ...idsOf(item), reason: nameOf(error) }, 'Upkeep failed here, and goes on elsewhere');
      if (unavailable >= STORE_IS_AWAY) throw error;
    }
  };
  const settled = await Promise.allSettled(items.map((item) => limit(() => turn(item))));
  const failure = settled.find((one) => one.status === 'rejected');
  if (failure) throw failure.reason;
  return counts;
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error);
