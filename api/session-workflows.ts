import {
  ScheduleNotFoundError,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionStatusName,
} from '@temporalio/client';
import { sessionWorkflowId, sweepWorkflowId } from '../model/ids.ts';
import type { keepSession, KeepSessionInput } from '../workflows/keep-session.ts';
import { sessionStartedUpdate, stopSessionSignal, type SessionStart } from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import { organizationIdKey, scanIdKey } from '../workflows/search-attributes.ts';
import { withOwnSignal } from './own-signal.ts';

/** Temporal's record of an organization's session. */
export interface SessionWorkflow {
  readonly runId: string;
  readonly status: WorkflowExecutionStatusName;
  /** Which session it is, for one follows the other under the same id. */
  readonly sessionId: string | undefined;
}

/** What the API asks of Temporal about sessions. Every call has a deadline. */
export interface SessionWorkflows {
  /**
   * Starts a session's workflow and waits until it runs or is turned down: an update with start.
   * @throws {WorkflowExecutionAlreadyStartedError} when a session of the organization runs already
   * @throws {WorkflowUpdateRPCTimeoutOrCancelledError} when no worker answers in time, or `signal` aborts
   */
  start(session: KeepSessionInput & { readonly sessionId: string }, signal: AbortSignal): Promise<SessionStart>;
  /** Tells the session to end, and why. False where none runs. */
  stop(organizationId: string, reason: string): Promise<boolean>;
  /** Waits for the end of a session that was told so; false where that takes longer. */
  ended(organizationId: string, milliseconds: number): Promise<boolean>;
  /** Undefined where Temporal knows of no session. */
  describe(organizationId: string): Promise<SessionWorkflow | undefined>;
  /** Ends the session where it stands, and takes its schedule away. What Graph keeps of it, a next session finds. */
  terminate(organizationId: string, reason: string): Promise<void>;
}

/** For calls that need no worker. */
const CALL_MS = 5_000;

export function createSessionWorkflows(
  client: Client,
  { orchestrationQueue, startMs }: { readonly orchestrationQueue: string; readonly startMs: number },
): SessionWorkflows {
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, call);
  const handleOf = (organizationId: string) =>
    client.workflow.getHandle<typeof keepSession>(sessionWorkflowId(organizationId));
  return {
    start: ({ sessionId, ...input }, signal) =>
      client.withDeadline(Date.now() + startMs, () =>
        withOwnSignal(client, signal, () =>
          client.workflow.executeUpdateWithStart(sessionStartedUpdate, {
            startWorkflowOperation: new WithStartWorkflowOperation<typeof keepSession>('keepSession', {
              workflowId: sessionWorkflowId(input.organizationId),
              workflowIdConflictPolicy: 'FAIL',
              taskQueue: orchestrationQueue,
              args: [input],
              priority: priorityOf('incremental', input.organizationId),
              typedSearchAttributes: [
                { key: organizationIdKey, value: input.organizationId },
                { key: scanIdKey, value: sessionId },
              ],
              staticSummary: `Session of ${input.organizationId}`,
            }),
          }),
        ),
      ),
    stop: (organizationId, reason) =>
      unlessMissing(() => soon(() => handleOf(organizationId).signal(stopSessionSignal, { reason }))),
    async ended(organizationId, milliseconds) {
      try {
        await client.withAbortSignal(AbortSignal.timeout(milliseconds), () => handleOf(organizationId).result());
        return true;
      } catch {
        // It ended in another way, or goes on: the store tells how the session stands.
        return false;
      }
    },
    async describe(organizationId) {
      try {
        const { runId, status, typedSearchAttributes } = await soon(() => handleOf(organizationId).describe());
        return { runId, status: status.name, sessionId: typedSearchAttributes.get(scanIdKey) };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },
    async terminate(organizationId, reason) {
      await unlessMissing(() => soon(() => handleOf(organizationId).terminate(reason)));
      await unlessMissing(() => soon(() => client.schedule.getHandle(sweepWorkflowId(organizationId)).delete()));
    },
  };
}

/** False where Temporal knows no such workflow or schedule, or the workflow has ended. */
async function unlessMissing(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
