import { setTimeout as delay } from 'node:timers/promises';

/**
 * Does in one go what is asked for while an earlier one is still being done, or was done a moment ago: many small writes
 * become few. Batches run one after the other, in the order of asking.
 */
export class Batches<Item> {
  readonly #work: (items: readonly Item[]) => Promise<void>;
  readonly #pauseMs: number;
  #next: { readonly items: Item[]; readonly done: Promise<void> } | undefined;
  #before: Promise<void> = Promise.resolve();

  /** @param pauseMs between the end of a batch and the next */
  constructor(work: (items: readonly Item[]) => Promise<void>, pauseMs: number) {
    this.#work = work;
    this.#pauseMs = pauseMs;
  }

  /** Settles as the batch does in which the item is. */
  add(item: Item): Promise<void> {
    const next = (this.#next ??= this.#begin());
    next.items.push(item);
    return next.done;
  }

  #begin(): { readonly items: Item[]; readonly done: Promise<void> } {
    const items: Item[] = [];
    const done = this.#before.then(() => {
      this.#next = undefined;
      return this.#work(items);
    });
    this.#before = done.then(
      () => delay(this.#pauseMs),
      () => undefined,
    );
    return { items, done };
  }
}
