import type { Priority } from '@temporalio/common';
import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { Priority as DestinationPriority } from '../model/destination.ts';
import type { Urgency } from './requests.ts';

/**
 * Every time-out and retry policy of Outhaul's activities. Errors that no retry mends reach Temporal as non-retryable
 * (the activity interceptor decides by type), and it says when to try the others again. So the intervals here hold for
 * attempts that were lost with their worker, which should be made up for at once, however many were lost before.
 */

/** Short statements on the store. The store may be away for hours: they wait for it. */
export const STORE_CALL: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
};

/** The same, where what comes after must not overtake it though it is cancelled. */
export const SESSION_CALL: ActivityOptions = {
  ...STORE_CALL,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

/** The credential check answers a person who waits, so it gives up soon. */
export const CREDENTIAL_CHECK: ActivityOptions = {
  startToCloseTimeout: '40 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
};

const LOST_ATTEMPTS = { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 seconds' } as const;

/** Lists a tenant's users, page by page; resumes from its heartbeat. */
export const DISCOVERY: ActivityOptions = {
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

/** Asks one reader after the other, in a measured way; resumes from its heartbeat. */
export const WAKING: ActivityOptions = {
  startToCloseTimeout: '2 hours',
  heartbeatTimeout: '12 seconds',
  retry: LOST_ATTEMPTS,
};

/** Probes mailboxes by the thousand; resumes from its heartbeat. */
export const SWEEPING: ActivityOptions = {
  startToCloseTimeout: '2 hours',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

/** Creates and renews subscriptions, in a measured way; what was done stands in the store. */
export const SUBSCRIBING: ActivityOptions = SWEEPING;

/** The same, where a session's start waits for it. */
export const PUBLIC_URL_CHECK: ActivityOptions = { ...SUBSCRIBING, scheduleToCloseTimeout: '5 minutes' };

/** A session's end does not wait for a Graph that is away: what is not removed expires. */
export const UNSUBSCRIBING: ActivityOptions = { ...SUBSCRIBING, scheduleToCloseTimeout: '15 minutes' };

/** Owes a destination what is stored, stretch by stretch; what was done stands in the store. */
export const FEEDING: ActivityOptions = SWEEPING;

/** A step of the upkeep of destinations: where it cannot be done, the run of the next minute tries again. */
export const UPKEEP: ActivityOptions = {
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout: '12 seconds',
  retry: { ...LOST_ATTEMPTS, maximumAttempts: 3 },
};

/** A slice: minutes of pages. The activity itself turns a failure final once its attempts are used up. */
export const SLICE: ActivityOptions = {
  // Slices last minutes. What cannot be handed over in the middle (asking by id for what vanished) may last longer.
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

/** Hands on what a destination is owed, for minutes. Whatever stops it, what it has not recorded is still owed. */
export const DRAIN: ActivityOptions = {
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

/** Brings the contacts in Airtable up to date. Whatever stops it, the next attempt reads again what Airtable has. */
export const CONTACT_SYNC: ActivityOptions = {
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

/** The check of a connection: a person waits for it, and it tries one thing after the other. */
export const CONNECTION_CHECK: ActivityOptions = {
  startToCloseTimeout: '100 seconds',
  heartbeatTimeout: '12 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: LOST_ATTEMPTS,
};

const PRIORITY: Readonly<Record<Urgency | DestinationPriority, number>> = {
  ...{ live: 1, incremental: 3, full: 5 },
  ...{ high: 1, medium: 3, low: 5 },
};

/**
 * Temporal's priority, 1 first, of what is done for an organization: a big first scan never delays new mail, and within
 * a priority organizations take turns. A fairness key has 64 bytes at most.
 */
export const priorityOf = (urgency: Urgency | DestinationPriority, organizationId: string): Priority => ({
  priorityKey: PRIORITY[urgency],
  fairnessKey: organizationId.slice(0, 64),
});
