import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SweepActivities, SweepResult } from '../../activities/sweep-activities.ts';
import { sweepWorkflowId } from '../../model/ids.ts';
import type { sweepMailboxes } from '../../workflows/sweep-mailboxes.ts';
import { Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const RESULT: SweepResult = { mailboxes: 10_000, changed: 3, skipped: 0, untold: 0, ms: 20_000 };

describe('the sweep of a session', () => {
  let stage: WorkflowStage;
  beforeEach(async () => {
    stage = await openWorkflowStage();
  });
  afterEach(() => stage.close());

  const start = () => {
    const { client, organizationId, queues } = stage;
    return client.workflow.start<typeof sweepMailboxes>('sweepMailboxes', {
      workflowId: sweepWorkflowId(organizationId),
      taskQueue: queues.orchestration,
      args: [{ organizationId }],
    });
  };
  const run = <T>(probeMailboxes: SweepActivities['probeMailboxes'], during: () => Promise<T>) =>
    stage.run(new Tenant(0).activities({ probeMailboxes }), during);

  it('is one activity, where requests to Graph are made, however many mailboxes there are', async () => {
    const queues: string[] = [];
    const probe = async ({ organizationId }: { organizationId: string }) => {
      expect(organizationId).toBe(stage.organizationId);
      queues.push(Context.current().info.taskQueue);
      return RESULT;
    };
    const events = await run(probe, async () => {
      const handle = await start();
      expect(await handle.result()).toEqual(RESULT);
      return (await handle.fetchHistory()).events ?? [];
    });
    expect(queues).toEqual([stage.queues.graph]);
    expect(events.filter((event) => event.activityTaskScheduledEventAttributes)).toHaveLength(1);
  });

  it('goes on with what its heartbeat held when an attempt fails', async () => {
    const seen: unknown[] = [];
    const probe = async () => {
      const context = Context.current();
      seen.push(context.info.heartbeatDetails);
      if (context.info.attempt > 1) return RESULT;
      context.heartbeat({ failures: 0, progress: { after: 'm' } });
      throw ApplicationFailure.create({ message: 'throttled', type: 'Throttled', nextRetryDelay: 100 });
    };
    await run(probe, async () => (await start()).result());
    expect(seen[1]).toEqual({ failures: 0, progress: { after: 'm' } });
  });

  it('ends at once when it is cancelled', async () => {
    let begun = false;
    const probe = () => {
      begun = true;
      return untilCancelled();
    };
    await run(probe, async () => {
      const handle = await start();
      await vi.waitUntil(() => begun, { timeout: 60_000 });
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    });
  });

  it('fails where Graph turns the credential down, for the next one to try again', async () => {
    const probe = async (): Promise<never> => {
      throw ApplicationFailure.nonRetryable('refused', 'CredentialRefused');
    };
    await run(probe, async () => {
      const failure = (await start()).result();
      await expect(failure).rejects.toMatchObject({ cause: { cause: { type: 'CredentialRefused' } } });
    });
  });
});
