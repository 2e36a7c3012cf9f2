export interface BatchBounds<T> {
  readonly count: number;
  readonly bytes: number;
  /** How long a batch waits for more from its first on, in milliseconds. */
  readonly waitMs: number;
  sizeOf(value: T): number;
}

/**
 * Gathers what comes into batches, in order: each is full by count or bytes, or has waited long enough, or is the last.
 * What is larger than `bytes` by itself makes a batch of its own.
 */
export async function* inBatches<T>(source: AsyncIterable<T>, bounds: BatchBounds<T>): AsyncGenerator<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  const pull = (): Promise<IteratorResult<T>> => {
    const next = iterator.next();
    // It is awaited after the batch before it was taken.
    next.catch(() => undefined);
    return next;
  };
  let batch: T[] = [];
  let bytes = 0;
  let waited = Promise.resolve<undefined>(undefined);
  let timer: NodeJS.Timeout | undefined;
  const take = (): T[] => {
    const taken = batch;
    clearTimeout(timer);
    batch = [];
    bytes = 0;
    return taken;
  };
  try {
    for (let next = pull(); ;) {
      const result = batch.length === 0 ? await next : await Promise.race([next, waited]);
      if (result === undefined) {
        yield take();
        continue;
      }
      if (result.done === true) break;
      const size = bounds.sizeOf(result.value);
      if (batch.length > 0 && bytes + size > bounds.bytes) yield take();
      if (batch.length === 0) {
        waited = new Promise((resolve) => (timer = setTimeout(resolve, bounds.waitMs, undefined)));
      }
      batch.push(result.value);
      bytes += size;
      next = pull();
      if (batch.length >= bounds.count || bytes >= bounds.bytes) yield take();
    }
    if (batch.length > 0) yield take();
  } finally {
    clearTimeout(timer);
    // Not awaited: a source that waits for more answers after that.
    void iterator.return?.().catch(() => undefined);
  }
}
