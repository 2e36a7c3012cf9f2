import { workflowInfo } from '@temporalio/workflow';

/**
 * Events after which a run continues as new; the server's own suggestion comes at 4,096. A run goes on a little from here:
 * a slice hears with its next heartbeat, seconds later, that it is cancelled, and a flood of requests does not wait for it.
 */
const MAX_EVENTS = 2000;

/** Whether this run should hand over to a new one at its next quiet point. */
export const historyIsLong = (maxEvents = MAX_EVENTS): boolean =>
  workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > maxEvents;
