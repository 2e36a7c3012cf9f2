import { isFinal, type ScanStatus } from './scan.ts';

/** How far a scan is, as the store counts it. */
export interface ScanCounts {
  readonly status: ScanStatus;
  /** ISO 8601; null before the scan had its turn. */
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Since when it stands still, and how long it did before that, ms: paused, or opened again without a turn yet. */
  readonly idleSince: string | null;
  readonly idleMs: number;
  /** Mailboxes found, and those of them that nobody has begun to read. */
  readonly total: number;
  readonly waiting: number;
  /** Mailboxes that were left out without being read. */
  readonly skipped: number;
  /** Messages stored so far. */
  readonly records: number;
  /** Messages that Graph counted in the folders of the mailboxes begun so far: a hint, it counts other items too. */
  readonly expected: number;
}

export interface Progress {
  /** Over all the time that it ran so far; one decimal. */
  readonly messagesPerSecond: number;
  /** Whole seconds; 0 once the scan has ended, null while nothing can be said. */
  readonly etaSeconds: number | null;
}

/**
 * Speed and time left of a scan. What is left of the mailboxes begun is known from Graph's counts; a mailbox not begun
 * yet is taken to be as big as those begun are on average.
 */
export function progressOf(counts: ScanCounts, now: Date): Progress {
  const rate = ratePerSecond(counts, now);
  return { messagesPerSecond: Math.round(rate * 10) / 10, etaSeconds: secondsLeft(counts, rate) };
}

function ratePerSecond({ startedAt, endedAt, idleSince, idleMs, records }: ScanCounts, now: Date): number {
  if (startedAt === null) return 0;
  const halted = endedAt ?? idleSince;
  const end = halted === null ? now.getTime() : Date.parse(halted);
  const milliseconds = end - Date.parse(startedAt) - idleMs;
  return milliseconds > 0 ? (records * 1000) / milliseconds : 0;
}

function secondsLeft({ status, total, waiting, skipped, records, expected }: ScanCounts, rate: number): number | null {
  if (isFinal(status)) return 0;
  const begun = total - waiting - skipped;
  if (status !== 'running' || begun <= 0 || rate <= 0) return null;
  const left = Math.max(expected - records, 0) + (waiting * Math.max(expected, records)) / begun;
  return Math.ceil(left / rate);
}
