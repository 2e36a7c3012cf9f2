import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, it, vi } from 'vitest';
import type { DeliverActivities } from '../../activities/deliver-activities.ts';
import { deliverWorkflowId } from '../../model/ids.ts';
import type { deliver } from '../../workflows/deliver.ts';
import { owedSignal, type Owed } from '../../workflows/messages.ts';
import { Tenant, untilCancelled } from '../support/tenant.ts';
import { Recorder, failing, flaky, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

type Drain = DeliverActivities['drainDestination'];

/** Answers one after the other, the last one for ever. */
const answering =
  (...answers: readonly (number | null)[]): Drain =>
  async () => {
    const [dueInMs = null] = answers.length > turns ? answers.slice(turns) : answers.slice(-1);
    turns++;
    return { dueInMs };
  };
let turns = 0;

async function record(
  shape: string,
  drainDestination: Drain,
  during: (handle: WorkflowHandle<typeof deliver>) => Promise<unknown>,
  maxEvents?: number,
): Promise<void> {
  turns = 0;
  const { client, queues } = recorder.stage;
  const destinationId = randomUUID();
  const handle = await recorder.stage.run(new Tenant(0).activities({ drainDestination }), async () => {
    const started = await client.workflow.signalWithStart<typeof deliver, [Owed]>('deliver', {
      workflowId: deliverWorkflowId(destinationId),
      taskQueue: queues.orchestration,
      signal: owedSignal,
      signalArgs: [{ priority: 'medium' }],
      args: [{ destinationId, ...(maxEvents !== undefined && { maxEvents }) }],
    });
    await during(started);
    return started;
  });
  if (maxEvents === undefined) return recorder.record(`deliver-${shape}`, handle);
  await recorder.record('deliver-continuing', client.workflow.getHandle(handle.workflowId, handle.signaledRunId));
  await recorder.record('deliver-continued', client.workflow.getHandle(handle.workflowId));
}

const result = (handle: WorkflowHandle<typeof deliver>): Promise<void> => handle.result();
const ended = (handle: WorkflowHandle<typeof deliver>): Promise<unknown> => handle.result().catch(() => undefined);

it('a destination that is drained, also by a second attempt, one that waits, and one that is signalled', async () => {
  await record('fresh', answering(0, null), result);
  await record('retried', flaky({ dueInMs: null }), result);
  await record('due', answering(200, null), result);
  await record('owed', answering(600_000, null), async (handle) => {
    await vi.waitUntil(() => turns === 1, patience);
    await handle.signal(owedSignal, { priority: 'medium' });
    await handle.result();
  });
});

it('a run that continues as new, one that fails, and one that is cancelled', async () => {
  await record('continuing', answering(...Array.from({ length: 8 }, () => 0), null), result, 30);
  await record('failed', failing, ended);
  let begun = false;
  const held: Drain = async () => {
    begun = true;
    return untilCancelled();
  };
  await record('cancelled', held, async (handle) => {
    await vi.waitUntil(() => begun, patience);
    await handle.cancel();
    await ended(handle);
  });
});
