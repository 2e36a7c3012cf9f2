type Event<T, R> = { readonly key: number } & (
  { readonly next: IteratorResult<T> } | { readonly result: R } | { readonly failure: unknown }
);

const PULL = 0;

/**
 * Does `work` on what comes, at most `limit` at a time, and yields results as they are there, also while the source
 * waits for more. After a failure nothing more is taken: results that are still to come are yielded, then it is thrown.
 */
export async function* inParallel<T, R>(
  source: AsyncIterable<T>,
  limit: number,
  work: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const iterator = source[Symbol.asyncIterator]();
  const pending = new Map<number, Promise<Event<T, R>>>();
  const start = (key: number, event: Promise<{ next: IteratorResult<T> } | { result: R }>): void => {
    pending.set(
      key,
      event.then(
        (value) => ({ key, ...value }),
        (failure: unknown) => ({ key, failure }),
      ),
    );
  };
  const pull = async (): Promise<{ next: IteratorResult<T> }> => ({ next: await iterator.next() });
  const run = async (value: T): Promise<{ result: R }> => ({ result: await work(value) });
  let open = true;
  let failed: { failure: unknown } | undefined;
  let count = PULL;
  try {
    for (;;) {
      if (open && !pending.has(PULL) && pending.size < limit) start(PULL, pull());
      if (!open) pending.delete(PULL);
      if (pending.size === 0) break;
      const event = await Promise.race(pending.values());
      pending.delete(event.key);
      if ('result' in event) yield event.result;
      else if ('failure' in event) {
        failed ??= event;
        open = false;
      } else if (event.next.done === true) open = false;
      else start(++count, run(event.next.value));
    }
  } finally {
    // Not awaited: a source that waits for more answers after that.
    void iterator.return?.().catch(() => undefined);
    pending.delete(PULL);
    await Promise.all(pending.values());
  }
  if (failed !== undefined) throw failed.failure;
}
