import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openStage, type Stage } from './stage.ts';

const MAILBOXES = 100;
const EACH = 40;
/** From the request for the pause to the end of the last request to Graph: a promise, twice what it takes. */
const QUIET_WITHIN_MS = 15_000;

describe('a scan with a hundred mailboxes open', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage(
      { mailboxes: MAILBOXES, messagesPerMailbox: EACH, folders: 1, oddMessages: false },
      { MAX_WORKERS: String(MAILBOXES), BATCH_SIZE: '10' },
    );
  });
  afterEach(() => stage.close());

  const statusOf = async () => (await stage.call('GET', '/api/v1/scan/wide/status')).answer;
  const requests = (): number => stage.simulator.control.stats().requests;
  const isQuiet = (): boolean => stage.simulator.control.stats().inFlight === 0;

  it(
    'is paused, stays so over a killed worker and restarts of API, Temporal and PostgreSQL, and goes on where it was',
    { timeout: 400_000 },
    async () => {
      const { control } = stage.simulator;
      const worker = stage.startWorker();
      const hold = control.hold({ kind: 'messagesDelta', after: MAILBOXES });
      await stage.startScan('wide');
      await vi.waitUntil(() => hold.waiting >= MAILBOXES, { timeout: 120_000, interval: 100 });

      const pausedAt = performance.now();
      const { status, answer } = await stage.call('POST', '/api/v1/scan/wide/pause');
      expect(status).toBe(202);
      await vi.waitUntil(isQuiet, { timeout: 60_000, interval: 50 });
      const quietAfter = performance.now() - pausedAt;
      expect(quietAfter).toBeLessThan(QUIET_WITHIN_MS);
      hold.release();
      await vi.waitFor(async () => expect(await statusOf()).toMatchObject({ status: 'paused' }), { timeout: 30_000 });
      expect(answer).toMatchObject({ scanId: 'wide' });
      const asked = requests();

      worker.kill('SIGKILL');
      await worker.ended;
      for (const service of ['temporal', 'postgres'] as const) {
        stage.services[service].kill('SIGKILL');
        await stage.services[service].exited;
        await stage.restart(service);
      }
      await stage.restart('api');
      stage.startWorker();
      expect(await statusOf()).toMatchObject({ status: 'paused', mailboxes: { total: MAILBOXES, running: 0 } });
      const again = await vi.waitFor(
        async () => {
          const second = await stage.call('POST', '/api/v1/scan/wide/pause');
          expect(second.status).toBe(202);
          return second;
        },
        { timeout: 60_000 },
      );
      expect(again.answer).toMatchObject({ status: 'paused' });
      expect(requests(), 'nobody has asked Graph for anything').toBe(asked);

      await stage.call('POST', '/api/v1/scan/wide/resume');
      expect(await stage.ended('wide')).toMatchObject({
        status: 'completed',
        recordsExtracted: MAILBOXES * EACH,
        mailboxes: { total: MAILBOXES, completed: MAILBOXES },
      });
      const messages = MAILBOXES * EACH;
      const nothingWrong = { messages, stored: messages, missing: 0, duplicated: 0, different: 0 };
      expect(await stage.compare('wide')).toMatchObject(nothingWrong);
    },
  );
});
