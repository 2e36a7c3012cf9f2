/**
 * What `work` makes of what comes, in order; of the next while the last is being used. Of what was taken and is not used
 * when the consumer stops nothing becomes known, and no more work is begun.
 */
export async function* mapAhead<T, R>(source: AsyncIterable<T>, work: (value: T) => Promise<R>): AsyncGenerator<R> {
  const iterator = source[Symbol.asyncIterator]();
  let isOver = false;
  const pull = (): Promise<{ result: R } | undefined> => {
    const next = iterator
      .next()
      .then(async ({ done, value }) => (done || isOver ? undefined : { result: await work(value) }));
    // It is awaited when the one before it was used.
    next.catch(() => undefined);
    return next;
  };
  try {
    for (let next = pull(); ;) {
      const made = await next;
      if (made === undefined) break;
      next = pull();
      yield made.result;
    }
  } finally {
    isOver = true;
    // Not awaited: a source that waits for more answers after that.
    void iterator.return?.().catch(() => undefined);
  }
}
