import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { MailboxActivities } from '../../activities/mailbox-activities.ts';
import { historyOf, recordFailure, whileBeating } from '../../activities/heartbeat.ts';
import { GraphError } from '../../graph/errors.ts';
import { abortable } from '../../graph/waiting.ts';
import { StoreUnavailable } from '../../store/errors.ts';
import { failureInterceptor } from '../../workers/interceptors.ts';
import { Tenant } from '../support/tenant.ts';
import { openWorkflowStage } from '../support/temporal.ts';

const unavailable = (): GraphError => new GraphError('x', { kind: 'unavailable', code: 'X' });
const busy = (): GraphError => new GraphError('x', { kind: 'mailbox_busy', code: 'X' });

/** An attempt that starts with these details, and the details of its heartbeats. */
function attempt(heartbeatDetails?: unknown): { environment: MockActivityEnvironment; beats: unknown[] } {
  const environment = new MockActivityEnvironment({ heartbeatDetails });
  const beats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  return { environment, beats };
}

describe('an activity', () => {
  afterEach(() => void vi.useRealTimers());

  it('beats at least once in 5 s while something hangs, and no more when it is through', async () => {
    vi.useFakeTimers();
    const { environment, beats } = attempt();
    const hang = new AbortController();
    const running = environment.run(() =>
      whileBeating(() => abortable(new Promise<void>(() => undefined), hang.signal)),
    );
    for (let count = 0; count < 20; count++) {
      const before = beats.length;
      await vi.advanceTimersByTimeAsync(5_000);
      expect(beats.length).toBeGreaterThan(before);
    }
    const failed = expect(running).rejects.toThrow('x');
    hang.abort(new Error('x'));
    await failed;
    const count = beats.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(beats).toHaveLength(count);
  });

  it('is given the progress of the attempt before', async () => {
    const first = attempt();
    await first.environment.run(() =>
      whileBeating((beat: (progress: number) => void) => {
        beat(7);
        recordFailure(first.environment.context, unavailable());
        return Promise.resolve();
      }),
    );
    const second = attempt(first.beats.at(-1));
    const before = await second.environment.run(() => whileBeating((_beat, told) => Promise.resolve(told)));
    expect(before).toBe(7);
    expect(historyOf(second.environment.context)).toEqual({ failures: 1, progress: 7 });
  });

  it('starts anew from details that are none of its own', async () => {
    const { environment } = attempt({ link: 'x' });
    expect(await environment.run(() => whileBeating((_beat, told) => Promise.resolve(told)))).toBeUndefined();
    expect(historyOf(environment.context)).toEqual({ failures: 0 });
  });

  it('takes a mailbox that makes progress for busy no more', async () => {
    const { environment } = attempt({ failures: 1, busySince: 5 });
    await environment.run(() =>
      whileBeating((beat: (progress: number) => void) => {
        expect(historyOf(environment.context)).toMatchObject({ busySince: 5 });
        beat(1);
        expect(recordFailure(environment.context, busy(), 99)).toMatchObject({ failures: 1, busySince: 99 });
        return Promise.resolve();
      }),
    );
  });

  it('says nothing of a failure that does not count', () => {
    const { environment, beats } = attempt({ failures: 2 });
    expect(recordFailure(environment.context, new StoreUnavailable('x'))).toEqual({ failures: 2 });
    expect(beats).toEqual([]);
  });
});

describe('a slice on a Temporal server', () => {
  it('counts what Graph failed, not what the store did, and keeps the count from attempt to attempt', async () => {
    const stage = await openWorkflowStage();
    const intercepted = failureInterceptor({ debug: () => undefined, warn: () => undefined }, 2);
    const errors = [new StoreUnavailable('x'), new StoreUnavailable('x'), unavailable(), new StoreUnavailable('x')];
    const failures: number[] = [];
    const readMailbox: MailboxActivities['readMailbox'] = (input) => {
      const context = Context.current();
      const work = () =>
        whileBeating(() => {
          failures.push(historyOf(context).failures);
          return Promise.reject(errors.shift() ?? unavailable());
        });
      const execute = intercepted(context).inbound?.execute;
      if (!execute) throw new Error('no interceptor');
      return execute({ args: [input], headers: {} }, work) as ReturnType<typeof readMailbox>;
    };
    try {
      const tenant = new Tenant(1);
      await stage.run(tenant.activities({ readMailbox }), async () => {
        const { handle } = await stage.startScan('attempts');
        await handle.result();
      });
      expect(failures).toEqual([0, 0, 0, 1, 1]);
      expect([...tenant.finished]).toEqual(tenant.mailboxes);
    } finally {
      await stage.close();
    }
  });
});
