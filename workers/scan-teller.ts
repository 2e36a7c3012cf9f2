import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { ScanTeller } from '../activities/mailbox-activities.ts';
import { scanWorkflowId } from '../model/ids.ts';
import { mailboxFinishedSignal, mailboxWaitsSignal } from '../workflows/messages.ts';

/** A signal that Temporal has not taken by then fails the slice, whose next attempt finds its folders read. */
const DEADLINE_MS = 10_000;

/** Signals scans. */
export function scanTeller(client: Client): ScanTeller {
  const tell = async (organizationId: string, scanId: string, signal: (scan: WorkflowHandle) => Promise<void>) => {
    const scan = client.workflow.getHandle(scanWorkflowId(organizationId, scanId));
    try {
      await client.withDeadline(Date.now() + DEADLINE_MS, () => signal(scan));
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };
  return {
    finished: (organizationId, scanId, report) =>
      tell(organizationId, scanId, (scan) => scan.signal(mailboxFinishedSignal, report)),
    waits: (organizationId, scanId, wait) =>
      tell(organizationId, scanId, (scan) => scan.signal(mailboxWaitsSignal, wait)),
  };
}
