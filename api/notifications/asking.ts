import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { sessionWorkflowId } from '../../model/ids.ts';
import { sessionNudgedSignal } from '../../workflows/messages.ts';
import type { ReadRequest } from '../../workflows/requests.ts';
import { readerStart } from '../../workflows/starts.ts';
import type { syncMailbox } from '../../workflows/sync-mailbox.ts';

/** What the receiver asks of Temporal. */
export interface NotificationWorkflows {
  /** Has a mailbox read for nobody in particular: starts its reader, or signals the one that runs. */
  wakeReader(organizationId: string, mailboxId: string, urgency: 'live' | 'incremental'): Promise<void>;
  /** Has the organization's session look at its subscriptions; where none runs, nobody needs to. */
  nudgeSession(organizationId: string): Promise<void>;
}

const CALL_MS = 5_000;

export const createNotificationWorkflows = (
  client: Client,
  { orchestrationQueue: taskQueue }: { readonly orchestrationQueue: string },
): NotificationWorkflows => ({
  async wakeReader(organizationId, mailboxId, urgency) {
    await client.withDeadline(Date.now() + CALL_MS, () =>
      client.workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
        ...readerStart(organizationId, mailboxId, urgency),
        taskQueue,
      }),
    );
  },
  async nudgeSession(organizationId) {
    const session = client.workflow.getHandle(sessionWorkflowId(organizationId));
    await client
      .withDeadline(Date.now() + CALL_MS, () => session.signal(sessionNudgedSignal))
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
  },
});
