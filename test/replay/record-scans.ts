import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pauseSignal, resumeSignal, turnFreedSignal } from '../../workflows/messages.ts';
import { DONE, Tenant, type PlayedActivities } from '../support/tenant.ts';
import { Recorder, failing, flaky, held, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

const paused = (tenant: Tenant): Promise<unknown> =>
  vi.waitUntil(() => tenant.steps.some(({ what }) => what === 'pause'), patience);

it('a scan that runs through, and its readers', async () => {
  const tenant = new Tenant(12);
  await recorder.stage.run(tenant.activities(), async () => {
    const { handle } = await recorder.stage.startScan('fresh', { window: 5 });
    expect(await handle.result()).toBe('completed');
  });
  await recorder.recordScan('fresh');
  await recorder.recordReader('fresh', tenant.mailboxes[0]);
});

it('a scan that continues as new, and one that waits for its turn', async () => {
  const tenant = new Tenant(60);
  await recorder.stage.run(tenant.activities(), async () => {
    const { handle } = await recorder.stage.startScan('continued', { window: 10, maxEvents: 150 });
    expect(await handle.result()).toBe('completed');
    const { raw } = await handle.describe();
    await recorder.recordScan('continuing', 'continued', raw.workflowExecutionInfo?.firstRunId ?? '');
  });
  await recorder.recordScan('continued');

  const waiting = new Tenant(2);
  waiting.mayRun = false;
  await recorder.stage.run(waiting.activities(), async () => {
    const { handle } = await recorder.stage.startScan('pending');
    waiting.mayRun = true;
    await handle.signal(turnFreedSignal);
    expect(await handle.result()).toBe('completed');
  });
  await recorder.recordScan('pending');
});

it('a scan that is paused and resumed, and a reader that nobody waits for any more', async () => {
  const tenant = new Tenant(6);
  const go = { on: false };
  await recorder.stage.run(tenant.activities(held(tenant, go)), async () => {
    const { handle } = await recorder.stage.startScan('paused', { window: 3 });
    await vi.waitUntil(() => tenant.reads.length === 3, patience);
    await handle.signal(pauseSignal);
    await paused(tenant);
    await recorder.readerOf(tenant.reads[0]).result();
    await recorder.recordReader('paused', tenant.reads[0]);
    go.on = true;
    await handle.signal(resumeSignal);
    expect(await handle.result()).toBe('completed');
  });
  await recorder.recordScan('paused');
});

it('a scan that is paused when it continues as new, and one that is cancelled while paused', async () => {
  const tenant = new Tenant(6);
  const go = { on: false };
  await recorder.stage.run(tenant.activities(held(tenant, go)), async () => {
    const { handle } = await recorder.stage.startScan('paused-continued', { window: 3, maxEvents: 50 });
    await vi.waitUntil(() => tenant.reads.length === 3, patience);
    const { runId } = await handle.describe();
    await handle.signal(pauseSignal);
    await vi.waitUntil(async () => (await handle.describe()).runId !== runId, patience);
    await recorder.recordScan('paused-continuing', 'paused-continued', runId);
    go.on = true;
    await handle.signal(resumeSignal);
    expect(await handle.result()).toBe('completed');
  });
  await recorder.recordScan('paused-continued');

  const cancelled = new Tenant(3);
  await recorder.stage.run(cancelled.activities(held(cancelled, { on: false })), async () => {
    const { handle } = await recorder.stage.startScan('paused-cancelled');
    await vi.waitUntil(() => cancelled.reads.length === 3, patience);
    await handle.signal(pauseSignal);
    await paused(cancelled);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
  await recorder.recordScan('paused-cancelled');
});

it('a scan that is opened again, and one whose end the store refuses', async () => {
  const tenant = new Tenant(3);
  await recorder.stage.run(tenant.activities(), async () => {
    const { handle } = await recorder.stage.startScan('reopened', { reopensAfter: 3 });
    expect(await handle.result()).toBe('completed');
  });
  await recorder.recordScan('reopened');

  const endless = new Tenant(1);
  const whole = endless.activities();
  const refusing: Partial<PlayedActivities> = {
    finishScan: (input) => (input.end === 'ran' ? failing() : whole.finishScan(input)),
  };
  await recorder.stage.run(endless.activities(refusing), async () => {
    expect(await (await recorder.stage.startScan('no-end')).handle.result()).toBe('failed');
  });
  await recorder.recordScan('no-end');
});

it('a scan that is cancelled, and a reader that is', async () => {
  const tenant = new Tenant(6);
  await recorder.stage.run(tenant.activities(held(tenant, { on: false })), async () => {
    const { handle } = await recorder.stage.startScan('cancelled', { window: 3 });
    await vi.waitUntil(() => tenant.reads.length === 3, patience);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    await recorder.readerOf(tenant.reads[0]).result();
  });
  await recorder.recordScan('cancelled');
  await recorder.recordReader('cancelled', tenant.reads[0]);
});

it('a scan whose credential is refused at the start, and one whose is refused on the way', async () => {
  const tenant = new Tenant(6);
  const refused = { status: 'refused', reason: 'The client secret is wrong' } as const;
  await recorder.stage.run(tenant.activities({ checkCredential: async () => refused }), async () => {
    await (await recorder.stage.startScan('refused')).handle.result();
  });
  await recorder.recordScan('refused');
  const onTheWay = tenant.activities({
    readMailbox: async () => {
      throw ApplicationFailure.nonRetryable('refused', 'CredentialRefused');
    },
  });
  await recorder.stage.run(onTheWay, async () => {
    await expect((await recorder.stage.startScan('failed', { window: 2 })).handle.result()).rejects.toThrow();
  });
  await recorder.recordScan('failed');
  await recorder.recordReader('failed', tenant.mailboxes[0]);
});

it('activities that are retried', async () => {
  const tenant = new Tenant(2);
  const activities = tenant.activities({
    takeTurn: flaky('running' as const),
    discoverMailboxes: flaky({ mailboxes: 2 }),
    readMailbox: flaky(DONE),
  });
  await recorder.stage.run(activities, async () => (await recorder.stage.startScan('retried')).handle.result());
  await recorder.recordScan('retried');
  await recorder.recordReader('retried', tenant.mailboxes[0]);
});
