import {
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionStatusName,
} from '@temporalio/client';
import type { SignalDefinition } from '@temporalio/common';
import pLimit from 'p-limit';
import { scanWorkflowId } from '../model/ids.ts';
import type { ScanMode } from '../model/scan.ts';
import {
  admittedUpdate,
  pauseSignal,
  readWithdrawnSignal,
  resumeSignal,
  reviewSignal,
  turnFreedSignal,
  type ScanAdmission,
} from '../workflows/messages.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { ScanTenantInput, scanTenant } from '../workflows/scan-tenant.ts';
import { organizationIdKey, scanIdKey } from '../workflows/search-attributes.ts';
import { withOwnSignal } from './own-signal.ts';

/** Which scan. */
export interface ScanName {
  readonly organizationId: string;
  readonly scanId: string;
}

/** Temporal's record of a scan's workflow. */
export interface WorkflowState {
  readonly runId: string;
  readonly status: WorkflowExecutionStatusName;
}

export interface ScanToStart {
  readonly input: ScanTenantInput;
  readonly mode: ScanMode;
  /** For the Temporal Web UI, which operators read: counts, no personal data. */
  readonly details: string;
}

/** What the API asks of Temporal about scans. Every call has a deadline, for without one it may wait for ever. */
export interface ScanWorkflows {
  /**
   * Starts a scan's workflow and waits for its admission: an update with start, so that one call does both.
   * @throws {WorkflowExecutionAlreadyStartedError} when a workflow of that scan runs already
   * @throws {WorkflowUpdateRPCTimeoutOrCancelledError} when no worker answers in time, or `signal` aborts
   */
  admit(scan: ScanToStart, signal: AbortSignal): Promise<ScanAdmission>;
  /** Undefined where Temporal knows no such workflow. */
  describe(scan: ScanName): Promise<WorkflowState | undefined>;
  /** False where the workflow does not run; the same holds for the next two. */
  cancel(scan: ScanName): Promise<boolean>;
  pause(scan: ScanName): Promise<boolean>;
  resume(scan: ScanName): Promise<boolean>;
  /** Tells every reader of the organization that the scan no longer waits, for one that cannot do so itself. */
  withdraw(scan: ScanName): Promise<void>;
  /** Has the scan ask the store who still owes it a report. False where the workflow does not run. */
  review(scan: ScanName): Promise<boolean>;
  /** Tells a scan that waits that another has ended. */
  tellTurnFreed(scan: ScanName): Promise<boolean>;
  /** The server's version, when it answers and knows the namespace. */
  version(): Promise<string>;
}

/** For calls that need no worker. */
const CALL_MS = 5_000;
/** For those that are many. */
const MANY_MS = 30_000;
/** Signals sent at a time. */
const AT_ONCE = 20;

export function createScanWorkflows(
  client: Client,
  { orchestrationQueue, admissionMs }: { orchestrationQueue: string; admissionMs: number },
): ScanWorkflows {
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, call);
  const signal = (scan: ScanName, definition: SignalDefinition): Promise<boolean> =>
    orElse(false, () => soon(() => handleOf(scan).signal(definition)).then(() => true));
  const handleOf = ({ organizationId, scanId }: ScanName) =>
    client.workflow.getHandle<typeof scanTenant>(scanWorkflowId(organizationId, scanId));
  return {
    admit: ({ input, mode, details }, signal) =>
      client.withDeadline(Date.now() + admissionMs, () =>
        withOwnSignal(client, signal, () =>
          client.workflow.executeUpdateWithStart(admittedUpdate, {
            startWorkflowOperation: new WithStartWorkflowOperation<typeof scanTenant>('scanTenant', {
              workflowId: scanWorkflowId(input.organizationId, input.scanId),
              workflowIdConflictPolicy: 'FAIL',
              taskQueue: orchestrationQueue,
              args: [input],
              priority: priorityOf(mode, input.organizationId),
              typedSearchAttributes: [
                { key: organizationIdKey, value: input.organizationId },
                { key: scanIdKey, value: input.scanId },
              ],
              staticSummary: `Scan ${input.scanId} of ${input.organizationId}`,
              staticDetails: details,
            }),
          }),
        ),
      ),
    describe: (scan) =>
      orElse(undefined, async () => {
        const { runId, status } = await soon(() => handleOf(scan).describe());
        return { runId, status: status.name };
      }),
    cancel: (scan) => orElse(false, () => soon(() => handleOf(scan).cancel()).then(() => true)),
    pause: (scan) => signal(scan, pauseSignal),
    resume: (scan) => signal(scan, resumeSignal),
    review: (scan) => signal(scan, reviewSignal),
    tellTurnFreed: (scan) => signal(scan, turnFreedSignal),
    withdraw: ({ organizationId, scanId }) =>
      client.withDeadline(Date.now() + MANY_MS, async () => {
        const limit = pLimit(AT_ONCE);
        const query = `WorkflowType = 'syncMailbox' AND ExecutionStatus = 'Running' AND ${organizationIdKey.name} = '${organizationId}'`;
        const told: Promise<unknown>[] = [];
        for await (const { workflowId } of client.workflow.list({ query })) {
          const reader = client.workflow.getHandle(workflowId);
          told.push(limit(() => orElse(undefined, () => reader.signal(readWithdrawnSignal, { scanId }))));
        }
        await Promise.all(told);
      }),
    version: async () => {
      const { namespace } = client.options;
      const [{ serverVersion }] = await soon(() =>
        Promise.all([
          client.workflowService.getSystemInfo({}),
          client.workflowService.describeNamespace({ namespace }),
        ]),
      );
      return serverVersion;
    },
  };
}

/** `missing` where Temporal knows no such workflow, or it has ended. */
async function orElse<T>(missing: T, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return missing;
    throw error;
  }
}
