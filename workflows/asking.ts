import { ChildWorkflowFailure, TerminatedFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  startChild,
} from '@temporalio/workflow';
import { mailboxWorkflowId, scanWorkflowId } from '../model/ids.ts';
import type { MailboxReport } from '../model/scan.ts';
import { readRequestedSignal, readWithdrawnSignal, turnFreedSignal } from './messages.ts';
import { priorityOf } from './policies.ts';
import type { ReadRequest } from './requests.ts';
import { organizationIdKey, scanIdKey } from './search-attributes.ts';
import { syncMailbox } from './sync-mailbox.ts';

/** What who asks hears of a reader that it has started. */
export interface ReaderEnd {
  /** The reader has ended with the report that its starter waits for; undefined: that was told by a signal, or withdrawn. */
  readonly ended: (report: MailboxReport | undefined) => void;
  /** It was terminated and reports nothing. */
  readonly lost: () => void;
}

/**
 * Has a mailbox read: starts its reader, or signals the one that runs, which then reports by a signal. The reader may end
 * between the two, then it is started again; the loop settles because one of the two holds at any moment.
 */
export async function askMailbox(
  organizationId: string,
  mailboxId: string,
  request: Required<ReadRequest>,
  { ended, lost }: ReaderEnd,
): Promise<void> {
  const workflowId = mailboxWorkflowId(organizationId, mailboxId);
  const { urgency, waiter } = request;
  const asked = [{ urgency, waiters: [{ ...waiter, byEnd: true }] }];
  for (;;) {
    try {
      const reader = await startChild(syncMailbox, {
        workflowId,
        args: [{ organizationId, mailboxId, reads: { begun: [], asked } }],
        // Both, or a scan that is cancelled would take readers with it that others wait for.
        parentClosePolicy: ParentClosePolicy.ABANDON,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
        priority: priorityOf(urgency, organizationId),
        typedSearchAttributes: [
          { key: organizationIdKey, value: organizationId },
          { key: scanIdKey, value: waiter.scanId },
        ],
        staticSummary: `Reader of mailbox ${mailboxId}`,
      });
      reader.result().then(ended, (error: unknown) => {
        if (error instanceof ChildWorkflowFailure && error.cause instanceof TerminatedFailure) lost();
      });
      return;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    if (await signalled(() => getExternalWorkflowHandle(workflowId).signal(readRequestedSignal, request))) return;
  }
}

/** Tells the readers of the mailboxes that a scan no longer waits. */
export async function withdrawFrom(
  organizationId: string,
  mailboxIds: readonly string[],
  scanId: string,
): Promise<void> {
  await Promise.all(
    mailboxIds.map((mailboxId) =>
      signalled(() =>
        getExternalWorkflowHandle(mailboxWorkflowId(organizationId, mailboxId)).signal(readWithdrawnSignal, { scanId }),
      ),
    ),
  );
}

/** Wakes the scans that wait for their turn. */
export async function tellWaitingScans(scans: readonly { organizationId: string; scanId: string }[]): Promise<void> {
  await Promise.all(
    scans.map(({ organizationId, scanId }) =>
      signalled(() => getExternalWorkflowHandle(scanWorkflowId(organizationId, scanId)).signal(turnFreedSignal)),
    ),
  );
}

/** Whether a signal arrived; it does not where the workflow has ended. */
async function signalled(send: () => Promise<void>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch {
    return false;
  }
}
