import type { Client } from '@temporalio/client';
import { mailboxWorkflowId } from '../model/ids.ts';
import { readRequestedSignal } from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { ReadRequest } from '../workflows/requests.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import type { syncMailbox } from '../workflows/sync-mailbox.ts';

const DEADLINE_MS = 10_000;

/**
 * Has a mailbox read for nobody in particular: what there is to do stands in the store. Signals its reader, or starts it.
 * That is after new mail and before whole scans.
 * @param taskQueue where readers that do not run are started
 */
export const readerWaker =
  (client: Client, { taskQueue }: { readonly taskQueue: string }) =>
  async (organizationId: string, mailboxId: string): Promise<void> => {
    await client.withDeadline(Date.now() + DEADLINE_MS, () =>
      client.workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
        workflowId: mailboxWorkflowId(organizationId, mailboxId),
        taskQueue,
        signal: readRequestedSignal,
        signalArgs: [{ urgency: 'incremental' }],
        args: [{ organizationId, mailboxId, reads: { begun: [], asked: [] } }],
        priority: priorityOf('incremental', organizationId),
        typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
        staticSummary: `Reader of mailbox ${mailboxId}`,
      }),
    );
  };
