/** An answer to a request. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

/**
 * Answers by idempotency key: the same request, sent again, is answered alike and not worked on again, be the first one
 * still under way. Answers from 500 on are not kept, for they invite another attempt.
 *
 * They are kept in memory, so many of them, the newest. A utility that must not do anything twice after a restart either
 * keeps the keys where its results are, in the same transaction.
 */
export class Answers {
  readonly #most: number;
  readonly #byKey = new Map<string, Promise<Answer>>();

  constructor(most = 10_000) {
    this.#most = most;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** @param work does the work and never rejects */
  async once(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const known = this.#byKey.get(key);
    if (known) return known;
    const answer = work();
    this.#byKey.set(key, answer);
    const [oldest = key] = this.#byKey.keys();
    if (this.#byKey.size > this.#most) this.#byKey.delete(oldest);
    if ((await answer).status >= 500) this.#byKey.delete(key);
    return answer;
  }
}
