import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UpkeepStep } from '../../activities/upkeep-activities.ts';
import { feedWorkflowId, replayWorkflowId, upkeepWorkflowId } from '../../model/ids.ts';
import type { feedDestination } from '../../workflows/feed-destination.ts';
import type { keepDelivery } from '../../workflows/keep-delivery.ts';
import type { replayDestination } from '../../workflows/replay-destination.ts';
import { Tenant, type PlayedActivities } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const STEPS = ['wakeDestinations', 'wakeWaitingReaders', 'clearDeliveries', 'watchDestinations', 'tidyBlobs'] as const;
const WELL: UpkeepStep = { done: 3, failed: 0 };

let stage: WorkflowStage;
beforeEach(async () => {
  stage = await openWorkflowStage();
});
afterEach(() => stage.close());

const run = <T>(activities: Partial<PlayedActivities>, during: () => Promise<T>) =>
  stage.run(new Tenant(0).activities(activities), during);

describe('the upkeep of destinations', () => {
  const start = () =>
    stage.client.workflow.start<typeof keepDelivery>('keepDelivery', {
      workflowId: upkeepWorkflowId(stage.organizationId),
      taskQueue: stage.queues.orchestration,
    });
  /** All steps, each noted as it is done. */
  function steps(over: Partial<PlayedActivities> = {}) {
    const done: string[] = [];
    const note = async (): Promise<UpkeepStep> => {
      const { activityType, taskQueue } = Context.current().info;
      done.push(`${activityType} on ${taskQueue}`);
      return WELL;
    };
    return { done, activities: { ...Object.fromEntries(STEPS.map((step) => [step, note])), ...over } };
  }

  it('is five steps, where destinations are looked after, each done once for all of them', async () => {
    const { done, activities } = steps();
    const result = await run(activities, async () => (await start()).result());
    expect(result).toEqual(Object.fromEntries(STEPS.map((step) => [step, WELL])));
    expect(done.sort()).toEqual(STEPS.map((step) => `${step} on ${stage.queues.delivery}`).sort());
  });

  it('does all other steps where one fails, and fails then itself', async () => {
    const { done, activities } = steps({
      wakeDestinations: async () => {
        throw ApplicationFailure.nonRetryable('no use', 'InternalError');
      },
    });
    await run(activities, async () => {
      await expect((await start()).result()).rejects.toMatchObject({ cause: { cause: { type: 'InternalError' } } });
    });
    expect(done).toHaveLength(STEPS.length - 1);
  });
});

describe('the feeding of a destination', () => {
  it('waits until everybody knows of it, and goes on to the end', async () => {
    const destinationId = randomUUID();
    const asked: unknown[] = [];
    const feedStored: PlayedActivities['feedStored'] = async (input) => {
      asked.push(input);
      return asked.length === 1 ? { waitMs: 50 } : { read: 5, owed: 4 };
    };
    const result = await run({ feedStored }, async () => {
      const handle = await stage.client.workflow.start<typeof feedDestination>('feedDestination', {
        workflowId: feedWorkflowId(destinationId),
        taskQueue: stage.queues.orchestration,
        args: [{ destinationId }],
      });
      return handle.result();
    });
    expect(result).toEqual({ read: 5, owed: 4 });
    expect(asked).toEqual([{ destinationId }, { destinationId }]);
  });
});

describe('a replay to a destination', () => {
  it('keeps the moment at which it began, whatever is tried again', async () => {
    const destinationId = randomUUID();
    const window = { since: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' };
    let begun = 0;
    const replayStored: PlayedActivities['replayStored'] = async (input) => {
      expect(input).toEqual({ destinationId, ...window, begunAt: 'moment 1' });
      if (Context.current().info.attempt === 1) {
        throw ApplicationFailure.create({ message: 'away', type: 'StoreUnavailable', nextRetryDelay: 100 });
      }
      return { read: 2, owed: 1 };
    };
    const result = await run({ beginReplay: async () => `moment ${++begun}`, replayStored }, async () => {
      const handle = await stage.client.workflow.start<typeof replayDestination>('replayDestination', {
        workflowId: replayWorkflowId(destinationId, 'one'),
        taskQueue: stage.queues.orchestration,
        args: [{ destinationId, ...window }],
      });
      return handle.result();
    });
    expect(result).toEqual({ read: 2, owed: 1 });
    expect(begun).toBe(1);
  });
});
