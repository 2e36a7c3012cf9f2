import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { mailboxWorkflowId, scanWorkflowId } from '../../model/ids.ts';
import type { syncMailbox } from '../../workflows/sync-mailbox.ts';
import { DONE, heartbeatUntil, type PlayedActivities, type Tenant } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';
import { RECORDING_KEYS, recordHistory } from './histories.ts';

/** How long anything that is waited for may take. */
export const patience = { timeout: 30_000 };

/** An activity that fails once. */
export const flaky =
  <T>(result: T): (() => Promise<T>) =>
  async () => {
    if (Context.current().info.attempt < 2) throw ApplicationFailure.retryable('away', 'StoreUnavailable');
    return result;
  };

export const failing = async (): Promise<never> => {
  throw ApplicationFailure.nonRetryable('no use', 'InternalError');
};

/** Reads that go on until `go` says that they are done, or they are cancelled. */
export const held = (tenant: Tenant, go: { on: boolean }): Partial<PlayedActivities> => ({
  readMailbox: ({ mailboxId }) =>
    tenant.reading(mailboxId, async () => {
      await heartbeatUntil(() => go.on);
      tenant.finished.add(mailboxId);
      return DONE;
    }),
});

/**
 * Real workflows on a real server, with activities played, whose histories are kept for `replay.test.ts`:
 * `npm run record` (docs/upgrades.md says when).
 */
export class Recorder {
  readonly stage: WorkflowStage;

  private constructor(stage: WorkflowStage) {
    this.stage = stage;
  }

  static async open(): Promise<Recorder> {
    return new Recorder(await openWorkflowStage(RECORDING_KEYS));
  }

  async record(name: string, handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<void> {
    await recordHistory(name, await handle.fetchHistory());
  }

  /** @param scanId default: the name of the shape; `runId` default: the last run */
  recordScan(shape: string, scanId = shape, runId?: string): Promise<void> {
    const { client, organizationId } = this.stage;
    return this.record(`scanTenant-${shape}`, client.workflow.getHandle(scanWorkflowId(organizationId, scanId), runId));
  }

  readerOf(mailboxId: string | undefined): WorkflowHandle<typeof syncMailbox> {
    const { client, organizationId } = this.stage;
    return client.workflow.getHandle(mailboxWorkflowId(organizationId, mailboxId ?? ''));
  }

  recordReader(shape: string, mailboxId: string | undefined): Promise<void> {
    return this.record(`syncMailbox-${shape}`, this.readerOf(mailboxId));
  }
}
