import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { scanWorkflowId, scheduleWorkflowId } from '../../model/ids.ts';
import type { startScheduledScan } from '../../workflows/scheduled-scan.ts';
import { Tenant, untilCancelled, type PlayedActivities } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const patience = { timeout: 60_000 };
const SCAN = 'nightly-20261121T020000Z';

describe('what a schedule starts', () => {
  let stage: WorkflowStage;
  let tenant: Tenant;
  let added: unknown[];
  beforeEach(async () => {
    stage = await openWorkflowStage();
    tenant = new Tenant(3);
    added = [];
  });
  afterEach(() => stage.close());

  const due = () => ({
    organizationId: stage.organizationId,
    scheduleId: 'nightly',
    mode: 'incremental' as const,
    filters: { folders: ['inbox'] },
  });
  const start = () =>
    stage.client.workflow.start<typeof startScheduledScan>('startScheduledScan', {
      workflowId: `${scheduleWorkflowId(stage.organizationId, 'nightly')}-2026-11-21T02:00:00Z`,
      taskQueue: stage.queues.orchestration,
      args: [due()],
    });
  const run = <T>(over: Partial<PlayedActivities>, during: () => Promise<T>) =>
    stage.run(
      tenant.activities({
        addScheduledScan: async (input) => {
          added.push(input);
          return { status: 'added', scanNo: 7, window: 2 };
        },
        ...over,
      }),
      during,
    );
  const scan = () => stage.client.workflow.getHandle(scanWorkflowId(stage.organizationId, SCAN));
  const held = (): { begun: boolean; discoverMailboxes: () => Promise<never> } => {
    const state = {
      begun: false,
      discoverMailboxes: () => {
        state.begun = true;
        return untilCancelled();
      },
    };
    return state;
  };

  it('records the scan under the time at which it was due, runs it, and lasts as long', async () => {
    await run({}, async () => expect(await (await start()).result()).toBe('completed'));
    expect(added).toEqual([{ ...due(), scanId: SCAN }]);
    expect(new Set(tenant.reads)).toEqual(new Set(tenant.mailboxes));
    expect(tenant.ends).toEqual([{ scanNo: 7, end: 'ran' }]);
    expect((await scan().describe()).status.name).toBe('COMPLETED');
  });

  it.each(['exists', 'no_connection', 'no_organization'] as const)('starts nothing: %s', async (status) => {
    await run({ addScheduledScan: async () => ({ status }) }, async () =>
      expect(await (await start()).result()).toBe(status),
    );
    expect(tenant.ends).toEqual([]);
  });

  it('starts nothing where a scan of that name runs', async () => {
    const { discoverMailboxes } = held();
    await run({ discoverMailboxes }, async () => {
      const { handle } = await stage.startScan(SCAN);
      expect(await (await start()).result()).toBe('exists');
      await handle.cancel();
      await handle.result().catch(() => undefined);
    });
  });

  it('says how the scan ended: cancelled by somebody, failed, or refused', async () => {
    const first = held();
    await run({ discoverMailboxes: first.discoverMailboxes }, async () => {
      const handle = await start();
      await vi.waitUntil(() => first.begun, patience);
      await scan().cancel();
      expect(await handle.result()).toBe('cancelled');
    });
    const discoverMailboxes = async (): Promise<never> => {
      throw ApplicationFailure.nonRetryable('no use', 'InternalError');
    };
    await run({ discoverMailboxes }, async () => expect(await (await start()).result()).toBe('failed'));
    const checkCredential = async () => ({ status: 'refused', reason: 'AADSTS7000215' }) as const;
    await run({ checkCredential }, async () => expect(await (await start()).result()).toBe('refused'));
  });

  it('cancels the scan when it is cancelled, as by the next one with overlap cancel_other', async () => {
    const state = held();
    await run({ discoverMailboxes: state.discoverMailboxes }, async () => {
      const handle = await start();
      await vi.waitUntil(() => state.begun, patience);
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ name: 'WorkflowFailedError' });
    });
    expect(tenant.ends).toEqual([{ scanNo: 7, end: 'cancelled' }]);
  });
});
