import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireLease, releaseLease } from '../../store/leases.ts';
import { failureInterceptor } from '../../workers/interceptors.ts';
import { useMailboxes, type ReadOptions } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };
const TEN_MINUTES_MS = 600_000;
const DOCUMENTED = { mailboxRequests: 10_000, mailboxWindowSeconds: 600 };

describe('a slice that Graph throttles', () => {
  const stage = useMailboxes({ mailboxes: 12, messagesPerMailbox: 120, folders: 2 });
  afterEach(() => {
    stage.simulator.control.clearFaults();
    stage.simulator.control.setLimits(DOCUMENTED);
  });

  /** As in a worker: errors leave by the interceptor. */
  const asInWorker = (): ReadOptions => {
    const log = { debug: () => undefined, warn: () => undefined };
    return {
      pageSize: 20,
      environment: new MockActivityEnvironment({}, { interceptors: [failureInterceptor(log, 3)] }),
    };
  };
  const failureOf = async (mailbox: string, scanNo: number): Promise<ApplicationFailure> => {
    const error: unknown = await stage.read(mailbox, scanNo, asInWorker()).catch((reason: unknown) => reason);
    if (!(error instanceof ApplicationFailure)) throw new Error('it did not fail as activities do');
    return error;
  };
  const stored = async (mailbox: string): Promise<string[]> => {
    const rows = await stage.store.sql<{ id: string }>(
      `SELECT id FROM ${stage.organization.schema}.emails WHERE _user_id = $1 ORDER BY id`,
      [mailbox],
    );
    return rows.map(({ id }) => id);
  };
  const messagesOf = (mailbox: string): string[] =>
    stage.simulator.control.truth
      .page({ mailbox, limit: 1000 })
      .value.map(({ message }) => message['id'] as string)
      .sort();
  const requestsOf = (mailbox: string): number => stage.simulator.control.stats().mailboxes[mailbox]?.requests ?? 0;

  it.each([
    ['seconds', 600],
    ['an HTTP date', { date: 600 }],
  ])('for ten minutes (%s) ends at once, to come again when Graph allows it', async (_form, retryAfter) => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    const effect = { type: 'status', status: 429, code: 'ApplicationThrottled', retryAfter } as const;
    stage.simulator.control.addFault({ mailbox, kind: 'messagesDelta', after: 3, times: 1, effect });
    const failure = await failureOf(mailbox, scanNo);
    expect(failure).toMatchObject({ type: 'Throttled', nonRetryable: false });
    expect(failure.nextRetryDelay).toBeGreaterThan(TEN_MINUTES_MS - 30_000);
    expect(failure.nextRetryDelay).toBeLessThanOrEqual(TEN_MINUTES_MS);
    const told = stage.waits.filter(({ mailboxId }) => mailboxId === mailbox);
    expect(told).toMatchObject([{ scanId: String(scanNo) }]);
    expect(told[0]?.waitMs).toBeGreaterThan(TEN_MINUTES_MS - 30_000);

    const kept = await stored(mailbox);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(120);
    const lease = { mailboxId: mailbox, token: randomUUID(), seconds: 5 };
    expect(await acquireLease(stage.store.db, stage.organization, lease)).toMatchObject({ acquired: true });
    await releaseLease(stage.store.db, stage.organization, lease);

    const asked = requestsOf(mailbox);
    expect((await failureOf(mailbox, scanNo)).nextRetryDelay).toBeGreaterThan(TEN_MINUTES_MS - 60_000);
    expect(requestsOf(mailbox)).toBe(asked);
    const other = stage.ownMailbox();
    expect(await stage.read(other, scanNo, asInWorker())).toMatchObject(DONE);
    expect(await stored(other)).toEqual(messagesOf(other));
  });

  it('because the window of its mailbox is used up waits it out where that takes seconds', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    stage.simulator.control.setLimits({ mailboxRequests: 8, mailboxWindowSeconds: 2 });
    expect(await stage.read(mailbox, scanNo, asInWorker())).toMatchObject(DONE);
    expect(stage.simulator.control.stats().mailboxes[mailbox]?.throttled).toBeGreaterThan(0);
    expect(await stored(mailbox)).toEqual(messagesOf(mailbox));
  });

  it('because the window of its mailbox is used up for minutes asks for nothing until it opens', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan();
    stage.simulator.control.setLimits({ mailboxRequests: 8, mailboxWindowSeconds: 600 });
    const before = requestsOf(mailbox);
    const failure = await failureOf(mailbox, scanNo);
    expect(failure).toMatchObject({ type: 'Throttled', nonRetryable: false });
    expect(failure.nextRetryDelay).toBeGreaterThan(TEN_MINUTES_MS - 60_000);
    // What was under way when the first was refused.
    expect(requestsOf(mailbox) - before).toBeLessThanOrEqual(8 + 3);
  });
});
