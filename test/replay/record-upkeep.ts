import { afterAll, beforeAll, it, vi } from 'vitest';
import { feedWorkflowId, replayWorkflowId, upkeepWorkflowId } from '../../model/ids.ts';
import type { UpkeepStep } from '../../activities/upkeep-activities.ts';
import type { feedDestination } from '../../workflows/feed-destination.ts';
import type { keepDelivery } from '../../workflows/keep-delivery.ts';
import type { replayDestination } from '../../workflows/replay-destination.ts';
import { Tenant, untilCancelled, type PlayedActivities } from '../support/tenant.ts';
import { Recorder, failing, flaky, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

const FED = { read: 5, owed: 4 };
const WELL: UpkeepStep = { done: 3, failed: 0 };

/** Plays activities of which, where it is to be cancelled, one waits for that. */
function played(shape: string, activities: Partial<PlayedActivities>, waits: keyof PlayedActivities) {
  const state = { begun: false };
  const wait = (): Promise<never> => {
    state.begun = true;
    return untilCancelled();
  };
  const over = shape === 'cancelled' ? { [waits]: wait } : {};
  return { state, activities: new Tenant(0).activities({ ...activities, ...over }) };
}

it('upkeep of destinations', async () => {
  const { stage } = recorder;
  const play = async (shape: string, over: Partial<PlayedActivities>): Promise<void> => {
    const well = async (): Promise<UpkeepStep> => WELL;
    const steps = {
      ...{ wakeDestinations: well, wakeWaitingReaders: well, clearDeliveries: well },
      ...{ watchDestinations: well, tidyBlobs: well, ...over },
    };
    const { state, activities } = played(shape, steps, 'watchDestinations');
    await stage.run(activities, async () => {
      const handle = await stage.client.workflow.start<typeof keepDelivery>('keepDelivery', {
        workflowId: `${upkeepWorkflowId(stage.organizationId)}-${shape}-2026-11-21T02:00:00Z`,
        taskQueue: stage.queues.orchestration,
      });
      if (shape === 'cancelled') {
        await vi.waitUntil(() => state.begun, patience);
        await handle.cancel();
      }
      await handle.result().catch(() => undefined);
      await recorder.record(`keepDelivery-${shape}`, handle);
    });
  };
  await play('fresh', {});
  await play('retried', { tidyBlobs: flaky(WELL), wakeDestinations: flaky(WELL) });
  await play('failed', { wakeWaitingReaders: failing });
  await play('cancelled', {});
});

it('feeding a destination, and replaying to it', async () => {
  const { stage } = recorder;
  const play = async (shape: string, over: Partial<PlayedActivities>): Promise<void> => {
    const activities = {
      ...{ feedStored: async () => FED, beginReplay: async () => '2026-11-21T02:00:00.000Z' },
      ...{ replayStored: async () => FED, ...over },
    };
    const destinationId = `destination-${shape}`;
    const options = { taskQueue: stage.queues.orchestration };
    const feeding = played(shape, activities, 'feedStored');
    await stage.run(feeding.activities, async () => {
      const handle = await stage.client.workflow.start<typeof feedDestination>('feedDestination', {
        ...options,
        workflowId: feedWorkflowId(destinationId),
        args: [{ destinationId }],
      });
      if (shape === 'cancelled') {
        await vi.waitUntil(() => feeding.state.begun, patience);
        await handle.cancel();
      }
      await handle.result().catch(() => undefined);
      await recorder.record(`feedDestination-${shape}`, handle);
    });
    if (shape === 'early') return;
    const replaying = played(shape, activities, 'replayStored');
    await stage.run(replaying.activities, async () => {
      const handle = await stage.client.workflow.start<typeof replayDestination>('replayDestination', {
        ...options,
        workflowId: replayWorkflowId(destinationId, 'one'),
        args: [{ destinationId, since: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }],
      });
      if (shape === 'cancelled') {
        await vi.waitUntil(() => replaying.state.begun, patience);
        await handle.cancel();
      }
      await handle.result().catch(() => undefined);
      await recorder.record(`replayDestination-${shape}`, handle);
    });
  };
  await play('fresh', {});
  let asked = 0;
  await play('early', { feedStored: async () => (++asked === 1 ? { waitMs: 100 } : FED) });
  await play('retried', { feedStored: flaky(FED), replayStored: flaky(FED) });
  await play('failed', { feedStored: failing, replayStored: failing });
  await play('cancelled', {});
});
