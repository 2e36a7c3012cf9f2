import { WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { keepSession } from '../../workflows/keep-session.ts';
import { sessionNudgedSignal, stopSessionSignal } from '../../workflows/messages.ts';
import { PlayedSession, startSession } from '../support/session.ts';
import { heartbeatUntil, untilCancelled } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

const patience = { timeout: 60_000 };
const ENDING = ['recordStopping', 'removeSweeps', 'removeSubscriptions', 'workWaits', 'endSession'];

describe('a session', () => {
  let stage: WorkflowStage;
  let session: PlayedSession;
  beforeEach(async () => {
    stage = await openWorkflowStage();
    session = new PlayedSession();
  });
  afterEach(() => stage.close());

  const isKept = () => vi.waitUntil(() => session.times('recordNotifications') === 1, patience);
  const stop = async (handle: WorkflowHandle<typeof keepSession>, reason = 'user_requested') => {
    await handle.signal(stopSessionSignal, { reason });
    return handle.result();
  };

  it('begins, follows the mailboxes, has them swept, and is told of changes; a stop takes all of that back', async () => {
    await stage.run(session.activities(), async () => {
      const { handle, answer } = startSession(stage);
      expect(await answer).toEqual({ status: 'running' });
      await isKept();
      expect(session.calls).toEqual([
        ...['beginSession', 'checkCredential', 'followMailboxes', 'checkPublicUrl', 'keepSweeps', 'recordRunning'],
        ...['sweepNow', 'keepSubscriptions', 'recordNotifications'],
      ]);
      session.calls.length = 0;
      expect(await stop(handle, 'user_requested')).toBe('stopped');
    });
    expect(session.calls).toEqual(ENDING);
    expect(session.end).toEqual({ status: 'stopped', reason: 'user_requested' });
  });

  it('asks nothing of Graph about notifications where none are wanted', async () => {
    const activities = session.activities({ beginSession: async () => ({ scanNo: 7, notifications: false }) });
    await stage.run(activities, async () => {
      const { handle, answer } = startSession(stage);
      expect(await answer).toEqual({ status: 'running' });
      await handle.signal(sessionNudgedSignal);
      expect(await stop(handle)).toBe('stopped');
    });
    expect(session.calls.filter((call) => /Subscriptions|PublicUrl|recordNotifications/.test(call))).toEqual([]);
  });

  it('is the only one of its organization', async () => {
    await stage.run(session.activities(), async () => {
      const { handle, answer } = startSession(stage);
      await answer;
      await expect(startSession(stage, { sessionNo: 2 }).answer).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
      await stop(handle);
      const third = startSession(stage, { sessionNo: 3 });
      expect(await third.answer).toEqual({ status: 'running' });
      await stop(third.handle);
    });
    expect(session.times('endSession')).toBe(2);
  });

  it.each(['refused', 'unreachable'] as const)(
    'does not run with a credential that is %s, and says why',
    async (status) => {
      const checkCredential = async () => ({ status, reason: 'AADSTS7000215' });
      await stage.run(session.activities({ checkCredential }), async () => {
        const { handle, answer } = startSession(stage);
        expect(await answer).toEqual({ status, reason: 'AADSTS7000215' });
        expect(session.end).toEqual({ status: 'failed', reason: 'AADSTS7000215' });
        expect(await handle.result()).toBe(status);
      });
      expect(session.times('followMailboxes')).toBe(0);
    },
  );

  it('fails with the reason where its users cannot be listed at the start', async () => {
    const followMailboxes = async () => {
      throw ApplicationFailure.nonRetryable('User.Read.All is missing', 'PermissionMissing');
    };
    await stage.run(session.activities({ followMailboxes }), async () => {
      const { handle, answer } = startSession(stage);
      expect(await answer).toEqual({ status: 'stopping' });
      expect(await handle.result()).toBe('failed');
    });
    expect(session.end).toEqual({ status: 'failed', reason: 'User.Read.All is missing' });
  });

  it.each(['checkCredential', 'followMailboxes', 'checkPublicUrl', 'keepSubscriptions'] as const)(
    'is stopped while it is at %s, and nothing of it goes on',
    async (at) => {
      await stage.run(session.activities({ [at]: untilCancelled }), async () => {
        const { handle, answer } = startSession(stage);
        await vi.waitUntil(() => session.times(at) === 1, patience);
        expect(await stop(handle)).toBe('stopped');
        expect((await answer).status).toBe(at === 'keepSubscriptions' ? 'running' : 'stopping');
      });
      const ended = session.calls.slice(session.calls.indexOf(at) + 1);
      expect(ended).toEqual(
        ENDING.filter((call) => (at !== 'checkCredential' && at !== 'followMailboxes') || !/Subs/.test(call)),
      );
      expect(session.end).toEqual({ status: 'stopped', reason: 'user_requested' });
    },
  );

  it('is stopped before its first step', async () => {
    const { handle, answer } = startSession(stage);
    await vi.waitUntil(
      () =>
        handle.signal(stopSessionSignal, { reason: 'at once' }).then(
          () => true,
          () => false,
        ),
      patience,
    );
    await stage.run(session.activities(), async () => {
      expect(await handle.result()).toBe('stopped');
      expect(await answer).toEqual({ status: 'stopping' });
    });
    expect(session.calls).toEqual(['recordStopping', 'removeSweeps', 'workWaits', 'endSession']);
    expect(session.end).toEqual({ status: 'stopped', reason: 'at once' });
  });

  it('runs by polling where Graph cannot reach us, says so, and looks at its sweeps again', async () => {
    const reason = 'OUTHAUL_PUBLIC_URL is not set';
    const told: object[] = [];
    const activities = session.activities({
      checkPublicUrl: async () => ({ reachable: false, reason }),
      keepSubscriptions: async () => ({ nextDueMs: 600_000, active: 0, refused: 0, unreachable: reason }),
      recordNotifications: async ({ notifications, reason }) => void told.push({ notifications, reason }),
    });
    await stage.run(activities, async () => {
      const { handle, answer } = startSession(stage);
      expect(await answer).toEqual({ status: 'running' });
      await vi.waitUntil(() => session.times('keepSubscriptions') === 1, patience);
      expect(session.calls.indexOf('recordNotifications')).toBeLessThan(session.calls.indexOf('keepSweeps'));
      await stop(handle);
    });
    expect(told).toEqual([{ notifications: 'unreachable', reason }]);
  });

  it('sees to its subscriptions when it is nudged, once for many nudges', async () => {
    const times = () => session.times('keepSubscriptions');
    const state = { nudged: false };
    const keepSubscriptions = async () => {
      if (times() === 2) await heartbeatUntil(() => state.nudged);
      return { nextDueMs: 600_000, active: 1, refused: 0 };
    };
    await stage.run(session.activities({ keepSubscriptions }), async () => {
      const { handle } = startSession(stage);
      await isKept();
      await handle.signal(sessionNudgedSignal);
      await vi.waitUntil(() => times() === 2, patience);
      for (let nudge = 0; nudge < 20; nudge++) await handle.signal(sessionNudgedSignal);
      state.nudged = true;
      await vi.waitUntil(() => times() === 3, patience);
      await stop(handle);
    });
    expect(times()).toBe(3);
  });

  it('goes on when something fails, says what, and takes it back when it works again', async () => {
    let works = false;
    const keepSubscriptions = async () => {
      if (!works) throw ApplicationFailure.nonRetryable('the secret has expired', 'CredentialRefused');
      return { nextDueMs: 600_000, active: 1, refused: 0 };
    };
    await stage.run(session.activities({ keepSubscriptions }), async () => {
      const { handle } = startSession(stage);
      await vi.waitUntil(() => session.trouble === 'the secret has expired', patience);
      works = true;
      await handle.signal(sessionNudgedSignal);
      await vi.waitUntil(() => session.trouble === null, patience);
      await stop(handle);
    });
    expect(session.end?.status).toBe('stopped');
  });

  it('goes on over workers that come and go, and through continue-as-new', async () => {
    const activities = session.activities();
    const handle = await stage.run(activities, async () => {
      const started = startSession(stage, { maxEvents: 20 });
      await isKept();
      return started.handle;
    });
    await handle.signal(sessionNudgedSignal);
    await stage.run(activities, async () => {
      await vi.waitUntil(() => session.times('keepSubscriptions') === 2, patience);
      expect(await stop(handle)).toBe('stopped');
    });
    const { runId, raw } = await handle.describe();
    expect(runId).not.toBe(raw.workflowExecutionInfo?.firstRunId);
    expect(session.times('beginSession')).toBe(1);
    expect(session.times('recordNotifications')).toBe(1);
    expect(session.calls.slice(-ENDING.length)).toEqual(ENDING);
  });

  it('ends where Graph does not let its subscriptions be removed, and where it is cancelled by hand', async () => {
    const removeSubscriptions = async () => {
      throw ApplicationFailure.nonRetryable('the secret has expired', 'CredentialRefused');
    };
    await stage.run(session.activities({ removeSubscriptions }), async () => {
      const { handle } = startSession(stage);
      await isKept();
      await handle.cancel();
      expect(await handle.result()).toBe('stopped');
    });
    expect(session.end).toEqual({ status: 'stopped', reason: 'cancelled' });
  });

  it('waits for what is in flight before it ends', async () => {
    const waits = [true, true, false];
    await stage.run(session.activities({ workWaits: async () => waits.shift() ?? false }), async () => {
      const { handle } = startSession(stage);
      await isKept();
      await stop(handle);
    });
    expect(session.times('workWaits')).toBe(3);
  });

  it('has ended where it was forgotten meanwhile', async () => {
    const endSession = async () => {
      throw ApplicationFailure.nonRetryable('session number 1 is not known', 'UnknownSession');
    };
    await stage.run(session.activities({ endSession }), async () => {
      const { handle, answer } = startSession(stage);
      await answer;
      expect(await stop(handle)).toBe('stopped');
    });
  });
});
