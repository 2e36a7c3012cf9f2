/** Bytes that a page should come to: large enough to be few, small enough to hold several in memory. */
export const PAGE_BYTES = 4 << 20;

/** What the latest page was like. */
export interface PageFigures {
  /** Messages asked for. */
  readonly size: number;
  /** Messages that came. */
  readonly messages: number;
  readonly bytes: number;
}

/**
 * How many messages to ask for next, so that a page comes to about `PAGE_BYTES`: at most `largest`, and at most twice
 * as many as before, for the next messages may be larger ones.
 */
export function nextPageSize({ size, messages, bytes }: PageFigures, largest: number): number {
  if (messages === 0 || bytes === 0) return Math.min(size, largest);
  return Math.min(largest, size * 2, fittingSize(bytes / messages));
}

/** Messages of `bytesEach` that make up a page. */
export const fittingSize = (bytesEach: number): number => Math.max(1, Math.floor(PAGE_BYTES / bytesEach));

/** Pages as large as the limit that have to come before it climbs, and by how much it does. */
const PAGES_BEFORE_CLIMB = 2;
const CLIMB = 1.5;
/** Pages as large as the limit that have to come before a size that has failed is tried again. */
const PAGES_BEFORE_TRYING_AGAIN = 64;

/**
 * How many messages Graph can answer at once for one mailbox, as far as is known: falls at once to half of what was too
 * much, and climbs by and by. What has failed in this read is not tried again soon, because to find out costs a request
 * that takes Graph's full 30 seconds to fail. What it came to is remembered between reads.
 */
export class MailboxPageLimit {
  readonly #largest: number;
  #messages: number;
  /** The least size that has failed. */
  #failed = Number.POSITIVE_INFINITY;
  #pages = 0;

  /**
   * @param largest what is asked for where Graph can answer it
   * @param remembered where an earlier read left off; null: at `largest`
   */
  constructor(largest: number, remembered: number | null) {
    this.#largest = largest;
    this.#messages = Math.min(largest, remembered ?? largest);
  }

  get messages(): number {
    return this.#messages;
  }

  /** What the next read should begin with; null: there is nothing to remember. */
  get toRemember(): number | null {
    return this.#messages < this.#largest ? this.#messages : null;
  }

  /** A page of this size was too much for Graph. */
  fall(size: number): void {
    this.#failed = Math.min(this.#failed, size);
    this.#set(Math.min(this.#messages, half(size)));
  }

  /** A page with so many messages came. */
  came(messages: number): void {
    if (messages < this.#messages || this.#messages === this.#largest) return;
    this.#pages += 1;
    const next = Math.min(this.#largest, Math.ceil(this.#messages * CLIMB));
    const pages = next < this.#failed ? PAGES_BEFORE_CLIMB : PAGES_BEFORE_TRYING_AGAIN;
    if (this.#pages < pages) return;
    if (next >= this.#failed) this.#failed = Number.POSITIVE_INFINITY;
    this.#set(next);
  }

  /** What was taken for a fault of the size was one message's: as before. */
  restore(messages: number): void {
    this.#failed = Number.POSITIVE_INFINITY;
    this.#set(Math.min(this.#largest, messages));
  }

  #set(messages: number): void {
    this.#messages = messages;
    this.#pages = 0;
  }
}

/**
 * What a failed page may be blamed on. `item`: one message in it cannot be read. `slow`: it is too much for Graph.
 * `large`: it is too much for us.
 */
export type PageFault = 'item' | 'slow' | 'large';

/**
 * How many messages to ask for in the pages of one folder. After a page failed because of one message, what follows is
 * searched by halves until that one stands alone: of N messages that takes about log2(N) requests.
 */
export class FolderPageSize {
  readonly #limit: MailboxPageLimit;
  #messages: number;
  /** Messages, from here on, of which one cannot be read. */
  #suspects = 0;
  /** The mailbox's limit before the pages here began to fail. */
  #limitBefore: number | undefined;

  constructor(limit: MailboxPageLimit, messages: number) {
    this.#limit = limit;
    this.#messages = Math.max(1, Math.min(messages, limit.messages));
  }

  /** To be asked for next. */
  get messages(): number {
    return this.#messages;
  }

  /**
   * A page of this size failed. False where it was a single message: it cannot be smaller, so that this one is to blame,
   * and not the size.
   */
  failed(fault: PageFault): boolean {
    this.#limitBefore ??= this.#limit.messages;
    if (this.#messages === 1) {
      this.#limit.restore(this.#limitBefore);
      return false;
    }
    if (fault === 'slow') this.#limit.fall(this.#messages);
    if (fault === 'item') this.#suspects = this.#messages;
    this.#messages = fault === 'large' ? quarter(this.#messages) : half(this.#messages);
    return true;
  }

  /** A page came. */
  came({ messages, bytes }: Omit<PageFigures, 'size'>): void {
    this.#limitBefore = undefined;
    this.#limit.came(messages);
    this.#suspects = Math.max(0, this.#suspects - messages);
    const next = nextPageSize({ size: this.#messages, messages, bytes }, this.#limit.messages);
    this.#messages = this.#suspects === 0 ? next : Math.min(next, half(this.#suspects));
  }
}

const half = (messages: number): number => Math.max(1, Math.floor(messages / 2));
/** What is too large for us is four pages and more (`PAGE_BYTES`): a half of it may just fit, in every mailbox at once. */
const quarter = (messages: number): number => Math.max(1, Math.floor(messages / 4));
