import { Client, WorkflowNotFoundError } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { MailboxActivitiesOptions } from '../activities/mailbox-activities.ts';
import { scanWorkflowId } from '../model/ids.ts';
import { mailboxFinishedSignal } from '../workflows/messages.ts';

/** A signal that Temporal has not taken by then fails the slice, whose next attempt finds its folders read. */
const DEADLINE_MS = 10_000;

/** Signals scans over the worker's own connection. */
export function scanTeller(
  connection: NativeConnection,
  options: Pick<ConstructorParameters<typeof Client>[0] & object, 'namespace' | 'dataConverter'>,
): MailboxActivitiesOptions['tellScan'] {
  const { workflow } = new Client({ connection, ...options });
  return async (organizationId, scanId, report) => {
    const scan = workflow.getHandle(scanWorkflowId(organizationId, scanId));
    try {
      await connection.withDeadline(Date.now() + DEADLINE_MS, () => scan.signal(mailboxFinishedSignal, report));
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };
}
