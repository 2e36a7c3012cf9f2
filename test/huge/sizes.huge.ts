import { afterEach, describe, expect, it, vi } from 'vitest';
import { mailboxWorkflowId } from '../../model/ids.ts';
import type { TenantOptions } from '../../simulator/index.ts';
import { readRequestedSignal } from '../../workflows/messages.ts';
import { ORGANIZATION } from '../e2e/stage.ts';
import { expectFlat, expectWithinBounds, HOURS, openHugeStage, type HugeStage, type ScanFigures } from './stage.ts';

/** What is looked at of a session's status. */
interface SessionState {
  readonly session: { readonly status: string } | null;
  readonly services: { readonly webhook: { readonly notifications: object } };
}

/** A smaller size may be asked for where time is short. */
const sized = (name: string, size: number): number => Number(process.env[name] ?? size);
const MESSAGES = sized('HUGE_MESSAGES', 1_000_000);
const MAILBOXES = sized('HUGE_MAILBOXES', 10_000);

const LONG = { timeout: 120_000, interval: 20 };

/**
 * Who asks waits for the answer before asking again. Temporal's server keeps a hundred signals for a workflow whose task is
 * running and then takes the task away; more at a time would measure how fast the machine is.
 */
const SENDERS = 4;

let stage: HugeStage;
afterEach(() => stage.close());

const onlyMailbox = (): string => stage.simulator.control.truth.mailboxes()[0]?.id ?? '';

/** Scans the tenant; `prepare` puts more into it before. */
async function scanned(
  tenant: TenantOptions & { readonly total: number },
  { settings = {}, prepare = () => undefined }: { settings?: Record<string, string>; prepare?: () => void } = {},
): Promise<ScanFigures> {
  const { total, ...options } = tenant;
  stage = await openHugeStage({ folders: 1, ...options }, settings);
  prepare();
  await stage.startScan('huge');
  const figures = await stage.measure('huge', total);
  expectWithinBounds(figures);
  expect(figures.status).toMatchObject({ recordsExtracted: total });
  await stage.expectStored(total, 'huge');
  return figures;
}

describe('a scan stores everything once, in little memory and short histories,', { timeout: 3 * HOURS }, () => {
  it(`of a mailbox with ${MESSAGES} messages in one folder`, async () => {
    expectFlat(await scanned({ mailboxes: 1, messagesPerMailbox: MESSAGES, total: MESSAGES }));
  });

  it(`of a tenant with ${MAILBOXES} mailboxes`, async () => {
    const figures = await scanned({ mailboxes: MAILBOXES, messagesPerMailbox: 2, total: 2 * MAILBOXES });
    expect(figures.runs).toBeGreaterThan(MAILBOXES);
    expectFlat(figures);
  });

  it('of messages with 5,000 recipients and 500 attachments', async () => {
    const bulk = { recipients: 5_000, attachments: 500 };
    const prepare = (): void => {
      const place = { mailbox: onlyMailbox(), folder: 'inbox' };
      for (let count = 0; count < 3; count++) stage.simulator.control.addMessage(place, {}, [], bulk);
    };
    await scanned({ mailboxes: 1, messagesPerMailbox: 10, total: 13 }, { prepare });
  });

  it('of pages of 1,000 messages with bodies of 100 KB', async () => {
    const tenant = { mailboxes: 5, messagesPerMailbox: 1_000, bodyBytes: 100_000, total: 5_000 };
    await scanned(tenant, { settings: { BATCH_SIZE: '1000' } });
  });

  it('of folders 300 deep and 5,000 wide', async () => {
    const [deep, wide] = [300, 5_000];
    const prepare = (): void => {
      stage.simulator.control.createTree(onlyMailbox(), 'inbox', { deep, wide, messages: 1 });
    };
    await scanned({ mailboxes: 1, messagesPerMailbox: 10, total: 10 + deep + wide }, { prepare });
  });

  it.each(['live', 'full'] as const)('while its reader is asked for 10,000 more reads, %s', async (urgency) => {
    stage = await openHugeStage({ mailboxes: 1, messagesPerMailbox: 500, folders: 1 });
    const hold = stage.simulator.control.hold({ kind: 'messagesDelta' });
    await stage.startScan('huge');
    await hold.reached();
    const reader = stage.client.workflow.getHandle(mailboxWorkflowId(ORGANIZATION, onlyMailbox()));
    const sender = async (): Promise<void> => {
      for (let sent = 0; sent < 10_000 / SENDERS; sent++) await reader.signal(readRequestedSignal, { urgency });
    };
    await Promise.all(Array.from({ length: SENDERS }, sender));
    hold.release();
    expectWithinBounds(await stage.measure('huge', 500));
    await stage.expectStored(500, 'huge');
  });

  it('while Graph notifies 10,000 times of the mailbox that its session reads', async () => {
    const [before, arriving, times] = [500, 2_000, 5];
    stage = await openHugeStage({ mailboxes: 1, messagesPerMailbox: before, folders: 1 });
    const { control, tenantId, clientId, clientSecret } = stage.simulator;
    const auth = { tenantId, clientId, clientSecret };
    await stage.call('POST', '/api/v1/connections', { organizationId: ORGANIZATION, auth });
    expect((await stage.call('POST', '/session/start', { polling_interval: 3600 })).status).toBe(200);
    const state = async () => (await stage.call('GET', '/session/status')).answer as unknown as SessionState;
    const reached = (wanted: object) =>
      vi.waitFor(async () => expect(await state()).toMatchObject(wanted), { timeout: 120_000, interval: 250 });
    await reached({ services: { webhook: { subscriptions: { active: 1 } }, processing: { messages: before } } });

    control.notifications.set({ batchSize: 10 });
    const told = arriving * times;
    const notify = async (): Promise<void> => {
      const place = { mailbox: onlyMailbox(), folder: 'inbox' };
      const ids: string[] = [];
      for (let change = 0; change < told; change++) {
        const id = ids[change % arriving];
        const subject = `Told ${change}`;
        if (id === undefined) ids.push(control.addMessage(place, { subject }).id);
        else control.changeMessage({ ...place, id }, { subject });
        // A little ahead of the receiver, so that notifications come all the time that the mailbox is read.
        if (change % 100 === 99) await vi.waitUntil(() => control.notifications.counts().pending < 200, LONG);
      }
      const processing = { status: 'idle', messages: before + arriving };
      await reached({ queue: { waiting: 0, in_work: 0 }, services: { processing } });
      expect(control.notifications.counts()).toMatchObject({ delivered: told, pending: 0 });
      // They are counted in the store now and then.
      const counted = async () => (await state()).services.webhook.notifications;
      await vi.waitFor(async () => expect(await counted()).toMatchObject({ taken: told }), LONG);
      await stage.call('POST', '/session/stop', {});
    };
    const [figures] = await Promise.all([
      stage.measureUntil(async () => (await state()).session?.status === 'stopped'),
      notify(),
    ]);
    expectWithinBounds(figures);
    await stage.expectStored(before + arriving);
  });
});
