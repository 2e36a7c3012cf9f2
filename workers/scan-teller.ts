import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { MailboxActivitiesOptions } from '../activities/mailbox-activities.ts';
import { scanWorkflowId } from '../model/ids.ts';
import { mailboxFinishedSignal } from '../workflows/messages.ts';

/** A signal that Temporal has not taken by then fails the slice, whose next attempt finds its folders read. */
const DEADLINE_MS = 10_000;

/** Signals scans. */
export const scanTeller =
  (client: Client): MailboxActivitiesOptions['tellScan'] =>
  async (organizationId, scanId, report) => {
    const scan = client.workflow.getHandle(scanWorkflowId(organizationId, scanId));
    try {
      await client.withDeadline(Date.now() + DEADLINE_MS, () => scan.signal(mailboxFinishedSignal, report));
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };
