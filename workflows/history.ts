import { workflowInfo } from '@temporalio/workflow';

/** Events after which a run continues as new; the server's own suggestion comes at 4,096. */
const MAX_EVENTS = 3000;

/** Whether this run should hand over to a new one at its next quiet point. */
export const historyIsLong = (maxEvents = MAX_EVENTS): boolean =>
  workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > maxEvents;
