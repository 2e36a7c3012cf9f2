/** What an `organizationId` or a `scanId` may be: it becomes part of workflow ids, paths and, folded, a schema name. */
export const ID_PATTERN = /^[A-Za-z0-9._-]{1,100}$/;

/** Which is also what a person is told. */
export const ID_RULE = 'must be 1 to 100 letters, digits, ".", "_" or "-"';

/** The workflow of a scan. Ids hold directory ids only, never addresses: Temporal keeps them in the clear. */
export const scanWorkflowId = (organizationId: string, scanId: string): string => `scan/${organizationId}/${scanId}`;

/** One check of an organization's connection. */
export const connectionWorkflowId = (organizationId: string, checkNo: number): string =>
  `connection/${organizationId}/${checkNo}`;

/** One request to try messages in quarantine again. */
export const retryWorkflowId = (organizationId: string, requestId: string): string =>
  `retry/${organizationId}/${requestId}`;

/** The one reader of a mailbox. */
export const mailboxWorkflowId = (organizationId: string, mailboxId: string): string =>
  `mailbox/${organizationId}/${mailboxId}`;

/** The one session of an organization: it runs as long as no other may. */
export const sessionWorkflowId = (organizationId: string): string => `session/${organizationId}`;

/** The sweep of a session's mailboxes, and the Schedule that starts it. */
export const sweepWorkflowId = (organizationId: string): string => `sweep/${organizationId}`;

/** What the names of polls begin with: scans that somebody has asked for to see at once what has changed. */
export const POLL = 'poll-';
export const isPollId = (scanId: string): boolean => scanId.startsWith(POLL);

/** A Schedule of scans, and, with the time that Temporal adds, what it starts. */
export const scheduleWorkflowId = (organizationId: string, scheduleId: string): string =>
  `schedule/${organizationId}/${scheduleId}`;

/**
 * The scan of a workflow that a Schedule has started: `nightly-20261121T020000Z`. Temporal ends such a workflow's id with
 * the time at which it was due, `-2026-11-21T02:00:00Z`.
 */
export const scheduledScanId = (scheduleId: string, workflowId: string): string =>
  `${scheduleId}-${workflowId.slice(-'2026-11-21T02:00:00Z'.length).replace(/[-:]/g, '')}`;

/** The one sync of an organization's contacts, its Schedule, and, with the time that Temporal adds, what that starts. */
export const contactsWorkflowId = (organizationId: string): string => `contacts/${organizationId}`;

/** The one sender to a destination. */
export const deliverWorkflowId = (destinationId: string): string => `deliver/${destinationId}`;

/** What feeds a new destination with what is stored already. */
export const feedWorkflowId = (destinationId: string): string => `feed/${destinationId}`;

/** One request to owe a destination a window of time once more. */
export const replayWorkflowId = (destinationId: string, requestId: string): string =>
  `replay/${destinationId}/${requestId}`;

/** The upkeep of all destinations of an installation, and the Schedule that starts it. */
export const upkeepWorkflowId = (taskQueuePrefix: string): string =>
  taskQueuePrefix === 'outhaul' ? 'delivery-upkeep' : `delivery-upkeep/${taskQueuePrefix}`;
