import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeliverActivities } from '../../activities/deliver-activities.ts';
import { deliverWorkflowId } from '../../model/ids.ts';
import type { Priority } from '../../model/destination.ts';
import type { deliver } from '../../workflows/deliver.ts';
import { owedSignal, type Owed } from '../../workflows/messages.ts';
import { deliverStart } from '../../workflows/starts.ts';
import { Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const patience = { timeout: 30_000, interval: 50 };

describe('the sender to a destination', () => {
  let stage: WorkflowStage;
  let destinationId: string;
  beforeEach(async () => {
    stage = await openWorkflowStage();
    destinationId = randomUUID();
  });
  afterEach(() => stage.close());

  const owe = (maxEvents?: number, priority: Priority = 'medium', id = destinationId) =>
    stage.client.workflow.signalWithStart<typeof deliver, [Owed]>('deliver', {
      ...deliverStart({ id, organizationId: stage.organizationId }, priority),
      taskQueue: stage.queues.orchestration,
      args: [{ destinationId: id, ...(maxEvents !== undefined && { maxEvents }) }],
    });
  const run = <T>(
    drainDestination: DeliverActivities['drainDestination'],
    during: () => Promise<T>,
    slots?: number,
  ): Promise<T> => stage.run(new Tenant(0).activities({ drainDestination }), during, slots);
  /** Until its drain waits for a worker that has room. */
  const isQueued = (id: string): Promise<unknown> =>
    vi.waitUntil(async () => {
      const { raw } = await stage.client.workflow.getHandle(deliverWorkflowId(id)).describe();
      return raw.pendingActivities?.length === 1;
    }, patience);

  it('drains where deliveries are made, and ends when nothing is owed', async () => {
    const queues: string[] = [];
    const drain: DeliverActivities['drainDestination'] = async (input) => {
      expect(input).toEqual({ destinationId });
      queues.push(Context.current().info.taskQueue);
      return { dueInMs: queues.length === 1 ? 0 : null };
    };
    await run(drain, async () => (await owe()).result());
    expect(queues).toEqual([stage.queues.delivery, stage.queues.delivery]);
  });

  it('looks again when something is due, and at once when something is owed', async () => {
    const drains: number[] = [];
    const drain: DeliverActivities['drainDestination'] = async () => {
      drains.push(Date.now());
      return { dueInMs: [300, 600_000, null][drains.length - 1] ?? null };
    };
    await run(drain, async () => {
      const handle = await owe();
      await vi.waitUntil(() => drains.length === 2, patience);
      await handle.signal(owedSignal, { priority: 'medium' });
      await handle.result();
    });
    expect(drains).toHaveLength(3);
    expect((drains[1] ?? 0) - (drains[0] ?? 0)).toBeGreaterThanOrEqual(300);
  });

  it('drains once more for what is owed while a drain comes to its end', async () => {
    let drains = 0;
    let go = false;
    const drain: DeliverActivities['drainDestination'] = async () => {
      if (++drains === 1) await vi.waitUntil(() => go, patience);
      return { dueInMs: null };
    };
    await run(drain, async () => {
      const handle = await owe();
      await vi.waitUntil(() => drains === 1, patience);
      await owe();
      go = true;
      await handle.result();
    });
    expect(drains).toBe(2);
  });

  it('loses no signal however fast they come, and keeps its history short', async () => {
    let owed = 0;
    let drained = 0;
    const drain: DeliverActivities['drainDestination'] = async () => {
      drained = owed;
      return { dueInMs: null };
    };
    const { events } = await run(drain, async () => {
      for (let turn = 0; turn < 60; turn++) {
        owed++;
        await owe(30);
      }
      const handle = stage.client.workflow.getHandle(deliverWorkflowId(destinationId));
      await handle.result();
      return handle.fetchHistory();
    });
    expect(drained).toBe(60);
    expect(events?.length).toBeLessThan(200);
  });

  it('goes before others by the priority of its destination, where there is not room for all', async () => {
    const drained: string[] = [];
    let go = false;
    const drain: DeliverActivities['drainDestination'] = async ({ destinationId: id }) => {
      drained.push(id);
      if (id === destinationId) await vi.waitUntil(() => go, patience);
      return { dueInMs: null };
    };
    const [low, medium, high] = [randomUUID(), randomUUID(), randomUUID()];
    await run(
      drain,
      async () => {
        const first = await owe();
        await vi.waitUntil(() => drained.length === 1, patience);
        const others = [];
        for (const [id, priority] of [[low, 'low'] as const, [medium, 'medium'] as const, [high, 'high'] as const]) {
          others.push(await owe(undefined, priority, id));
          await isQueued(id);
        }
        go = true;
        await Promise.all([first, ...others].map((handle) => handle.result()));
      },
      1,
    );
    expect(drained).toEqual([destinationId, high, medium, low]);
  });

  it('takes a changed priority on with its next drain, and keeps it when its history is cut', async () => {
    const keys: unknown[] = [];
    let go = false;
    const drain: DeliverActivities['drainDestination'] = async () => {
      const { priorityKey, fairnessKey } = Context.current().info.priority ?? {};
      keys.push([priorityKey, fairnessKey]);
      if (keys.length === 1) await vi.waitUntil(() => go, patience);
      return { dueInMs: keys.length < 3 ? 0 : null };
    };
    await run(drain, async () => {
      const handle = await owe(1, 'low');
      await vi.waitUntil(() => keys.length === 1, patience);
      await owe(1, 'high');
      go = true;
      await handle.result();
    });
    const { organizationId } = stage;
    expect(keys).toEqual([
      [5, organizationId],
      [1, organizationId],
      [1, organizationId],
    ]);
  });

  it('ends when it is cancelled, once its drain has', async () => {
    let begun = false;
    const drain: DeliverActivities['drainDestination'] = async () => {
      begun = true;
      return untilCancelled();
    };
    await run(drain, async () => {
      const handle = await owe();
      await vi.waitUntil(() => begun, patience);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      expect((await handle.describe()).status.name).toBe('CANCELLED');
    });
  });
});
