import { Context, sleep } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ConnectionActivities } from '../../activities/connection-activities.ts';
import type { QuarantineActivities } from '../../activities/quarantine-activities.ts';
import { connectionWorkflowId, mailboxWorkflowId, retryWorkflowId, scanWorkflowId } from '../../model/ids.ts';
import { DONE, Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';
import type { checkConnection } from '../../workflows/check-connection.ts';
import { readRequestedSignal } from '../../workflows/messages.ts';
import type { retryQuarantine } from '../../workflows/retry-quarantine.ts';
import { RECORDING_KEYS, recordHistory } from './histories.ts';

/**
 * Records the histories that `replay.test.ts` replays: `npm run record`. Record after a workflow was changed on purpose
 * (CONTRIBUTING.md says when that is safe); what it plays is real workflows on a real server, with activities played.
 */
describe('recording', () => {
  let stage: WorkflowStage;
  beforeAll(async () => {
    stage = await openWorkflowStage(RECORDING_KEYS);
  });
  afterAll(() => stage.close());

  const record = async (name: string, workflowId: string): Promise<void> =>
    recordHistory(name, await stage.client.workflow.getHandle(workflowId).fetchHistory());
  const recordScan = (name: string, scanId: string): Promise<void> =>
    record(`scanTenant-${name}`, scanWorkflowId(stage.organizationId, scanId));
  const recordMailbox = (name: string, mailboxId: string | undefined): Promise<void> =>
    record(`syncMailbox-${name}`, mailboxWorkflowId(stage.organizationId, mailboxId ?? ''));

  it('a scan that runs through, and its readers', async () => {
    const tenant = new Tenant(12);
    await stage.run(tenant.activities(), async () => {
      const { handle } = await stage.startScan('fresh', { window: 5 });
      expect(await handle.result()).toBe('completed');
    });
    await recordScan('fresh', 'fresh');
    await recordMailbox('fresh', tenant.mailboxes[0]);
  });

  it('a scan that continues as new', async () => {
    const tenant = new Tenant(60);
    await stage.run(tenant.activities(), async () => {
      const { handle } = await stage.startScan('continued', { window: 10, maxEvents: 150 });
      expect(await handle.result()).toBe('completed');
    });
    await recordScan('continued', 'continued');
  });

  it('a scan that is cancelled, and a reader that is', async () => {
    const tenant = new Tenant(6);
    const activities = tenant.activities({
      readMailbox: ({ mailboxId }) => tenant.reading(mailboxId, untilCancelled),
    });
    await stage.run(activities, async () => {
      const { handle } = await stage.startScan('cancelled', { window: 3 });
      await vi.waitUntil(() => tenant.reads.length === 3, { timeout: 20_000 });
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      const reader = stage.client.workflow.getHandle(mailboxWorkflowId(stage.organizationId, tenant.reads[0] ?? ''));
      await reader.result();
    });
    await recordScan('cancelled', 'cancelled');
    await recordMailbox('cancelled', tenant.reads[0]);
  });

  it('a scan whose credential is refused at the start, and one whose is refused on the way', async () => {
    const tenant = new Tenant(6);
    const refused = { status: 'refused', reason: 'The client secret is wrong' } as const;
    await stage.run(tenant.activities({ checkCredential: async () => refused }), async () => {
      await (await stage.startScan('refused')).handle.result();
    });
    await recordScan('refused', 'refused');
    const onTheWay = tenant.activities({
      readMailbox: async () => {
        throw ApplicationFailure.nonRetryable('refused', 'CredentialRefused');
      },
    });
    await stage.run(onTheWay, async () => {
      await expect((await stage.startScan('failed', { window: 2 })).handle.result()).rejects.toThrow();
    });
    await recordScan('failed', 'failed');
    await recordMailbox('failed', tenant.mailboxes[0]);
  });

  it('checks of a connection: one that ends, is retried, fails, and is cancelled', async () => {
    type Examine = ConnectionActivities['examineConnection'];
    const shapes: Record<string, Examine> = {
      fresh: async () => ({ outcome: 'passed' }),
      retried: async () => {
        if (Context.current().info.attempt < 2) throw ApplicationFailure.retryable('away', 'StoreUnavailable');
        return { outcome: 'warning' };
      },
      failed: async () => {
        throw ApplicationFailure.nonRetryable('check number 3 is not known', 'UnknownCheck');
      },
      cancelled: untilCancelled,
    };
    for (const [index, [name, examineConnection]] of Object.entries(shapes).entries()) {
      let began = false;
      const activities = {
        ...new Tenant(0).activities(),
        examineConnection: ((input) => {
          began = true;
          return examineConnection(input);
        }) satisfies Examine,
      };
      const { organizationId, queues } = stage;
      const workflowId = connectionWorkflowId(organizationId, index + 1);
      await stage.run(activities, async () => {
        const handle = await stage.client.workflow.start<typeof checkConnection>('checkConnection', {
          workflowId,
          taskQueue: queues.orchestration,
          args: [{ organizationId, checkNo: index + 1 }],
        });
        await vi.waitUntil(() => began, { timeout: 20_000 });
        if (name === 'cancelled') await handle.cancel();
        await handle.result().catch((error: unknown) => expect(String(error)).toMatch(/failed|cancelled/i));
      });
      await record(`checkConnection-${name}`, workflowId);
    }
  });

  it('activities that are retried', async () => {
    const tenant = new Tenant(2);
    const flaky = <T>(result: T) => {
      return async (): Promise<T> => {
        if (Context.current().info.attempt < 2) throw ApplicationFailure.retryable('away', 'StoreUnavailable');
        return result;
      };
    };
    const activities = tenant.activities({
      takeTurn: flaky('running' as const),
      discoverMailboxes: flaky({ mailboxes: 2 }),
      readMailbox: flaky(DONE),
    });
    await stage.run(activities, async () => (await stage.startScan('retried')).handle.result());
    await recordScan('retried', 'retried');
    await recordMailbox('retried', tenant.mailboxes[0]);
  });

  it('a mailbox of several slices, and one that two scans want', async () => {
    const tenant = new Tenant(1);
    let slice = 0;
    const activities = tenant.activities({ readMailbox: async () => ({ ...DONE, done: ++slice === 4 }) });
    await stage.run(activities, async () => (await stage.startScan('slices')).handle.result());
    await recordMailbox('slices', tenant.mailboxes[0]);

    const shared = new Tenant(1);
    const slow = shared.activities({
      readMailbox: ({ mailboxId }) =>
        shared.reading(mailboxId, async () => {
          await sleep(500);
          return DONE;
        }),
    });
    await stage.run(slow, async () => {
      const first = await stage.startScan('shared-a', { scanNo: 1 });
      await vi.waitUntil(() => shared.reads.length === 1, { timeout: 20_000 });
      const second = await stage.startScan('shared-b', { scanNo: 2 });
      await Promise.all([first.handle.result(), second.handle.result()]);
    });
    await recordMailbox('shared', shared.mailboxes[0]);
  });

  it('a reader that is asked without a scan, in the middle of one', async () => {
    const tenant = new Tenant(1);
    const [mailboxId = ''] = tenant.mailboxes;
    const activities = tenant.activities({
      readMailbox: ({ waiters }) =>
        tenant.reading(mailboxId, () =>
          waiters.length > 0 && tenant.reads.length === 1 ? untilCancelled() : Promise.resolve(DONE),
        ),
    });
    const { client, organizationId } = stage;
    const workflowId = mailboxWorkflowId(organizationId, mailboxId);
    await stage.run(activities, async () => {
      const { handle } = await stage.startScan('interrupted');
      await vi.waitUntil(() => tenant.reads.length === 1, { timeout: 20_000 });
      await client.workflow.getHandle(workflowId).signal(readRequestedSignal, { urgency: 'incremental' });
      expect(await handle.result()).toBe('completed');
      await client.workflow.getHandle(workflowId).result();
    });
    await recordMailbox('interrupted', mailboxId);
  });

  it('messages in quarantine that are tried again: fresh, retried, failed and cancelled', async () => {
    for (const name of ['fresh', 'retried', 'failed', 'cancelled']) {
      let began = false;
      const wakeReaders = async (): ReturnType<QuarantineActivities['wakeReaders']> => {
        began = true;
        if (name === 'retried' && Context.current().info.attempt < 2) {
          throw ApplicationFailure.retryable('away', 'StoreUnavailable');
        }
        if (name === 'failed') throw ApplicationFailure.nonRetryable('no use', 'InternalError');
        return name === 'cancelled' ? untilCancelled() : { mailboxes: 3 };
      };
      const { client, organizationId, queues } = stage;
      const workflowId = retryWorkflowId(organizationId, name);
      const activities = { ...new Tenant(1).activities(), wakeReaders };
      await stage.run(activities, async () => {
        const handle = await client.workflow.start<typeof retryQuarantine>('retryQuarantine', {
          workflowId,
          taskQueue: queues.orchestration,
          args: [{ organizationId }],
        });
        await vi.waitUntil(() => began, { timeout: 20_000 });
        if (name === 'cancelled') await handle.cancel();
        await handle.result().catch((error: unknown) => expect(String(error)).toMatch(/failed|cancelled/i));
      });
      await record(`retryQuarantine-${name}`, workflowId);
    }
  });
});
