import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, it, vi } from 'vitest';
import { connectionWorkflowId, mailboxWorkflowId, retryWorkflowId } from '../../model/ids.ts';
import type { checkConnection } from '../../workflows/check-connection.ts';
import { readRequestedSignal } from '../../workflows/messages.ts';
import type { retryQuarantine } from '../../workflows/retry-quarantine.ts';
import type { syncMailbox } from '../../workflows/sync-mailbox.ts';
import { DONE, Tenant, untilCancelled, type PlayedActivities } from '../support/tenant.ts';
import { Recorder, failing, flaky, held, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

const signalsTo = async (handle: WorkflowHandle): Promise<number> =>
  ((await handle.fetchHistory()).events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes).length;

/** Whether an activity of the workflow was taken on. */
async function hasBegun(handle: Pick<WorkflowHandle, 'describe'>): Promise<boolean> {
  const { raw } = await handle.describe();
  return (raw.pendingActivities ?? []).some(({ lastStartedTime }) => lastStartedTime);
}

it('a mailbox of several slices, and one that two scans want', async () => {
  const tenant = new Tenant(1);
  let slice = 0;
  const activities = tenant.activities({ readMailbox: async () => ({ ...DONE, done: ++slice === 4 }) });
  await recorder.stage.run(activities, async () => (await recorder.stage.startScan('slices')).handle.result());
  await recorder.recordReader('slices', tenant.mailboxes[0]);

  const shared = new Tenant(1);
  const go = { on: false };
  await recorder.stage.run(shared.activities(held(shared, go)), async () => {
    const first = await recorder.stage.startScan('shared-a', { scanNo: 1 });
    await vi.waitUntil(() => shared.reads.length === 1, patience);
    const second = await recorder.stage.startScan('shared-b', { scanNo: 2 });
    await vi.waitUntil(async () => (await signalsTo(recorder.readerOf(shared.mailboxes[0]))) === 1, patience);
    go.on = true;
    await Promise.all([first.handle.result(), second.handle.result()]);
  });
  await recorder.recordReader('shared', shared.mailboxes[0]);
});

it('a reader that continues as new, one that something urgent interrupts, and one that nobody waits for', async () => {
  const tenant = new Tenant(3);
  const [long, interrupted, unattended] = tenant.mailboxes as [string, string, string];
  const start = (mailboxId: string, maxEvents?: number) =>
    recorder.stage.client.workflow.start<typeof syncMailbox>('syncMailbox', {
      workflowId: mailboxWorkflowId(recorder.stage.organizationId, mailboxId),
      taskQueue: recorder.stage.queues.orchestration,
      args: [
        {
          organizationId: recorder.stage.organizationId,
          mailboxId,
          reads: { begun: [], asked: [{ urgency: 'full', waiters: [{ scanId: 'none', scanNo: 1, ask: 1 }] }] },
          ...(maxEvents !== undefined && { maxEvents }),
        },
      ],
    });
  let slices = 0;
  const go = { on: false };
  const readMailbox: PlayedActivities['readMailbox'] = ({ mailboxId }) =>
    tenant.reading(mailboxId, async () => {
      if (mailboxId === long) return { ...DONE, done: ++slices === 12 };
      if (mailboxId === interrupted && !go.on) await untilCancelled();
      return DONE;
    });
  await recorder.stage.run(tenant.activities({ readMailbox }), async () => {
    await (await start(long, 40)).result();
    const urgent = await start(interrupted);
    await vi.waitUntil(() => tenant.reads.includes(interrupted), patience);
    go.on = true;
    await urgent.signal(readRequestedSignal, { urgency: 'live' });
    await urgent.result();
    const alone = await recorder.stage.client.workflow.signalWithStart<
      typeof syncMailbox,
      [{ urgency: 'incremental' }]
    >('syncMailbox', {
      workflowId: mailboxWorkflowId(recorder.stage.organizationId, unattended),
      taskQueue: recorder.stage.queues.orchestration,
      args: [{ organizationId: recorder.stage.organizationId, mailboxId: unattended, reads: { begun: [], asked: [] } }],
      signal: readRequestedSignal.name,
      signalArgs: [{ urgency: 'incremental' }],
    });
    await alone.result();
  });
  await recorder.recordReader('continued', long);
  await recorder.recordReader('interrupted', interrupted);
  await recorder.recordReader('unattended', unattended);
});

it('checks of connections, and retries of the quarantine', async () => {
  const tenant = new Tenant(0);
  let checkNo = 0;
  const play = async (shape: string, over: Partial<PlayedActivities>): Promise<void> => {
    await recorder.stage.run(tenant.activities(over), async () => {
      const { organizationId, queues } = recorder.stage;
      checkNo++;
      const options = { taskQueue: queues.orchestration };
      const check = await recorder.stage.client.workflow.start<typeof checkConnection>('checkConnection', {
        ...options,
        workflowId: connectionWorkflowId(organizationId, checkNo),
        args: [{ organizationId, checkNo }],
      });
      const retry = await recorder.stage.client.workflow.start<typeof retryQuarantine>('retryQuarantine', {
        ...options,
        workflowId: retryWorkflowId(organizationId, shape),
        args: [{ organizationId }],
      });
      const both = [check, retry];
      if (shape === 'cancelled') {
        await vi.waitUntil(async () => (await Promise.all(both.map(hasBegun))).every(Boolean), patience);
        await Promise.all(both.map((handle) => handle.cancel()));
      }
      await Promise.allSettled(both.map((handle) => handle.result()));
      await recorder.record(`checkConnection-${shape}`, check);
      await recorder.record(`retryQuarantine-${shape}`, retry);
    });
  };
  const outcome = { outcome: 'passed' } as const;
  const mailboxes = { mailboxes: 3 };
  await play('fresh', { examineConnection: async () => outcome, wakeReaders: async () => mailboxes });
  await play('retried', { examineConnection: flaky(outcome), wakeReaders: flaky(mailboxes) });
  await play('failed', { examineConnection: failing, wakeReaders: failing });
  await play('cancelled', { examineConnection: () => untilCancelled(), wakeReaders: () => untilCancelled() });
});
