import type { Journal, MailEvent } from '../tenant/journal.ts';
import type { MailChange } from '../tenant/mailbox.ts';

/** Something that happened to a message, with its time. */
export interface EventReport {
  /** 1 for the first since the start; without gaps. */
  no: number;
  /** The time as ISO 8601 with milliseconds, and the same as milliseconds since 1970. */
  at: string;
  atMs: number;
  kind: MailChange['kind'];
  /** The user's id. */
  mailboxId: string;
  /** The immutable id. */
  messageId: string;
  /** Where it is since; of a deleted message, where it was. */
  folderId: string;
  /** Notifications that were made of it, and those that were accepted so far. */
  notifications: { made: number; delivered: number };
}

/** A page of events. */
export interface EventPage {
  events: EventReport[];
  /** The number of the newest event there is. */
  last: number;
}

/** Tells what happened to messages, behind event number `after` (0: from the start), `limit` events at most (1,000). */
export function eventPage(journal: Journal, { after = 0, limit = 1_000 } = {}): EventPage {
  return { events: journal.page(after, limit).map(reportOf), last: journal.last };
}

function reportOf({ no, atMs, user, mailbox, change, notifications }: MailEvent): EventReport {
  return {
    no,
    at: new Date(atMs).toISOString(),
    atMs,
    kind: change.kind,
    mailboxId: user.id,
    messageId: mailbox.ids.immutable(change.ordinal),
    folderId: change.folder.id,
    notifications: { ...notifications },
  };
}
