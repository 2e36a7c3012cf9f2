import { CancelledFailure } from '@temporalio/activity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MailboxActivities, SliceResult } from '../../activities/mailbox-activities.ts';
import { mailboxWorkflowId } from '../../model/ids.ts';
import { readRequestedSignal, readWithdrawnSignal } from '../../workflows/messages.ts';
import type { ReadRequest, WaitingReads } from '../../workflows/requests.ts';
import type { syncMailbox } from '../../workflows/sync-mailbox.ts';
import { DONE, heartbeatUntil, Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const PATIENCE = { timeout: 60_000 };

describe('a reader that is asked without a scan', () => {
  let stage: WorkflowStage;
  beforeEach(async () => {
    stage = await openWorkflowStage();
  });
  afterEach(() => stage.close());

  /** Starts a reader of which something is asked already. */
  const startReader = (mailboxId: string, asked: WaitingReads['asked'], more: { readonly maxEvents?: number } = {}) => {
    const { client, organizationId, queues } = stage;
    return client.workflow.start<typeof syncMailbox>('syncMailbox', {
      workflowId: mailboxWorkflowId(organizationId, mailboxId),
      taskQueue: queues.orchestration,
      args: [{ organizationId, mailboxId, reads: { begun: [], asked }, ...more }],
    });
  };
  /** Asks as the activities do that wait for no report. */
  const ask = (mailboxId: string) => {
    const { client, organizationId, queues } = stage;
    return client.workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
      workflowId: mailboxWorkflowId(organizationId, mailboxId),
      taskQueue: queues.orchestration,
      signal: readRequestedSignal,
      signalArgs: [{ urgency: 'incremental' }],
      args: [{ organizationId, mailboxId, reads: { begun: [], asked: [] } }],
    });
  };
  const reading = (tenant: Tenant, slice: (waiters: number, turn: number) => Promise<SliceResult>) => {
    const served: number[] = [];
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId, waiters }) =>
      tenant.reading(mailboxId, () => {
        served.push(waiters.length);
        return slice(waiters.length, served.length);
      });
    return { served, activities: tenant.activities({ readMailbox }) };
  };

  /** Signals in each run of a workflow that continued as new, first to last. */
  const signalsOfRuns = async (workflowId: string, first: string): Promise<number[]> => {
    const runs: number[] = [];
    for (let runId: string | null | undefined = first; runId;) {
      const { events } = await stage.client.workflow.getHandle(workflowId, runId).fetchHistory();
      runs.push(events?.filter((event) => event.workflowExecutionSignaledEventAttributes).length ?? 0);
      runId = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    }
    return runs;
  };

  it('reads once for nobody in particular, and ends', async () => {
    const tenant = new Tenant(1);
    const { served, activities } = reading(tenant, async () => DONE);
    await stage.run(activities, async () => {
      const reader = await ask(tenant.mailboxes[0] ?? '');
      await reader.result();
    });
    expect(served).toEqual([0]);
  });

  it('goes on until there is no more to do', async () => {
    const tenant = new Tenant(1);
    const { served, activities } = reading(tenant, async (_, turn) => ({ ...DONE, done: turn === 3 }));
    await stage.run(activities, async () => (await ask(tenant.mailboxes[0] ?? '')).result());
    expect(served).toEqual([0, 0, 0]);
  });

  it('ends, too, when the read fails', async () => {
    const tenant = new Tenant(1);
    const recorded: unknown[] = [];
    const { activities } = reading(tenant, async () => {
      const { ApplicationFailure } = await import('@temporalio/common');
      throw ApplicationFailure.nonRetryable('no use', 'GraphFailed');
    });
    const all = { ...activities, recordFailedMailbox: async (input: unknown) => void recorded.push(input) };
    await stage.run(all, async () => (await ask(tenant.mailboxes[0] ?? '')).result());
    expect(recorded).toEqual([]);
  });

  it('interrupts a whole scan of its mailbox, which goes on afterwards', async () => {
    const tenant = new Tenant(1);
    const { served, activities } = reading(tenant, (waiters, turn) =>
      waiters === 1 && turn === 1 ? untilCancelled() : Promise.resolve(DONE),
    );
    await stage.run(activities, async () => {
      const { handle } = await stage.startScan('interrupted');
      await vi.waitUntil(() => served.length === 1, PATIENCE);
      await ask(tenant.mailboxes[0] ?? '');
      expect(await handle.result()).toBe('completed');
    });
    expect(served).toEqual([1, 0, 1]);
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });

  it('signals the scan that started it where it has more to read, instead of letting it wait for its end', async () => {
    const tenant = new Tenant(1);
    const state = { asked: false, over: false };
    const { served, activities } = reading(tenant, async (waiters) => {
      await heartbeatUntil(() => (waiters === 1 ? state.asked : state.over));
      return DONE;
    });
    const { client, organizationId } = stage;
    await stage.run(activities, async () => {
      const { handle } = await stage.startScan('not-the-last');
      await vi.waitUntil(() => served.length === 1, PATIENCE);
      const reader = client.workflow.getHandle(mailboxWorkflowId(organizationId, tenant.mailboxes[0] ?? ''));
      await reader.signal(readRequestedSignal, { urgency: 'full' });
      state.asked = true;
      expect(await handle.result()).toBe('completed');
      expect((await reader.describe()).status.name).toBe('RUNNING');
      state.over = true;
      await reader.result();
    });
    expect(served).toEqual([1, 0]);
  });

  it('is read for nobody in particular when the scan that it was read for, too, has withdrawn', async () => {
    const tenant = new Tenant(1);
    const [mailboxId] = tenant.mailboxes as [string];
    let cancelled = 0;
    const { served, activities } = reading(tenant, (waiters) =>
      waiters === 0
        ? Promise.resolve(DONE)
        : untilCancelled().catch((error: unknown) => {
            if (error instanceof CancelledFailure) cancelled++;
            throw error;
          }),
    );
    const waiter = { scanId: 'withdrawn', scanNo: 1, ask: 1 };
    await stage.run(activities, async () => {
      const reader = await startReader(mailboxId, [{ urgency: 'full', waiters: [waiter], unattended: true }]);
      await vi.waitUntil(() => served.length === 1, PATIENCE);
      await reader.signal(readWithdrawnSignal, { scanId: 'withdrawn' });
      await reader.result();
    });
    expect([served, cancelled]).toEqual([[1, 0], 1]);
  });

  it('is asked a thousand times while it reads, and divides them among runs', async () => {
    const tenant = new Tenant(1);
    const [mailboxId] = tenant.mailboxes as [string];
    const state = { asksAreOver: false };
    const { served, activities } = reading(tenant, async () => {
      await heartbeatUntil(() => state.asksAreOver);
      return DONE;
    });
    const asks = 1_000;
    await stage.run(activities, async () => {
      const asked = { urgency: 'live', waiters: [], unattended: true } as const;
      const reader = await startReader(mailboxId, [asked], { maxEvents: 200 });
      await vi.waitUntil(() => served.length === 1, PATIENCE);
      const now = stage.client.workflow.getHandle(reader.workflowId);
      const sender = async (): Promise<void> => {
        for (let sent = 0; sent < asks / 4; sent++) await now.signal(readRequestedSignal, { urgency: 'live' });
      };
      await Promise.all(Array.from({ length: 4 }, sender));
      state.asksAreOver = true;
      await reader.result();
      const runs = await signalsOfRuns(reader.workflowId, reader.firstExecutionRunId);
      expect(runs.length).toBeGreaterThan(1);
      expect(runs.reduce((sum, signals) => sum + signals)).toBe(asks);
      expect(served.length).toBeLessThan(asks / 10);
    });
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });

  it('is cancelled for good when its reader is', async () => {
    const tenant = new Tenant(1);
    const { served, activities } = reading(tenant, untilCancelled);
    await stage.run(activities, async () => {
      const reader = await ask(tenant.mailboxes[0] ?? '');
      await vi.waitUntil(() => served.length === 1, PATIENCE);
      await reader.cancel();
      await reader.result().catch(() => undefined);
    });
    expect(served).toEqual([0]);
  });
});
