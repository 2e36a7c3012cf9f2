import { StoreUnavailable } from '../../store/errors.ts';
import type { NewHint, WrittenHints } from '../../store/hints.ts';
import { unavailable } from '../errors.ts';

export interface HintWriterOptions {
  /** Commits hints, all of them or none. */
  readonly write: (hints: readonly NewHint[]) => Promise<WrittenHints[]>;
  /** Told of what was committed. */
  readonly onWritten: (hints: readonly NewHint[], mailboxes: readonly WrittenHints[]) => void;
  /** How long hints wait for others. Default: 20 ms. */
  readonly joinMs?: number;
  /** Statements under way at a time. Default: 2. */
  readonly atOnce?: number;
  /** Hints of a statement, about. Default: 1,000. */
  readonly mostHints?: number;
  /** Hints that wait at most. Default: 20,000. */
  readonly mostWaiting?: number;
}

interface Waiting {
  readonly hints: readonly NewHint[];
  readonly since: number;
  readonly until: number;
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

/** Joins the hints of many requests into few statements. */
export class HintWriter {
  readonly #options: Required<HintWriterOptions>;
  #waiting: Waiting[] = [];
  #count = 0;
  #writing = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HintWriterOptions) {
    this.#options = { joinMs: 20, atOnce: 2, mostHints: 1_000, mostWaiting: 20_000, ...options };
  }

  /**
   * Returns when the hints are committed.
   * @param until by `performance.now()`: hints that have not begun to be written by then are dropped, for whoever brought
   *   them has gone
   * @throws {StoreUnavailable}
   * @throws {HttpError} 503 when too many wait, or time is up
   */
  add(hints: readonly NewHint[], until: number): Promise<void> {
    if (hints.length === 0) return Promise.resolve();
    if (this.#count + hints.length > this.#options.mostWaiting) {
      return Promise.reject(unavailable('More notifications wait than can be stored: try again'));
    }
    return new Promise((written, failed) => {
      this.#waiting.push({ hints, since: performance.now(), until, written, failed });
      this.#count += hints.length;
      this.#schedule();
    });
  }

  #schedule(): void {
    const { joinMs, atOnce, mostHints } = this.#options;
    const [oldest] = this.#waiting;
    if (!oldest || this.#writing >= atOnce) return;
    const isFull = this.#count >= mostHints;
    if (this.#timer && !isFull) return;
    clearTimeout(this.#timer);
    const waits = isFull ? 0 : Math.max(0, oldest.since + joinMs - performance.now());
    this.#timer = setTimeout(() => void this.#flush(), waits);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    const group = this.#take();
    this.#writing++;
    this.#schedule();
    try {
      const hints = group.flatMap((one) => one.hints);
      const mailboxes =
        hints.length === 0 ? [] : await this.#write(hints, Math.max(...group.map(({ until }) => until)));
      for (const { written } of group) written();
      this.#options.onWritten(hints, mailboxes);
    } catch (error) {
      for (const { failed } of group) failed(error);
    } finally {
      this.#writing--;
      this.#schedule();
    }
  }

  /** Those that have waited longest and are still waited for. */
  #take(): Waiting[] {
    const group: Waiting[] = [];
    let hints = 0;
    let taken = 0;
    for (const one of this.#waiting) {
      if (hints >= this.#options.mostHints) break;
      taken++;
      this.#count -= one.hints.length;
      if (one.until <= performance.now()) {
        one.failed(unavailable('The notifications could not be stored in time: try again'));
        continue;
      }
      group.push(one);
      hints += one.hints.length;
    }
    this.#waiting = this.#waiting.slice(taken);
    return group;
  }

  /** Once more where the connection was found to be broken, or a race was lost, and there is time left. */
  async #write(hints: readonly NewHint[], until: number): Promise<WrittenHints[]> {
    try {
      return await this.#options.write(hints);
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() >= until) throw error;
      return await this.#options.write(hints);
    }
  }
}
