import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MailboxActivities } from '../../activities/mailbox-activities.ts';
import type { ScanActivities } from '../../activities/scan-activities.ts';
import { mailboxWorkflowId, scanWorkflowId } from '../../model/ids.ts';
import { pauseSignal, resumeSignal } from '../../workflows/messages.ts';
import { DONE, heartbeatUntil, Tenant, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const patience = { timeout: 60_000 };

describe('a scan under control', () => {
  let stage: WorkflowStage;
  beforeEach(async () => {
    stage = await openWorkflowStage();
  });
  afterEach(() => stage.close());

  /** Reads that go on until they are cancelled or `released`. */
  const slow = (tenant: Tenant) => {
    const state = { released: false };
    const readMailbox: MailboxActivities['readMailbox'] = ({ mailboxId }) =>
      tenant.reading(mailboxId, async () => {
        await heartbeatUntil(() => state.released);
        tenant.finished.add(mailboxId);
        return DONE;
      });
    return { state, readMailbox };
  };
  const isQuiet = (tenant: Tenant): boolean => [...tenant.running.values()].every((count) => count === 0);
  const told = (tenant: Tenant, what: string): number => tenant.steps.filter((step) => step.what === what).length;

  it('cancels its reads when it is paused, and has the rest read once it is resumed', async () => {
    const tenant = new Tenant(20);
    const { state, readMailbox } = slow(tenant);
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await stage.startScan('paused', { window: 5 });
      await vi.waitUntil(() => tenant.reads.length === 5, patience);
      await handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1 && isQuiet(tenant), patience);
      expect(tenant.reads).toHaveLength(5);
      state.released = true;
      await handle.signal(resumeSignal);
      expect(await handle.result()).toBe('completed');
    });
    expect([...tenant.finished].sort()).toEqual([...tenant.mailboxes].sort());
    expect(tenant.steps.map(({ what }) => what)).toEqual(['pause', 'resume']);
    expect(tenant.steps[1]?.step).toBeGreaterThan(tenant.steps[0]?.step ?? 0);
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });

  it('is paused once, however often it is asked, and going on without a pause changes nothing', async () => {
    const tenant = new Tenant(4);
    const { state, readMailbox } = slow(tenant);
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await stage.startScan('twice', { window: 4 });
      await handle.signal(resumeSignal);
      await vi.waitUntil(() => tenant.reads.length === 4, patience);
      await handle.signal(pauseSignal);
      await handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1, patience);
      await handle.signal(pauseSignal);
      state.released = true;
      await handle.signal(resumeSignal);
      await handle.signal(resumeSignal);
      expect(await handle.result()).toBe('completed');
    });
    expect(tenant.steps.map(({ what }) => what)).toEqual(['pause', 'resume']);
  });

  it('stays paused over workers that come and go, and through continue-as-new', async () => {
    const tenant = new Tenant(6);
    const { state, readMailbox } = slow(tenant);
    const activities = tenant.activities({ readMailbox });
    const handle = await stage.run(activities, async () => {
      const scan = await stage.startScan('restarted', { window: 3, maxEvents: 15 });
      await vi.waitUntil(() => tenant.reads.length === 3, patience);
      const { runId } = await scan.handle.describe();
      await scan.handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1 && isQuiet(tenant), patience);
      await vi.waitUntil(async () => (await scan.handle.describe()).runId !== runId, patience);
      return scan.handle;
    });
    state.released = true;
    await stage.run(activities, async () => {
      expect(tenant.reads).toHaveLength(3);
      await handle.signal(resumeSignal);
      expect(await handle.result()).toBe('completed');
    });
    expect([...tenant.finished].sort()).toEqual([...tenant.mailboxes].sort());
    expect(told(tenant, 'pause')).toBe(1);
  });

  it('is paused, too, where the pause comes while the window is filled and the run then continues as new', async () => {
    const tenant = new Tenant(6);
    const { state, readMailbox } = slow(tenant);
    const played = tenant.activities({ readMailbox });
    const { client, organizationId } = stage;
    const scan = client.workflow.getHandle(scanWorkflowId(organizationId, 'met'));
    const runs: (string | undefined)[] = [];
    const noteRun = (): number => runs.push(Context.current().info.workflowExecution?.runId);
    const nextMailboxes: ScanActivities['nextMailboxes'] = async (asked) => {
      if (runs.length === 0) {
        noteRun();
        await scan.signal(pauseSignal);
      }
      return played.nextMailboxes(asked);
    };
    const pauseScan: ScanActivities['pauseScan'] = (asked) => {
      noteRun();
      return played.pauseScan(asked);
    };
    await stage.run({ ...played, nextMailboxes, pauseScan }, async () => {
      await stage.startScan('met', { window: 3, maxEvents: 10 });
      await vi.waitUntil(() => told(tenant, 'pause') === 1 && isQuiet(tenant), patience);
      expect(new Set(runs).size).toBe(2);
      expect(tenant.reads.length).toBeLessThanOrEqual(3);
      state.released = true;
      await scan.signal(resumeSignal);
      expect(await scan.result()).toBe('completed');
    });
    expect([...tenant.finished].sort()).toEqual([...tenant.mailboxes].sort());
    expect(tenant.steps.map(({ what }) => what)).toEqual(['pause', 'resume']);
    expect(tenant.peakReadsOfOneMailbox).toBe(1);
  });

  it('can be cancelled while it is paused', async () => {
    const tenant = new Tenant(4);
    await stage.run(tenant.activities({ readMailbox: slow(tenant).readMailbox }), async () => {
      const { handle } = await stage.startScan('paused-cancelled', { window: 4 });
      await vi.waitUntil(() => tenant.reads.length === 4, patience);
      await handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1, patience);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
    });
    expect(tenant.ends).toEqual([{ scanNo: 1, end: 'cancelled' }]);
  });

  it('that waits for its turn does not take one while it is paused', async () => {
    const tenant = new Tenant(2);
    tenant.mayRun = false;
    await stage.run(tenant.activities(), async () => {
      const { handle, admission } = await stage.startScan('pending');
      expect(admission).toEqual({ status: 'pending' });
      await handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1, patience);
      tenant.mayRun = true;
      expect(tenant.reads).toEqual([]);
      await handle.signal(resumeSignal);
      expect(await handle.result()).toBe('completed');
    });
    expect(tenant.reads).toHaveLength(2);
  });

  it('stops listing users when it is paused, and lists them again when it goes on', async () => {
    const tenant = new Tenant(2);
    let lists = 0;
    const discoverMailboxes: ScanActivities['discoverMailboxes'] = async () =>
      ++lists === 1 ? untilCancelled() : { mailboxes: 2 };
    await stage.run(tenant.activities({ discoverMailboxes }), async () => {
      const { handle } = await stage.startScan('listing');
      await vi.waitUntil(() => lists === 1, patience);
      await handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1, patience);
      await handle.signal(resumeSignal);
      expect(await handle.result()).toBe('completed');
    });
    expect(lists).toBe(2);
  });

  /** What the reader of a mailbox was sent. */
  const signalsTo = async (mailboxId: string) => {
    const { client, organizationId } = stage;
    const { events } = await client.workflow.getHandle(mailboxWorkflowId(organizationId, mailboxId)).fetchHistory();
    return events?.flatMap(({ workflowExecutionSignaledEventAttributes: sent }) => sent?.signalName ?? []);
  };

  it('leaves readers alone that another scan waits for', async () => {
    const tenant = new Tenant(3);
    const { state, readMailbox } = slow(tenant);
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const first = await stage.startScan('first', { scanNo: 1 });
      await vi.waitUntil(() => tenant.reads.length === 3, patience);
      const second = await stage.startScan('second', { scanNo: 2 });
      await vi.waitFor(async () => {
        for (const id of tenant.mailboxes) expect(await signalsTo(id)).toEqual(['readRequested']);
      }, patience);
      await first.handle.signal(pauseSignal);
      await vi.waitUntil(() => told(tenant, 'pause') === 1, patience);
      state.released = true;
      expect(await second.handle.result()).toBe('completed');
      expect(tenant.ends).toEqual([{ scanNo: 2, end: 'ran' }]);
      await first.handle.signal(resumeSignal);
      await first.handle.result();
    });
  });

  it('that has ended is opened again, checks its credential and has read what the store says', async () => {
    const tenant = new Tenant(5);
    const [failed] = tenant.mailboxes as [string];
    for (const id of tenant.mailboxes) if (id !== failed) tenant.finished.add(id);
    let checks = 0;
    const activities = tenant.activities({
      checkCredential: async () => {
        checks++;
        return { status: 'accepted' };
      },
      discoverMailboxes: () => Promise.reject(ApplicationFailure.nonRetryable('the users are known')),
    });
    await stage.run(activities, async () => {
      const { handle } = await stage.startScan('again', { reopensAfter: 7 });
      expect(await handle.result()).toBe('completed');
    });
    expect(checks).toBe(1);
    expect(tenant.reads).toEqual([failed]);
    expect(tenant.steps).toEqual([{ what: 'reopen', step: 8 }]);
  });

  it('ends as failed when the store refuses its end for good, and does not stay running', async () => {
    const tenant = new Tenant(1);
    const finishScan: ScanActivities['finishScan'] = async ({ scanNo, end, message }) => {
      tenant.ends.push({ scanNo, end, ...(message !== undefined && { message }) });
      if (end === 'ran') throw ApplicationFailure.nonRetryable('a bug', 'InternalError');
      return { status: end, waiting: [] };
    };
    await stage.run(tenant.activities({ finishScan }), async () => {
      const { handle } = await stage.startScan('no-end');
      expect(await handle.result()).toBe('failed');
    });
    expect(tenant.ends).toMatchObject([
      { end: 'ran' },
      { end: 'failed', message: 'How the scan ended could not be told (InternalError)' },
    ]);
  });
});
