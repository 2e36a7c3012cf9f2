/** Stops of what was started, in the order of the starts. */
export interface Stops {
  readonly add: (stop: () => Promise<unknown>) => void;
  /** Stops everything, the last started first, each though one before it failed. Idempotent. */
  readonly all: () => Promise<void>;
}

export function createStops(): Stops {
  const stops: (() => Promise<unknown>)[] = [];
  let running: Promise<void> | undefined;
  return {
    add: (stop) => void stops.push(stop),
    all: () => (running ??= stopAll()),
  };

  async function stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const stop of stops.splice(0).reverse()) {
      await stop().catch((error: unknown) => failures.push(error));
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'Several services could not be stopped');
  }
}

/**
 * Starts several things at a time. Where one fails the others are aborted, what they did start is stopped, and the first
 * failure is thrown.
 */
export async function startTogether<T extends readonly { readonly stop: () => Promise<unknown> }[]>(
  starts: { readonly [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
  signal: AbortSignal,
): Promise<T> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let first: unknown;
  const settled = await Promise.allSettled(
    starts.map((start) =>
      start(either).catch((error: unknown) => {
        if (!failed.signal.aborted) first = error;
        failed.abort();
        throw error;
      }),
    ),
  );
  const started = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (started.length === starts.length) return started as unknown as T;
  await Promise.all(started.map((one) => one.stop()));
  throw first;
}
