export interface BatchBounds<T> {
  readonly count: number;
  readonly bytes: number;
  /** How long a batch waits for more from its first on, in milliseconds. */
  readonly waitMs: number;
  readonly sizeOf: (value: T) => number;
  /** Of what belongs together: by which name, and how many there are. Default: nothing does. */
  readonly wholeOf?: (value: T) => Whole | undefined;
}

interface Whole {
  readonly id: string;
  readonly size: number;
}

/**
 * Gathers what comes into batches, in order: each is full by count or bytes, or has waited long enough, or is the last.
 * What is larger than `bytes` by itself makes a batch of its own, and so does what belongs together, whatever its size:
 * all of it, or none where it does not come to its end. While one batch is being used the next is gathered.
 */
export async function* inBatches<T>(source: AsyncIterable<T>, bounds: BatchBounds<T>): AsyncGenerator<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  const gathering = new Gathering(bounds);
  void gathering.fill(iterator);
  try {
    for (let batch = await gathering.take(); batch.length > 0; batch = await gathering.take()) yield batch;
  } finally {
    gathering.close();
    // Not awaited: a source that waits for more answers after that.
    void iterator.return?.().catch(() => undefined);
  }
}

/** One batch, which one side fills and the other takes. */
class Gathering<T> {
  readonly #bounds: BatchBounds<T>;
  #batch: T[] = [];
  #bytes = 0;
  /** What the batch is all of. */
  #whole: Whole | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** There is something to take: the batch, or the end. */
  readonly #ready = new Flag();
  readonly #taken = new Flag();
  #end: 'open' | 'closed' | { readonly failure: unknown } = 'open';

  constructor(bounds: BatchBounds<T>) {
    this.#bounds = bounds;
  }

  /** Never fails: who takes hears of it, after what came before. */
  async fill(iterator: AsyncIterator<T>): Promise<void> {
    const { sizeOf } = this.#bounds;
    try {
      for (let next = await iterator.next(); next.done !== true && this.#end === 'open'; next = await iterator.next()) {
        const size = sizeOf(next.value);
        if (this.#batch.length > 0 && !this.#hasRoomFor(next.value, size)) await this.#full();
        this.#add(next.value, size);
        if (this.#isFull()) await this.#full();
      }
      this.#end = 'closed';
    } catch (failure) {
      this.#end = { failure };
    }
    if (this.#whole) this.#batch = [];
    this.#ready.raise();
  }

  /** Waits for a batch, or the end, which is an empty one. @throws what the source failed with */
  async take(): Promise<T[]> {
    await this.#ready.raised();
    if (this.#batch.length === 0 && typeof this.#end === 'object') throw this.#end.failure;
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    this.#whole = undefined;
    clearTimeout(this.#timer);
    if (this.#end === 'open') this.#ready.lower();
    this.#taken.raise();
    return batch;
  }

  /** Nothing more is taken. */
  close(): void {
    clearTimeout(this.#timer);
    this.#end = 'closed';
    this.#taken.raise();
  }

  #hasRoomFor(value: T, size: number): boolean {
    const whole = this.#bounds.wholeOf?.(value);
    return whole || this.#whole ? whole?.id === this.#whole?.id : this.#bytes + size <= this.#bounds.bytes;
  }

  #isFull(): boolean {
    const { count, bytes } = this.#bounds;
    return this.#whole ? this.#batch.length >= this.#whole.size : this.#batch.length >= count || this.#bytes >= bytes;
  }

  #add(value: T, size: number): void {
    if (this.#batch.length === 0) {
      this.#whole = this.#bounds.wholeOf?.(value);
      if (!this.#whole) this.#timer = setTimeout(() => this.#ready.raise(), this.#bounds.waitMs);
    }
    this.#batch.push(value);
    this.#bytes += size;
  }

  async #full(): Promise<void> {
    this.#taken.lower();
    this.#ready.raise();
    await this.#taken.raised();
  }
}

/** Can be waited for. */
class Flag {
  #raise: () => void = () => undefined;
  #raised!: Promise<void>;

  constructor() {
    this.lower();
  }

  raise(): void {
    this.#raise();
  }

  lower(): void {
    this.#raised = new Promise((resolve) => (this.#raise = resolve));
  }

  raised(): Promise<void> {
    return this.#raised;
  }
}
