import { GraphFault } from './fault.ts';
import { RequestWindow } from './request-window.ts';

/** What Graph lets one application do. `null` takes a limit away. */
export interface LimitOptions {
  /** Requests at a time for each mailbox. Default 4. */
  mailboxConcurrency?: number | null;
  /** Requests in a window for each mailbox. Default 10,000. */
  mailboxRequests?: number | null;
  /** Length of that window in seconds. Default 600. */
  mailboxWindowSeconds?: number;
  /** Requests a second of the application as a whole. Default 2,000. */
  requestsPerSecond?: number | null;
}

export type Limits = Required<LimitOptions>;

const DOCUMENTED: Limits = {
  mailboxConcurrency: 4,
  mailboxRequests: 10_000,
  mailboxWindowSeconds: 600,
  requestsPerSecond: 2_000,
};

/**
 * Throttling as Graph documents it: by application and mailbox, and by application. Refused requests count like all
 * others.
 * Source: https://learn.microsoft.com/graph/throttling-limits
 */
export class Throttle {
  #limits: Limits = DOCUMENTED;
  #app = new RequestWindow(1_000);

  constructor(options: LimitOptions) {
    this.change(options);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** Changes some limits; the others stay. */
  change(options: LimitOptions): void {
    this.#limits = { ...this.#limits, ...options };
  }

  /** A window for the requests of one mailbox. */
  mailboxWindow(): RequestWindow {
    return new RequestWindow(this.#limits.mailboxWindowSeconds * 1_000);
  }

  /** Whether one more request for a mailbox would be one too many at a time. */
  isFull(inFlight: number): boolean {
    const { mailboxConcurrency } = this.#limits;
    return mailboxConcurrency !== null && inFlight >= mailboxConcurrency;
  }

  /** Counts a request of the application. @throws GraphFault 429. */
  checkApp(at: number): void {
    const { requestsPerSecond } = this.#limits;
    if (this.#app.add(at) <= (requestsPerSecond ?? Infinity)) return;
    throw new GraphFault(429, 'TooManyRequests', 'Please retry again later.', { 'retry-after': '1' });
  }

  /**
   * Checks what a mailbox is asked, the new request included.
   *
   * @throws GraphFault 429.
   */
  checkMailbox(use: { inFlight: number; window: RequestWindow }, at: number): void {
    const { mailboxConcurrency, mailboxRequests } = this.#limits;
    if (mailboxRequests !== null && use.window.count(at) > mailboxRequests) {
      const wait = Math.max(1, Math.ceil(use.window.untilBelow(mailboxRequests, at) / 1_000));
      throw throttled('MailboxRequests', wait);
    }
    if (mailboxConcurrency !== null && use.inFlight > mailboxConcurrency) throw throttled('MailboxConcurrency', 1);
  }
}

function throttled(limit: string, seconds: number): GraphFault {
  return new GraphFault(429, 'ApplicationThrottled', `Application is over its ${limit} limit.`, {
    'retry-after': String(seconds),
  });
}
