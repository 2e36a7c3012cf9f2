import type { Router } from 'express';
import type { Logger } from 'pino';
import { SIGNAL_LOST_AFTER_MS } from '../../model/session.ts';
import { closeDatabase, openDatabase, type DatabaseOptions } from '../../store/database.ts';
import { addHints, claimWaiting, unclaim, type NewHint, type WrittenHints } from '../../store/hints.ts';
import { addNotificationCounts } from '../../store/notification-counts.ts';
import { findSubscriptions, recordLifecycle } from '../../store/subscription-lookup.ts';
import { within } from '../within.ts';
import { Allowance } from './allowance.ts';
import type { NotificationWorkflows } from './asking.ts';
import { noFigures, type NotificationFigures } from './figures.ts';
import { HintWriter } from './hint-writer.ts';
import { KnownSubscriptions } from './known-subscriptions.ts';
import { lifecycleTaker } from './lifecycle.ts';
import { notificationTaker } from './notifications.ts';
import { startRelay } from './relay.ts';
import { DEFAULT_LIMITS, notificationRouter, type ReceiverLimits } from './router.ts';
import { SessionCounts } from './session-counts.ts';
import { sparingly } from './sparingly.ts';
import { Waking } from './waking.ts';

export interface ReceiverOptions {
  /** The receiver has connections of its own: no slow question to the API, and no flood of them, holds it up. */
  readonly database: Omit<DatabaseOptions, 'applicationName' | 'poolSize' | 'poolTimeoutMs' | 'statementTimeoutMs'>;
  readonly workflows: NotificationWorkflows;
  readonly log: Logger;
  readonly limits?: Partial<ReceiverLimits>;
}

/** Takes Graph's change notifications: `POST /webhooks/graph` and `/webhooks/graph/lifecycle`. */
export interface NotificationReceiver {
  readonly router: Router;
  readonly figures: NotificationFigures;
  /** Ends what runs beside requests, once no request comes any more. */
  close(): Promise<void>;
}

/** Two write, one looks subscriptions up, one is the relay's. */
const CONNECTIONS = 4;
/** A statement that takes longer than Graph waits is of no use. */
const STATEMENT_MS = 1_500;
/** How long the end waits for connections that do not close. */
const HANG_MS = 3_000;

/** A reader that was asked and has not taken its hints may have much to do, and is asked again so much later. */
const AGAIN_MS = 30_000;
/** Ids a second, that are no subscription's, for which the store is asked. */
const FOREIGN_PER_SECOND = 100;
const COUNTS_EVERY_MS = 1_000;

/** The receiver of this process, and the relay beside it. */
export function createNotificationReceiver({
  database,
  workflows,
  log,
  limits,
}: ReceiverOptions): NotificationReceiver {
  const db = openDatabase({
    ...database,
    applicationName: 'outhaul-receiver',
    poolSize: CONNECTIONS,
    poolTimeoutMs: STATEMENT_MS,
    statementTimeoutMs: STATEMENT_MS,
  });
  const figures = noFigures();
  const warn = sparingly(log);
  const waking = new Waking({ workflows, figures, log: warn });
  const counts = new SessionCounts((added) => addNotificationCounts(db, added));
  const subscriptions = new KnownSubscriptions({
    find: (ids) => findSubscriptions(db, ids),
    foreign: new Allowance(FOREIGN_PER_SECOND),
  });
  const onWritten = (hints: readonly NewHint[], mailboxes: readonly WrittenHints[]): void => {
    for (const { sessionNo, joined } of joinedOf(hints, mailboxes)) {
      figures.joined += joined;
      counts.joined(sessionNo, joined);
    }
    for (const mailbox of mailboxes) if (!mailbox.waited) waking.soon(mailbox);
  };
  const writer = new HintWriter({ write: (hints) => addHints(db, hints), onWritten });
  const lifecycle = lifecycleTaker({
    subscriptions,
    figures,
    counts,
    workflows,
    log: warn,
    record: (events) => recordLifecycle(db, events),
  });
  const saveCounts = (): Promise<void> =>
    counts.save().catch((err: unknown) => warn({ err }, 'Counts of notifications could not be saved yet'));
  const saving = setInterval(() => void saveCounts(), COUNTS_EVERY_MS).unref();
  const endRelay = startRelay({
    claim: (limit) => claimWaiting(db, { waitedMs: SIGNAL_LOST_AFTER_MS, againMs: AGAIN_MS, limit }),
    unclaim: (mailboxes) => unclaim(db, mailboxes),
    wake: (mailboxes) => waking.all(mailboxes),
    onWoken: (readers) => (figures.relayed += readers),
    log: warn,
  });
  return {
    router: notificationRouter({
      notifications: notificationTaker({ subscriptions, figures, counts, writer, log: warn }),
      lifecycle: lifecycle.take,
      figures,
      limits: { ...DEFAULT_LIMITS, ...limits },
      log,
    }),
    figures,
    async close() {
      clearInterval(saving);
      lifecycle.close();
      await endRelay();
      await saveCounts();
      await within(HANG_MS, closeDatabase(db), () => new Error('the database hangs')).catch((err: unknown) =>
        warn({ err }, 'Connections of the receiver could not be closed and are left behind'),
      );
    },
  };
}

/** For each mailbox, how many of the hints named a message that one waited for already. */
function joinedOf(
  hints: readonly NewHint[],
  mailboxes: readonly WrittenHints[],
): { readonly sessionNo: number; readonly joined: number }[] {
  const named = new Map<string, number>();
  const keyOf = ({ sessionNo, mailboxId }: Pick<NewHint, 'sessionNo' | 'mailboxId'>): string =>
    `${sessionNo}/${mailboxId}`;
  for (const hint of hints) named.set(keyOf(hint), (named.get(keyOf(hint)) ?? 0) + 1);
  return mailboxes.map((mailbox) => ({
    sessionNo: mailbox.sessionNo,
    joined: (named.get(keyOf(mailbox)) ?? 0) - mailbox.added,
  }));
}
