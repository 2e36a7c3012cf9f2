import type { temporal } from '@temporalio/proto';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/**
 * Temporal actions that an execution's history accounts for, as Temporal Cloud counts them: a start or continue-as-new
 * is one, a child's start two (one of which is the child's own), an activity one for each attempt, a timer, a signal
 * sent and an accepted update one each. Heartbeats are not in histories. Signals are counted where they are sent, or
 * received from outside.
 * Source: docs.temporal.io, Temporal Cloud, Actions.
 */
export function actionsOf(events: readonly HistoryEvent[]): number {
  return events.reduce((sum, event) => sum + actions(event), 0);
}

function actions(event: HistoryEvent): number {
  if (event.workflowExecutionStartedEventAttributes) return 1;
  if (event.startChildWorkflowExecutionInitiatedEventAttributes) return 1;
  if (event.activityTaskScheduledEventAttributes) return 1;
  if (event.activityTaskStartedEventAttributes) return (event.activityTaskStartedEventAttributes.attempt ?? 1) - 1;
  if (event.timerStartedEventAttributes) return 1;
  if (event.signalExternalWorkflowExecutionInitiatedEventAttributes) return 1;
  if (event.workflowExecutionUpdateAcceptedEventAttributes) return 1;
  if (event.upsertWorkflowSearchAttributesEventAttributes) return 1;
  const signalled = event.workflowExecutionSignaledEventAttributes;
  return signalled && !signalled.externalWorkflowExecution?.workflowId ? 1 : 0;
}
