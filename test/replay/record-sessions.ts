import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { sessionNudgedSignal, stopSessionSignal } from '../../workflows/messages.ts';
import type { sweepMailboxes } from '../../workflows/sweep-mailboxes.ts';
import { PlayedSession, startSession } from '../support/session.ts';
import { Tenant, untilCancelled, type PlayedActivities } from '../support/tenant.ts';
import { Recorder, failing, flaky, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

type Handle = ReturnType<typeof startSession>['handle'];
const stop = async (handle: Handle): Promise<unknown> => {
  await handle.signal(stopSessionSignal, { reason: 'user_requested' });
  return handle.result();
};
const keptTimes = (session: PlayedSession, times: number): Promise<unknown> =>
  vi.waitUntil(() => session.times('keepSubscriptions') === times, patience);

/** Plays a session to its end, and keeps its last run's history. */
async function record(
  shape: string,
  over: Parameters<PlayedSession['activities']>[0],
  during: (session: PlayedSession, handle: Handle) => Promise<unknown>,
  maxEvents?: number,
): Promise<void> {
  const session = new PlayedSession();
  await recorder.stage.run(session.activities(over), async () => {
    const { handle, answer } = startSession(recorder.stage, maxEvents === undefined ? {} : { maxEvents });
    await answer;
    await during(session, handle);
    await handle.result().catch(() => undefined);
    await recorder.record(`keepSession-${shape}`, handle);
    if (maxEvents === undefined) return;
    const { raw } = await handle.describe();
    const runId = raw.workflowExecutionInfo?.firstRunId ?? '';
    const { client } = recorder.stage;
    await recorder.record('keepSession-continuing', client.workflow.getHandle(handle.workflowId, runId));
  });
}

it('a session from start to stop: told of changes, by polling alone, nudged, and continued as new', async () => {
  await record('fresh', {}, async (session, handle) => {
    await keptTimes(session, 1);
    expect(await stop(handle)).toBe('stopped');
  });
  const polling = { beginSession: async () => ({ scanNo: 7, notifications: false }) };
  await record('polling', polling, (_session, handle) => stop(handle));
  const waits = [true, false];
  await record('nudged', { workWaits: async () => waits.shift() ?? false }, async (session, handle) => {
    await keptTimes(session, 1);
    await handle.signal(sessionNudgedSignal);
    await keptTimes(session, 2);
    await stop(handle);
  });
  const goOn = async (session: PlayedSession, handle: Handle): Promise<void> => {
    await keptTimes(session, 1);
    await handle.signal(sessionNudgedSignal);
    await keptTimes(session, 2);
    await stop(handle);
  };
  await record('continued', {}, goOn, 20);
});

it('a session with trouble: tried again, unreachable, refused, failed, cancelled, stopped during its start', async () => {
  const retried = { beginSession: flaky({ scanNo: 7, notifications: true }), removeSweeps: flaky(undefined) };
  await record('retried', retried, (_session, handle) => stop(handle));
  const reason = 'OUTHAUL_PUBLIC_URL is not set';
  const unreachable = {
    checkPublicUrl: async () => ({ reachable: false, reason }) as const,
    keepSubscriptions: async () => ({ nextDueMs: 600_000, active: 0, refused: 0, unreachable: reason }),
  };
  await record('unreachable', unreachable, async (session, handle) => {
    await keptTimes(session, 1);
    await stop(handle);
  });
  const troubled = { keepSubscriptions: failing, removeSubscriptions: failing };
  await record('troubled', troubled, async (session, handle) => {
    await vi.waitUntil(() => session.trouble !== null, patience);
    await stop(handle);
  });
  const refused = { checkCredential: async () => ({ status: 'refused', reason: 'AADSTS7000215' }) as const };
  await record('refused', refused, (_session, handle) => handle.result());
  await record('failed', { followMailboxes: failing }, (_session, handle) => handle.result());
  await record('cancelled', {}, async (session, handle) => {
    await keptTimes(session, 1);
    await handle.cancel();
  });
});

it('a session that is stopped during its start', async () => {
  const session = new PlayedSession();
  await recorder.stage.run(session.activities({ followMailboxes: untilCancelled }), async () => {
    const { handle } = startSession(recorder.stage);
    await vi.waitUntil(() => session.times('followMailboxes') === 1, patience);
    expect(await stop(handle)).toBe('stopped');
    await recorder.record('keepSession-stopped-early', handle);
  });
});

it('sweeps', async () => {
  const { stage } = recorder;
  const result = { mailboxes: 3, changed: 1, skipped: 0, untold: 0, ms: 20 };
  const play = async (
    shape: string,
    probeMailboxes: NonNullable<PlayedActivities['probeMailboxes']>,
  ): Promise<void> => {
    await stage.run(new Tenant(0).activities({ probeMailboxes }), async () => {
      const handle = await stage.client.workflow.start<typeof sweepMailboxes>('sweepMailboxes', {
        workflowId: `sweep/${stage.organizationId}/${shape}`,
        taskQueue: stage.queues.orchestration,
        args: [{ organizationId: stage.organizationId }],
      });
      if (shape === 'cancelled') {
        await vi.waitUntil(async () => {
          const { raw } = await handle.describe();
          return (raw.pendingActivities ?? []).some(({ lastStartedTime }) => lastStartedTime);
        }, patience);
        await handle.cancel();
      }
      await handle.result().catch(() => undefined);
      await recorder.record(`sweepMailboxes-${shape}`, handle);
    });
  };
  await play('fresh', async () => result);
  await play('retried', flaky(result));
  await play('failed', failing);
  await play('cancelled', untilCancelled);
});
