import type { MailChange, Mailbox } from './mailbox.ts';
import type { User } from './users.ts';

/** Something that happened to a message. */
export interface MailEvent {
  /** 1 for the first since the start; without gaps. */
  no: number;
  /** Milliseconds since 1970. */
  atMs: number;
  user: User;
  mailbox: Mailbox;
  change: MailChange;
  /** Notifications that were made of it, and those that an endpoint has accepted so far. */
  notifications: { made: number; delivered: number };
}

type Listener = (event: MailEvent) => void;

/** Events that are kept at least; older ones are forgotten. */
const KEPT = 500_000;

/** What happened to the messages of the tenant, in its order and with its times. */
export class Journal {
  readonly #listeners: Listener[] = [];
  #events: MailEvent[] = [];
  #forgotten = 0;

  /** The number of the newest event; 0 before the first. */
  get last(): number {
    return this.#forgotten + this.#events.length;
  }

  /** Tells a listener of every event from now on. */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  note(user: User, mailbox: Mailbox, change: MailChange): void {
    const event: MailEvent = {
      no: this.last + 1,
      atMs: Date.now(),
      user,
      mailbox,
      change,
      notifications: { made: 0, delivered: 0 },
    };
    this.#events.push(event);
    if (this.#events.length === 2 * KEPT) {
      this.#events = this.#events.slice(KEPT);
      this.#forgotten += KEPT;
    }
    for (const listener of this.#listeners) listener(event);
  }

  /** Up to `limit` events behind number `after`, oldest first. */
  page(after: number, limit: number): readonly MailEvent[] {
    const start = Math.max(0, after - this.#forgotten);
    return this.#events.slice(start, start + limit);
  }
}
