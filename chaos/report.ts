import type { MailboxPeak } from '../simulator/index.ts';
import type { Done } from './chaos.ts';
import type { Reconciliation } from './reconcile.ts';
import { groupedBy } from './grouped.ts';
import { medianAndWorst, type Incident, type Recovery } from './recovery.ts';
import type { Rereads } from './reread.ts';

/** The last line of a run. */
export interface Report {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly scans: number;
  readonly messages: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly different: number;
  readonly unexplained: number;
  readonly peakMailboxConcurrency: number;
  /** Of the kills, those after which the time to progress could be measured. */
  readonly recoveriesMeasured: number;
  readonly recoverySecondsMedian: number | null;
  readonly recoverySecondsWorst: number | null;
  /** Pages of one mailbox that one kill, and nothing else, made be read again: what was in flight. */
  readonly rereadPagesWorst: number;
  /** Pages that were read again though they were committed. */
  readonly rereadCommitted: number;
}

export interface Outcome {
  readonly seed: number;
  readonly done: Done;
  /** What Graph did, and how mail changed, by name. */
  readonly graphFaults: Readonly<Record<string, number>>;
  readonly scans: number;
  readonly reconciliation: Reconciliation;
  readonly unexplained: number;
  readonly peakMailboxConcurrency: number;
  readonly recoveries: readonly Recovery[];
  readonly rereads: Rereads;
}

export function reportOf(outcome: Outcome): Report {
  const { seed, done, graphFaults, scans, reconciliation, unexplained, peakMailboxConcurrency, recoveries, rereads } =
    outcome;
  const { messages, missing, duplicated, different } = reconciliation;
  const { median, worst } = medianAndWorst(recoveries);
  return {
    ...{ seed, faults: { ...done.counts, ...graphFaults }, kills: done.kills.length, scans },
    ...{ messages, missing, duplicated, different, unexplained, peakMailboxConcurrency },
    ...{ recoveriesMeasured: recoveries.length, recoverySecondsMedian: median, recoverySecondsWorst: worst },
    ...{ rereadPagesWorst: rereads.worst, rereadCommitted: rereads.committed.length },
  };
}

/** Graph lets an app make so many requests at a time for one mailbox. */
const MOST_AT_A_TIME = 4;

/** What the most requests at a time for one mailbox are failed for, in words; nothing where Graph lets them pass. */
export const concurrencyFaults = (peak: number): string[] =>
  peak > MOST_AT_A_TIME ? [`${peak} requests at a time for one mailbox, more than ${MOST_AT_A_TIME}`] : [];

/** What was in flight when a mailbox was asked too much at a time, for who looks for the reason. */
export function peakLines(peak: MailboxPeak | null): string[] {
  if (!peak || peak.requests.length <= MOST_AT_A_TIME) return [];
  const requests = peak.requests.map(({ kind, ms }) => `${kind} for ${ms} ms`);
  return [`At ${peak.at} a mailbox had in flight: ${requests.join(', ')}`];
}

/** A mailbox has so many pages in flight: being asked for, or being stored (`PAGES_AT_ONCE` in activities). */
const MOST_IN_FLIGHT = 3;

/** What a run is failed for, in words; nothing where it passed. */
export function faultsOf(report: Report): string[] {
  const { missing, duplicated, different, unexplained, peakMailboxConcurrency, rereadPagesWorst, rereadCommitted } =
    report;
  const wrong = Object.entries({ missing, duplicated, different, unexplained }).filter(([, count]) => count !== 0);
  return [
    ...wrong.map(([what, count]) => `${count} ${what}`),
    ...concurrencyFaults(peakMailboxConcurrency),
    ...(rereadPagesWorst > MOST_IN_FLIGHT
      ? [`${rereadPagesWorst} pages of one mailbox read again because of one kill, more than ${MOST_IN_FLIGHT}`]
      : []),
    ...(rereadCommitted > 0 ? [`${rereadCommitted} pages read again though they were committed`] : []),
  ];
}

/** How soon the product went on, for each kind of kill, and after how many of them that could be measured. */
export const recoveryLines = (recoveries: readonly Recovery[], kills: readonly Incident[]): string[] =>
  [...groupedBy(kills, ({ name }) => name)].map(([name, all]) => {
    const some = recoveries.filter((one) => one.name === name);
    const measured = `${name}: ${some.length} of ${all.length} measured`;
    if (some.length === 0) return measured;
    const { median, worst } = medianAndWorst(some);
    return `${measured}, went on after ${median} s in the median, ${worst} s at worst`;
  });
