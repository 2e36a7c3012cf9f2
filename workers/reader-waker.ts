import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { QuarantineActivitiesOptions } from '../activities/quarantine-activities.ts';
import { mailboxWorkflowId } from '../model/ids.ts';
import { readRequestedSignal } from '../workflows/messages.ts';
import { PRIORITY } from '../workflows/policies.ts';
import type { ReadRequest } from '../workflows/requests.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import type { syncMailbox } from '../workflows/sync-mailbox.ts';

const DEADLINE_MS = 10_000;
/** Before whole scans, whose slices it may interrupt, for someone has asked; after new mail. */
const URGENCY = 'incremental';

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
): QuarantineActivitiesOptions['wakeReader'] {
  const { workflow } = new Client({ connection, ...options });
  return async (organizationId, mailboxId) => {
    await connection.withDeadline(Date.now() + DEADLINE_MS, () =>
      workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
        workflowId: mailboxWorkflowId(organizationId, mailboxId),
        taskQueue,
        signal: readRequestedSignal,
        signalArgs: [{ urgency: URGENCY }],
        args: [{ organizationId, mailboxId, reads: { begun: [], asked: [] } }],
        priority: { priorityKey: PRIORITY[URGENCY], fairnessKey: organizationId.slice(0, 64) },
        typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
        staticSummary: `Reader of mailbox ${mailboxId}`,
      }),
    );
  };
}
