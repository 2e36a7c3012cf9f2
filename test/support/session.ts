import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import type { ScanActivities } from '../../activities/scan-activities.ts';
import type { SessionActivities } from '../../activities/session-activities.ts';
import type { SubscriptionActivities } from '../../activities/subscription-activities.ts';
import { sessionWorkflowId } from '../../model/ids.ts';
import type { keepSession, KeepSessionInput } from '../../workflows/keep-session.ts';
import { sessionStartedUpdate, type SessionStart } from '../../workflows/messages.ts';
import { Tenant, type PlayedActivities } from './tenant.ts';
import type { WorkflowStage } from './temporal.ts';

type Played = SessionActivities & SubscriptionActivities & Pick<ScanActivities, 'checkCredential'>;

const NEVER_DUE = { nextDueMs: 86_400_000, active: 1, refused: 0 };

/** A session in memory, with which the activities can be played. */
export class PlayedSession {
  /** What was done, in order. */
  readonly calls: string[] = [];
  end: { status: string; reason: string } | undefined;
  trouble: string | null = null;

  /** How often it was done. */
  times(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }

  activities(over: Partial<Played> = {}): PlayedActivities {
    const played: Played = {
      checkCredential: async () => ({ status: 'accepted' }),
      beginSession: async () => ({ scanNo: 7, notifications: true }),
      followMailboxes: async () => ({ followed: 3, joined: 3, left: 0 }),
      checkPublicUrl: async () => ({ reachable: true }),
      keepSubscriptions: async () => NEVER_DUE,
      removeSubscriptions: async () => ({ removed: 3 }),
      keepSweeps: async () => ({ sweepSeconds: 300 }),
      sweepNow: async () => undefined,
      removeSweeps: async () => undefined,
      recordNotifications: async () => undefined,
      recordTrouble: async ({ trouble }) => void (this.trouble = trouble),
      recordRunning: async () => undefined,
      recordStopping: async () => undefined,
      workWaits: async () => false,
      endSession: async ({ status, reason }) => {
        this.end = { status, reason };
        return status;
      },
      ...over,
    };
    const noted = Object.entries(played).map(([name, activity]) => [
      name,
      (input: never) => {
        this.calls.push(name);
        return (activity as (input: never) => Promise<unknown>)(input);
      },
    ]);
    return new Tenant(0).activities(Object.fromEntries(noted) as Played);
  }
}

/** Starts a session as the API does; `answer` is how that went. */
export function startSession(
  { client, queues, organizationId }: WorkflowStage,
  input: Partial<KeepSessionInput> = {},
): { readonly handle: WorkflowHandle<typeof keepSession>; readonly answer: Promise<SessionStart> } {
  const workflowId = sessionWorkflowId(organizationId);
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof keepSession>('keepSession', {
    workflowId,
    taskQueue: queues.orchestration,
    args: [{ organizationId, sessionNo: 1, ...input }],
    workflowIdConflictPolicy: 'FAIL',
  });
  const answer = client.workflow.executeUpdateWithStart(sessionStartedUpdate, { startWorkflowOperation });
  return { handle: client.workflow.getHandle<typeof keepSession>(workflowId), answer };
}
