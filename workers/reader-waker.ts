import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { mailboxWorkflowId } from '../model/ids.ts';
import { readRequestedSignal } from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { ReadRequest, Urgency } from '../workflows/requests.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import type { syncMailbox } from '../workflows/sync-mailbox.ts';

const DEADLINE_MS = 10_000;

/**
 * Has a mailbox read for nobody in particular: what there is to do stands in the store. `live`: a notification has named
 * new mail. `incremental`: someone has asked, or a sweep found something; before whole scans, after new mail.
 */
export type WakeReader = (
  organizationId: string,
  mailboxId: string,
  urgency: Exclude<Urgency, 'full'>,
) => Promise<void>;

/** Asks readers over the worker's own connection, starting those that do not run. */
export function readerWaker(
  connection: NativeConnection,
  {
    taskQueue,
    ...options
  }: Pick<ConstructorParameters<typeof Client>[0] & object, 'namespace' | 'dataConverter'> & {
    /** Where readers that do not run are started. */
    readonly taskQueue: string;
  },
): WakeReader {
  const { workflow } = new Client({ connection, ...options });
  return async (organizationId, mailboxId, urgency) => {
    await connection.withDeadline(Date.now() + DEADLINE_MS, () =>
      workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
        workflowId: mailboxWorkflowId(organizationId, mailboxId),
        taskQueue,
        signal: readRequestedSignal,
        signalArgs: [{ urgency }],
        args: [{ organizationId, mailboxId, reads: { begun: [], asked: [] } }],
        priority: priorityOf(urgency, organizationId),
        typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
        staticSummary: `Reader of mailbox ${mailboxId}`,
      }),
    );
  };
}
