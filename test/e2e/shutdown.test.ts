import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Wire } from '../api/support/wire.ts';
import type { Outhaul } from '../cli/outhaul-process.ts';
import { pagesOf } from './pages.ts';
import { openStage, type Stage } from './stage.ts';

const MESSAGES = 3 * 400;
const NOTHING_WRONG = { messages: MESSAGES, stored: MESSAGES, missing: 0, duplicated: 0, different: 0 };
const SMALL_PAGES = { BATCH_SIZE: '50' };
/** From SIGTERM to the end of the process, as docs/architecture.md promises. */
const GONE_WITHIN_MS = 20_000;

/** Tells it to end; it must do so in order, and in time. */
async function terminate(process: Outhaul): Promise<void> {
  const toldAt = performance.now();
  process.kill('SIGTERM');
  expect(await process.ended).toBe(0);
  expect(performance.now() - toldAt).toBeLessThan(GONE_WITHIN_MS);
}

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
  async function inTheMiddle(env: NodeJS.ProcessEnv = {}) {
    const worker = stage.startWorker({ ...SMALL_PAGES, ...env });
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
    const gone = terminate(worker);
    await worker.says('Handing back what runs');
    hold.release();
    await gone;
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
      await terminate(worker);
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

  it('ends within 20 s though PostgreSQL and Temporal hang', { timeout: 200_000 }, async () => {
    const url = new URL(stage.services.postgres.url);
    const [host = '', port = ''] = stage.services.temporal.address.split(':');
    const wires = [new Wire(url.hostname, Number(url.port)), new Wire(host, Number(port))] as const;
    const [databasePort, temporalPort] = await Promise.all(wires.map((wire) => wire.open()));
    url.port = String(databasePort);
    const { worker, hold } = await inTheMiddle({
      DATABASE_URL: url.href,
      TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
    });
    for (const wire of wires) wire.cut();
    const gone = terminate(worker);
    hold.release();
    await gone;
    expect(worker.out()).toContain('left behind');
    for (const wire of wires) wire.close();

    stage.startWorker(SMALL_PAGES);
    await expectCompleted();
  });
});
