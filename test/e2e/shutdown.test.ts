import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Outhaul } from '../cli/outhaul-process.ts';
import { pagesOf } from './pages.ts';
import { openStage, type Stage } from './stage.ts';

const MESSAGES = 3 * 400;
const NOTHING_WRONG = { messages: MESSAGES, stored: MESSAGES, missing: 0, duplicated: 0, different: 0 };
const SMALL_PAGES = { BATCH_SIZE: '50' };

/** Sends it again and again until the process is gone: of two that come at once the second is taken for an echo. */
async function terminateAgain(process: Outhaul): Promise<number | NodeJS.Signals> {
  const again = setInterval(() => process.kill('SIGTERM'), 100);
  return process.ended.finally(() => clearInterval(again));
}

describe('a worker that is told to end in the middle of a slice', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage({ mailboxes: 3, messagesPerMailbox: 400, folders: 2, oddMessages: false });
  });
  afterEach(() => stage.close());

  /** Starts a worker and a scan, and holds Graph's answers once some pages are stored. */
  async function inTheMiddle() {
    const worker = stage.startWorker(SMALL_PAGES);
    const hold = stage.simulator.control.hold({ kind: 'messagesDelta', after: 9 });
    await stage.startScan('told');
    await vi.waitUntil(() => hold.waiting > 2, { timeout: 60_000 });
    return { worker, hold };
  }

  async function expectCompleted(): Promise<void> {
    expect(await stage.ended('told')).toMatchObject({ status: 'completed', recordsExtracted: MESSAGES });
    expect(await stage.compare('told')).toMatchObject(NOTHING_WRONG);
  }
  const pagesRead = (): number => stage.simulator.control.stats().byKind.messagesDelta ?? 0;

  it('stores what it has asked for and hands the rest back: no page is read twice', { timeout: 200_000 }, async () => {
    const { worker, hold } = await inTheMiddle();
    worker.kill('SIGTERM');
    await worker.says('Handing back what runs');
    hold.release();
    expect(await worker.ended).toBe(0);
    const readBefore = pagesRead();
    expect(readBefore).toBeLessThan(pagesOf(stage, 50));

    stage.startWorker(SMALL_PAGES);
    await expectCompleted();
    expect(pagesRead()).toBe(pagesOf(stage, 50));
  });

  it(
    'gives up within its grace what Graph does not answer: only that is read again',
    { timeout: 200_000 },
    async () => {
      const { worker, hold } = await inTheMiddle();
      worker.kill('SIGTERM');
      expect(await worker.ended).toBe(0);
      const inFlight = hold.waiting;
      hold.release();

      stage.startWorker(SMALL_PAGES);
      await expectCompleted();
      expect(pagesRead()).toBe(pagesOf(stage, 50) + inFlight);
    },
  );

  it('ends at once when it is told again, and another goes on', { timeout: 200_000 }, async () => {
    const { worker, hold } = await inTheMiddle();
    worker.kill('SIGTERM');
    await worker.says('Handing back what runs');
    expect(await terminateAgain(worker)).toBe(143);
    const inFlight = hold.waiting;
    hold.release();

    stage.startWorker(SMALL_PAGES);
    await expectCompleted();
    expect(pagesRead()).toBeLessThanOrEqual(pagesOf(stage, 50) + inFlight);
  });
});
