import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mailboxWorkflowId } from '../../model/ids.ts';
import { pagesOf } from './pages.ts';
import { ORGANIZATION, openStage, type Stage } from './stage.ts';

const MESSAGES = 3 * 400;
const NOTHING_WRONG = { messages: MESSAGES, stored: MESSAGES, missing: 0, duplicated: 0, different: 0 };

describe('a scan', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage({ mailboxes: 3, messagesPerMailbox: 400, folders: 2, oddMessages: false });
  });
  afterEach(() => stage.close());

  /** Mailboxes whose slice runs on that worker right now, by what Temporal knows. */
  async function slicesOf(pid: number): Promise<string[]> {
    const connection = await Connection.connect({ address: stage.services.temporal.address });
    const { workflow } = new Client({ connection });
    const mailboxes = stage.simulator.control.truth.mailboxes().map(({ id }) => id);
    const running = await Promise.all(
      mailboxes.map(async (id) => {
        const { raw } = await workflow.getHandle(mailboxWorkflowId(ORGANIZATION, id)).describe();
        return (raw.pendingActivities ?? []).some(
          ({ activityType, lastWorkerIdentity }) =>
            activityType?.name === 'readMailbox' && lastWorkerIdentity?.startsWith(`${pid}@`),
        );
      }),
    );
    await connection.close();
    return mailboxes.filter((_, index) => running[index]);
  }

  it(
    'whose worker is killed in the middle of a slice goes on in another: nothing lost, nothing twice',
    { timeout: 200_000 },
    async () => {
      const { control } = stage.simulator;
      const first = stage.startWorker({ BATCH_SIZE: '50' });
      const hold = control.hold({ kind: 'messagesDelta', after: 9 });
      await stage.startScan('killed');
      await hold.reached();
      await vi.waitFor(
        async () => {
          const { answer } = await stage.call('GET', '/api/v1/scan/killed/status');
          expect(answer['recordsExtracted']).toBeGreaterThan(0);
          expect(answer['recordsExtracted']).toBeLessThan(MESSAGES);
        },
        { timeout: 30_000 },
      );
      expect(await slicesOf(first.pid)).not.toEqual([]);

      first.kill('SIGKILL');
      expect(await first.ended).toBe('SIGKILL');
      stage.startWorker({ BATCH_SIZE: '50' });
      hold.release();

      expect(await stage.ended('killed')).toMatchObject({ status: 'completed', recordsExtracted: MESSAGES });
      expect(await stage.compare('killed')).toMatchObject(NOTHING_WRONG);
      // No page that was committed is read again: only what was in flight, at most 3 requests a mailbox.
      expect(control.stats().byKind.messagesDelta).toBeLessThanOrEqual(pagesOf(stage, 50) + 3 * 3);
    },
  );

  it.each([
    ['PostgreSQL', ['postgres']],
    ['Temporal', ['temporal']],
    ['PostgreSQL and Temporal', ['postgres', 'temporal']],
  ] as const)('outlives %s: it goes on afterwards', { timeout: 200_000 }, async (_, services) => {
    const { control } = stage.simulator;
    stage.startWorker({ BATCH_SIZE: '50' });
    const hold = control.hold({ kind: 'messagesDelta', after: 9 });
    await stage.startScan('outage');
    await hold.reached();
    for (const service of services) {
      stage.services[service].kill('SIGKILL');
      await stage.services[service].exited;
    }
    hold.release();
    await vi.waitFor(async () => expect((await stage.call('GET', '/health')).status).toBe(503), { timeout: 30_000 });
    for (const service of services) await stage.restart(service);
    expect(await stage.ended('outage')).toMatchObject({ status: 'completed', recordsExtracted: MESSAGES });
    expect(await stage.compare('outage')).toMatchObject(NOTHING_WRONG);
  });
});
