import { setImmediate } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MailboxActivities } from '../../activities/mailbox-activities.ts';
import { mailboxWorkflowId, scanWorkflowId } from '../../model/ids.ts';
import { mailboxWaitsSignal } from '../../workflows/messages.ts';
import { DONE, heartbeatUntil, Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const PATIENCE = { timeout: 60_000 };

describe('scanTenant', () => {
  let stage: WorkflowStage;
  beforeEach(async () => {
    stage = await openWorkflowStage();
  });
  afterEach(() => stage.close());

  const start: WorkflowStage['startScan'] = (scanId, options) => stage.startScan(scanId, options);

  it('has every mailbox read once and ends completed', async () => {
    const tenant = new Tenant(60);
    await stage.run(tenant.activities(), async () => {
      const { handle, admission } = await start('every-mailbox');
      expect(admission).toEqual({ status: 'running' });
      expect(await handle.result()).toBe('completed');
    });
    expect([...tenant.reads].sort()).toEqual([...tenant.mailboxes].sort());
    expect(tenant.ends).toEqual([{ scanNo: 1, end: 'ran' }]);
  });

  it('keeps no more mailboxes open than its window', async () => {
    const tenant = new Tenant(30);
    let open = 0;
    let peak = 0;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const readMailbox: MailboxActivities['readMailbox'] = async () => {
      peak = Math.max(peak, ++open);
      await released;
      open--;
      return DONE;
    };
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('window', { window: 4 });
      await vi.waitUntil(() => open === 4, PATIENCE);
      expect((await handle.describe()).raw.pendingChildren).toHaveLength(4);
      release();
      expect(await handle.result()).toBe('completed');
    });
    expect(peak).toBe(4);
  });

  it('fills a window that is wider than what it takes from the store at once', async () => {
    const tenant = new Tenant(100);
    const state = { released: false };
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
      tenant.reading(mailboxId, async () => {
        await heartbeatUntil(() => state.released);
        return DONE;
      });
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('wide', { window: 90 });
      await vi.waitUntil(() => tenant.reads.length === 90, PATIENCE);
      state.released = true;
      expect(await handle.result()).toBe('completed');
    });
    expect(tenant.reads).toHaveLength(100);
  });

  it('reads others meanwhile where Graph makes mailboxes wait, and never opens more than its window beside them', async () => {
    const tenant = new Tenant(12);
    const slow = tenant.mailboxes.slice(0, 2);
    const state = { released: false };
    let [open, peak] = [0, 0];
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId, waiters }) =>
      tenant.reading(mailboxId, async () => {
        const waits = slow.includes(mailboxId);
        if (waits) {
          for (const { scanId } of waiters) {
            const scan = stage.client.workflow.getHandle(scanWorkflowId(stage.organizationId, scanId));
            await scan.signal(mailboxWaitsSignal, { mailboxId, waitMs: 600_000 });
          }
          await heartbeatUntil(() => state.released);
        } else {
          peak = Math.max(peak, ++open);
          await setImmediate();
          open--;
        }
        tenant.finished.add(mailboxId);
        return DONE;
      });
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('throttled', { window: 2, maxEvents: 60 });
      await vi.waitUntil(() => tenant.finished.size === 10, { timeout: 40_000 });
      state.released = true;
      expect(await handle.result()).toBe('completed');
    });
    expect(new Set(tenant.reads)).toEqual(new Set(tenant.mailboxes));
    expect(peak).toBeLessThanOrEqual(2);
  });

  it('answers at once, and ends, when the credential is refused', async () => {
    const tenant = new Tenant(1);
    const refused = { status: 'refused', reason: 'The client secret is wrong (AADSTS7000215)' } as const;
    await stage.run(tenant.activities({ checkCredential: async () => refused }), async () => {
      const { handle, admission } = await start('refused');
      expect(admission).toEqual(refused);
      expect(await handle.result()).toBe('refused');
    });
    expect(tenant.reads).toEqual([]);
    expect(tenant.ends).toEqual([]);
  });

  it('waits as pending until another scan frees its turn', async () => {
    const tenant = new Tenant(2);
    tenant.mayRun = false;
    const next = { organizationId: stage.organizationId, scanId: 'second' };
    const activities = tenant.activities({
      takeTurn: async ({ scanNo }) => (scanNo === 1 || tenant.mayRun ? 'running' : 'pending'),
      finishScan: async ({ scanNo }) => {
        tenant.mayRun = true;
        return { status: 'completed', waiting: scanNo === 1 ? [next] : [] };
      },
      readMailbox: ({ mailboxId }) => tenant.reading(mailboxId, async () => DONE),
    });
    await stage.run(activities, async () => {
      const second = await start('second', { scanNo: 2 });
      expect(second.admission).toEqual({ status: 'pending' });
      const first = await start('first');
      expect(await first.handle.result()).toBe('completed');
      expect(await second.handle.result()).toBe('completed');
    });
    expect(tenant.reads).toHaveLength(4);
  });

  it('reads a mailbox in as many slices as it takes', async () => {
    const tenant = new Tenant(3);
    const slices = new Map<string, number>();
    const readMailbox: MailboxActivities['readMailbox'] = async ({ mailboxId }) => {
      const slice = (slices.get(mailboxId) ?? 0) + 1;
      slices.set(mailboxId, slice);
      return { ...DONE, done: slice === 5 };
    };
    await stage.run(tenant.activities({ readMailbox }), async () => (await start('slices')).handle.result());
    expect([...slices.values()]).toEqual([5, 5, 5]);
  });

  it('goes on when a mailbox fails, having recorded why', async () => {
    const tenant = new Tenant(5);
    const [bad] = tenant.mailboxes;
    const recorded: unknown[] = [];
    const activities = tenant.activities({
      readMailbox: async ({ mailboxId }) => {
        if (mailboxId === bad) throw ApplicationFailure.nonRetryable('no use', 'GraphFailed');
        return DONE;
      },
      recordFailedMailbox: async ({ mailboxId, reason }) => void recorded.push([mailboxId, reason]),
    });
    await stage.run(activities, async () => {
      expect(await (await start('one-bad')).handle.result()).toBe('completed');
    });
    expect(recorded).toEqual([[bad, 'graph_failed']]);
  });

  it('fails as a whole when the credential is refused on the way', async () => {
    const tenant = new Tenant(30);
    const activities = tenant.activities({
      readMailbox: async () => {
        throw ApplicationFailure.nonRetryable('no use', 'CredentialRefused');
      },
    });
    await stage.run(activities, async () => {
      const { handle } = await start('secret-expired', { window: 2 });
      await expect(handle.result()).rejects.toThrow();
    });
    expect(tenant.ends).toMatchObject([{ end: 'failed', message: expect.stringContaining('credential') as string }]);
  });

  it('cancelled, cancels the reads nobody else waits for and ends cancelled', async () => {
    const tenant = new Tenant(20);
    let cancelledReads = 0;
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
      tenant.reading(mailboxId, () =>
        untilCancelled().catch((error: unknown) => {
          if (error instanceof CancelledFailure) cancelledReads++;
          throw error;
        }),
      );
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('cancelled', { window: 5 });
      await vi.waitUntil(() => tenant.reads.length === 5, PATIENCE);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      await vi.waitUntil(() => cancelledReads === 5, PATIENCE);
    });
    expect(tenant.ends).toEqual([{ scanNo: 1, end: 'cancelled' }]);
  });

  it(
    'shares its mailboxes with another scan: never two reads of one at a time, and a cancelled one takes nothing along',
    { timeout: 120_000 },
    async () => {
      const tenant = new Tenant(40);
      const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
        tenant.reading(mailboxId, async () => {
          // Open until another read begins, so that reads and the cancellation overlap.
          const begun = tenant.reads.length;
          await heartbeatUntil(() => tenant.reads.length > begun || new Set(tenant.reads).size === 40);
          return DONE;
        });
      await stage.run(tenant.activities({ readMailbox }), async () => {
        const first = await start('shared-a', { scanNo: 1 });
        const second = await start('shared-b', { scanNo: 2 });
        await vi.waitUntil(() => tenant.reads.length > 15, PATIENCE);
        await first.handle.cancel();
        await expect(first.handle.result()).rejects.toThrow();
        expect(await second.handle.result()).toBe('completed');
      });
      expect(tenant.peakReadsOfOneMailbox).toBe(1);
      expect(new Set(tenant.reads).size).toBe(40);
    },
  );

  it('hears of the readers that it has started by their ends, without a signal from any', async () => {
    const tenant = new Tenant(12);
    const told: (boolean | undefined)[] = [];
    const readMailbox: MailboxActivities['readMailbox'] = async ({ waiters }) => {
      told.push(...waiters.map(({ byEnd }) => byEnd));
      return DONE;
    };
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('by-ends', { window: 3 });
      expect(await handle.result()).toBe('completed');
      const { events = [] } = await handle.fetchHistory();
      expect(events?.filter((event) => event.childWorkflowExecutionCompletedEventAttributes)).toHaveLength(12);
      expect(events?.filter((event) => event.workflowExecutionSignaledEventAttributes)).toEqual([]);
    });
    expect(told).toEqual(Array.from({ length: 12 }, () => true));
  });

  it('asks again at once when a reader is terminated, which reports nothing', async () => {
    const tenant = new Tenant(3);
    const [lost] = tenant.mailboxes as [string];
    let hang = true;
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
      tenant.reading(mailboxId, async () => {
        if (mailboxId === lost && hang) return untilCancelled();
        tenant.finished.add(mailboxId);
        return DONE;
      });
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('terminated');
      await vi.waitUntil(() => tenant.reads.includes(lost) && tenant.finished.size === 2, PATIENCE);
      hang = false;
      await stage.client.workflow.getHandle(mailboxWorkflowId(stage.organizationId, lost)).terminate();
      expect(await handle.result()).toBe('completed');
    });
    expect(tenant.reads.filter((id) => id === lost)).toHaveLength(2);
  });

  it('continues as new as often as it needs, asks after the readers of the run before, and has each mailbox read', async () => {
    const tenant = new Tenant(120);
    await stage.run(tenant.activities(), async () => {
      const { handle } = await start('continued', { window: 20, maxEvents: 300 });
      expect(await handle.result()).toBe('completed');
      const last = await handle.fetchHistory();
      const started = last.events?.[0]?.workflowExecutionStartedEventAttributes;
      expect(started?.continuedExecutionRunId).toBeTruthy();
      expect(last.events?.length).toBeLessThan(1000);
    });
    expect(new Set(tenant.reads)).toEqual(new Set(tenant.mailboxes));
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });

  it('hears, too, of a reader that it started before it continued as new', async () => {
    const tenant = new Tenant(60);
    const [slow] = tenant.mailboxes;
    const state = { released: false };
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
      tenant.reading(mailboxId, async () => {
        await heartbeatUntil(() => mailboxId !== slow || state.released);
        tenant.finished.add(mailboxId);
        return DONE;
      });
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await start('slow-one', { window: 5, maxEvents: 200 });
      await vi.waitUntil(() => tenant.finished.size === 59, PATIENCE);
      state.released = true;
      expect(await handle.result()).toBe('completed');
      const { events } = await handle.fetchHistory();
      expect(events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId).toBeTruthy();
    });
    // One that ends as the new run asks after it may be read again; the slow one was being read all the while.
    expect(new Set(tenant.reads)).toEqual(new Set(tenant.mailboxes));
    expect(tenant.reads.filter((id) => id === slow)).toHaveLength(1);
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });
});
