import type { ChangeType } from './subscription.ts';

/** What became of notifications. Each counts once, however often it was sent. */
export interface Outcomes {
  made: number;
  /** Never sent, on purpose. */
  lost: number;
  /** Accepted by their endpoint, once at least. */
  delivered: number;
  /** Given up: too many waited, they were refused for too long, or their subscription was gone before they were sent again. */
  failed: number;
}

/** Notifications that count together, with what is left of them and the part of those that have ended that never came. */
export interface OutcomesReport extends Outcomes {
  /** Neither lost nor delivered nor given up so far. */
  pending: number;
  /** 0 to 1. */
  trueLoss: number;
}

/** What was sent. */
export interface Traffic {
  /** Notifications that were sent, both copies of those that were doubled. */
  sent: number;
  /** Notifications of which two copies were made on purpose. */
  duplicated: number;
  /** How often a notification was sent again because it had not been accepted. */
  retried: number;
  requests: number;
  /** Requests that were not answered in time, or with another status than 2xx. */
  refused: number;
  /** Requests that took longer than a first answer may. */
  slow: number;
}

/** Everything that is counted of notifications; those of lifecycles count apart. */
export interface NotificationCounts extends OutcomesReport, Traffic {
  byChangeType: Partial<Record<ChangeType, OutcomesReport>>;
  /** By user id. */
  mailboxes: Record<string, OutcomesReport>;
  lifecycle: OutcomesReport;
}

/** Counts notifications from its making on. */
export class Counter {
  readonly all = noOutcomes();
  readonly lifecycle = noOutcomes();
  readonly traffic: Traffic = { sent: 0, duplicated: 0, retried: 0, requests: 0, refused: 0, slow: 0 };
  readonly #byType = new Map<ChangeType, Outcomes>();
  readonly #byMailbox = new Map<string, Outcomes>();

  /** Where a notification counts. */
  tallies(userId: string, changeType: ChangeType): readonly Outcomes[] {
    return [this.all, outcomesIn(this.#byType, changeType), outcomesIn(this.#byMailbox, userId)];
  }

  read(): NotificationCounts {
    return {
      ...reportOf(this.all),
      ...this.traffic,
      byChangeType: reportsOf(this.#byType),
      mailboxes: reportsOf(this.#byMailbox),
      lifecycle: reportOf(this.lifecycle),
    };
  }
}

function outcomesIn<Key>(map: Map<Key, Outcomes>, key: Key): Outcomes {
  let outcomes = map.get(key);
  if (!outcomes) map.set(key, (outcomes = noOutcomes()));
  return outcomes;
}

function noOutcomes(): Outcomes {
  return { made: 0, lost: 0, delivered: 0, failed: 0 };
}

function reportsOf<Key extends string>(map: ReadonlyMap<Key, Outcomes>): Record<Key, OutcomesReport> {
  return Object.fromEntries([...map].map(([key, outcomes]) => [key, reportOf(outcomes)])) as Record<
    Key,
    OutcomesReport
  >;
}

function reportOf(outcomes: Outcomes): OutcomesReport {
  const { made, lost, delivered, failed } = outcomes;
  const ended = lost + delivered + failed;
  return { ...outcomes, pending: made - ended, trueLoss: ended === 0 ? 0 : (lost + failed) / ended };
}
