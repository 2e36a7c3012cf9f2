import { afterAll, beforeAll, it, vi } from 'vitest';
import { scheduleWorkflowId } from '../../model/ids.ts';
import type { startScheduledScan } from '../../workflows/scheduled-scan.ts';
import { Tenant, untilCancelled, type PlayedActivities } from '../support/tenant.ts';
import { Recorder, failing, flaky, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

it('scans that were due', async () => {
  const { stage } = recorder;
  const { organizationId } = stage;
  const added = { status: 'added', scanNo: 1, window: 10 } as const;
  const play = async (shape: string, over: Partial<PlayedActivities>): Promise<void> => {
    const tenant = new Tenant(1);
    let begun = false;
    const discoverMailboxes = () => {
      begun = true;
      return untilCancelled();
    };
    const activities = tenant.activities({
      addScheduledScan: async () => added,
      ...over,
      ...(shape === 'cancelled' && { discoverMailboxes }),
    });
    await stage.run(activities, async () => {
      const handle = await stage.client.workflow.start<typeof startScheduledScan>('startScheduledScan', {
        workflowId: `${scheduleWorkflowId(organizationId, shape)}-2026-11-21T02:00:00Z`,
        taskQueue: stage.queues.orchestration,
        args: [{ organizationId, scheduleId: shape, mode: 'incremental', filters: { folders: ['inbox'] } }],
      });
      if (shape === 'cancelled') {
        await vi.waitUntil(() => begun, patience);
        await handle.cancel();
      }
      await handle.result().catch(() => undefined);
      await recorder.record(`startScheduledScan-${shape}`, handle);
    });
  };
  await play('fresh', {});
  await play('retried', { addScheduledScan: flaky(added) });
  await play('left-out', { addScheduledScan: async () => ({ status: 'no_connection' }) });
  await play('failed', { discoverMailboxes: failing });
  await play('cancelled', {});
});
