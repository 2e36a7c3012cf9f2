import { GraphError } from './errors.ts';
import { LONGEST_WAIT_MS, onAbort } from './waiting.ts';

interface Waiter {
  readonly weight: number;
  readonly grant: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * The requests that may be under way for one mailbox: Graph allows an app four at a time, and one is left for others.
 * Slots are granted in the order they were asked for. While paused none is granted; when the pause is a long one,
 * whoever asks is refused at once instead of being kept waiting.
 */
export class MailboxSlots {
  #free: number;
  readonly #limit: number;
  readonly #queue: Waiter[] = [];
  #resumeAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: number) {
    this.#limit = limit;
    this.#free = limit;
  }

  /** Whether nobody holds a slot, waits for one or has to wait. */
  get idle(): boolean {
    return this.#free === this.#limit && this.#queue.length === 0 && this.#remaining() === 0;
  }

  /**
   * Waits for `weight` slots; the result gives them back.
   * @throws GraphError `throttled` while the mailbox is paused for long; the signal's reason when it aborts
   */
  async acquire(weight: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        off();
        const at = this.#queue.indexOf(waiter);
        if (at >= 0) this.#queue.splice(at, 1);
      };
      const waiter: Waiter = {
        weight: Math.min(weight, this.#limit),
        grant: () => {
          settle();
          this.#free -= waiter.weight;
          resolve();
        },
        refuse: (error) => {
          settle();
          reject(error);
        },
      };
      const off = onAbort(signal, () => {
        waiter.refuse(signal.reason as Error);
        this.#serve();
      });
      this.#queue.push(waiter);
      this.#serve();
    });
    return () => {
      this.#free += Math.min(weight, this.#limit);
      this.#serve();
    };
  }

  /** Grants nothing for this many milliseconds. */
  pause(ms: number): void {
    this.#resumeAt = Math.max(this.#resumeAt, performance.now() + ms);
    this.#serve();
  }

  #remaining(): number {
    return Math.max(this.#resumeAt - performance.now(), 0);
  }

  #serve(): void {
    clearTimeout(this.#timer);
    const remaining = Math.ceil(this.#remaining());
    if (remaining > LONGEST_WAIT_MS) {
      for (const waiter of [...this.#queue]) waiter.refuse(paused(remaining));
    } else if (remaining > 0) {
      if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#serve(), remaining);
    } else {
      for (let head = this.#queue[0]; head !== undefined && head.weight <= this.#free; head = this.#queue[0]) {
        head.grant();
      }
    }
  }
}

function paused(retryAfterMs: number): GraphError {
  return new GraphError('Microsoft Graph throttles the app in this mailbox (paused)', {
    kind: 'throttled',
    code: 'ApplicationThrottled',
    scope: 'mailbox',
    retryAfterMs,
  });
}
