import type { ScanFilters } from './scan.ts';

/** Where a session stands. The last two are final. */
export const SESSION_STATUSES = ['starting', 'running', 'stopping', 'stopped', 'failed'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];

/** `scheduled`: sweeps come by themselves. `manual`: mailboxes are polled when somebody asks. */
export const POLLING_MODES = ['scheduled', 'manual'] as const;
export type PollingMode = (typeof POLLING_MODES)[number];

/** How Graph's notifications stand: not wanted, being set up, coming, or not able to reach us. */
export type NotificationState = 'off' | 'starting' | 'on' | 'unreachable';

/** What a session is asked to do. */
export interface SessionSettings {
  readonly pollingMode: PollingMode;
  /** Between two sweeps, at most. */
  readonly pollingSeconds: number;
  /** Whether Graph is to notify of changes. */
  readonly notifications: boolean;
  /** Where Graph is to send them, `OUTHAUL_PUBLIC_URL`; null where there is none. */
  readonly notificationUrl: string | null;
  /** Whether messages are marked as read once they are stored. */
  readonly markAsRead: boolean;
  readonly onlyUnread: boolean;
  readonly filters: ScanFilters;
}

/** How many of a session's new messages a notification named, and how many only a delta found. */
export interface Told {
  readonly told: number;
  readonly missed: number;
}

/** The share of new messages that no notification named, 0 to 1; null where there were none. */
export const lossRate = ({ told, missed }: Told): number | null =>
  told + missed === 0 ? null : missed / (told + missed);

/** Messages of a mailbox that are named one after the other are joined for so long after the first at most, ms. */
export const JOINED_WITHIN_MS = 2_000;
/**
 * A message that was named so long ago and waits still, ms: the signal to its reader was lost, or the reader has much to
 * do. Joining, asking Graph and storing take less; a reader that is signalled meanwhile starts one slice more, in vain.
 */
export const SIGNAL_LOST_AFTER_MS = JOINED_WITHIN_MS + 3_000;

/** Lost notifications above this share make sweeps come more often. */
const HIGH_LOSS = 0.05;
/** New messages before a share of them says anything. */
const FEW = 20;
/** Sweeps that make up for notifications keep at least this distance. */
const LEAST_SECONDS = 30;

/** How often to sweep: as was asked for, or more often where notifications do not come or too many are lost. */
export function sweepSecondsFor(
  pollingSeconds: number,
  { notifications, ...told }: Told & { readonly notifications: NotificationState },
): number {
  const atMost = (seconds: number): number => Math.min(pollingSeconds, Math.max(LEAST_SECONDS, Math.floor(seconds)));
  if (notifications === 'unreachable') return atMost(60);
  const lossy = notifications === 'on' && told.told + told.missed >= FEW && (lossRate(told) ?? 0) > HIGH_LOSS;
  return lossy ? atMost(pollingSeconds / 4) : pollingSeconds;
}
