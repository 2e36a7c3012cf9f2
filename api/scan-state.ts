import { contentOf } from '../model/content.ts';
import { scanWorkflowId } from '../model/ids.ts';
import { progressOf } from '../model/progress.ts';
import { isFinal } from '../model/scan.ts';
import type { MailboxTotals } from '../store/mailbox-totals.ts';
import type { Scan } from '../store/scans.ts';
import type { ScanName, ScanWorkflows } from './scan-workflows.ts';
import { within } from './within.ts';

/** The state of a scan, as the contract words it, but for its workflow. */
export function stateOf(scan: Scan, totals: MailboxTotals, now: Date): object {
  const { total, running, completed, failed, skipped, records } = totals;
  return {
    scanId: scan.scanId,
    organizationId: scan.organizationId,
    status: scan.status,
    mode: scan.mode,
    content: contentOf(scan.filters),
    startTime: scan.startedAt ?? scan.requestedAt,
    endTime: scan.endedAt,
    recordsExtracted: records,
    mailboxes: { total, running, completed, failed, skipped },
    ...progressOf({ ...totals, ...scan }, now),
    errorMessage: scan.errorMessage,
    checkpointInfo: {
      phase: phaseOf(scan, totals),
      recordsProcessed: records,
      updatedAt: totals.updatedAt,
      running: totals.runningMailboxes.map(({ mailboxId, folder, records: recordsProcessed }) => ({
        mailbox: mailboxId,
        folder,
        recordsProcessed,
      })),
    },
  };
}

function phaseOf({ status }: Scan, { total }: MailboxTotals): 'pending' | 'mailboxes' | 'emails' | 'emails_completed' {
  if (isFinal(status)) return 'emails_completed';
  if (status === 'pending') return 'pending';
  return total === 0 ? 'mailboxes' : 'emails';
}

/** How long the status of a scan waits for Temporal. */
const PATIENCE_MS = 2_000;

/** The id of the scan's latest run; null where Temporal does not know it, or is out of reach. */
export const runIdOf = (workflows: ScanWorkflows, scan: ScanName): Promise<string | null> =>
  within(PATIENCE_MS, workflows.describe(scan), () => new Error('no answer in time')).then(
    (state) => state?.runId ?? null,
    () => null,
  );

/** Where to find the scan's workflow. */
export function workflowOf(
  { organizationId, scanId }: ScanName,
  runId: string | null,
  { uiUrl, namespace }: { uiUrl: string | undefined; namespace: string },
): { id: string; runId: string | null; url: string | null } {
  const id = scanWorkflowId(organizationId, scanId);
  return { id, runId, url: workflowUrl(id, runId, { uiUrl, namespace }) };
}

/** A workflow in the Temporal Web UI; null where nobody has said where that is. */
export function workflowUrl(
  id: string,
  runId: string | null,
  { uiUrl, namespace }: { uiUrl: string | undefined; namespace: string },
): string | null {
  if (!uiUrl) return null;
  const path = ['namespaces', namespace, 'workflows', id, ...(runId === null ? [] : [runId])];
  return `${uiUrl.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`;
}
