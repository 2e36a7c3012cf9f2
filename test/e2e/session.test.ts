import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Outhaul } from '../cli/outhaul-process.ts';
import { openStage, ORGANIZATION, type Stage } from './stage.ts';

const MAILBOXES = 5;
const EACH = 20;
const LONG = { timeout: 120_000, interval: 200 };

describe('a session', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage({ mailboxes: MAILBOXES, messagesPerMailbox: EACH, folders: 1 });
    const { tenantId, clientId, clientSecret } = stage.simulator;
    stage.startWorker();
    const connection = { organizationId: ORGANIZATION, auth: { tenantId, clientId, clientSecret } };
    expect((await stage.call('POST', '/api/v1/connections', connection)).status).toBe(201);
  });
  afterEach(() => stage.close());

  const until = (wanted: object) =>
    vi.waitFor(async () => expect((await stage.call('GET', '/session/status')).answer).toMatchObject(wanted), LONG);
  const arrive = (index: number, subject: string): void => {
    const { control } = stage.simulator;
    control.addMessage({ mailbox: control.truth.mailboxes()[index]?.id ?? '', folder: 'inbox' }, { subject });
  };
  const schedules = async (): Promise<string[]> => {
    const connection = await Connection.connect({ address: stage.services.temporal.address });
    try {
      const ids: string[] = [];
      for await (const { scheduleId } of new Client({ connection }).schedule.list()) ids.push(scheduleId);
      // That of the upkeep of destinations is the installation's.
      return ids.filter((id) => id.startsWith('sweep/'));
    } finally {
      await connection.close();
    }
  };

  it(
    'stores mail as it arrives, also after everything was killed; stopped, it leaves no schedule and no subscription',
    { timeout: 400_000 },
    async () => {
      const api = await stage.startApiProcess();
      const start = stage.startClient('session', 'start', '--interval', '60');
      expect(await start.ended).toBe(0);
      await until({
        session: { status: 'running' },
        services: {
          webhook: { status: 'on', subscriptions: { active: MAILBOXES } },
          processing: { status: 'idle', messages: MAILBOXES * EACH },
        },
      });
      expect(stage.simulator.control.subscriptions.list()).toHaveLength(MAILBOXES);
      // Temporal's list is a moment behind what has been made and removed.
      await vi.waitFor(async () => expect(await schedules()).toHaveLength(1), LONG);

      const watch = stage.startClient('watch', '--json');
      await watch.says('Waiting for mail');
      arrive(0, 'Before the kill');
      await watch.says('Before the kill');

      await killEverything(api);
      arrive(1, 'After the kill');
      await watch.says('After the kill');
      await until({ session: { status: 'running' }, services: { processing: { messages: MAILBOXES * EACH + 2 } } });

      const stop = stage.startClient('session', 'stop', '--reason', 'the test is over');
      expect(await stop.ended).toBe(0);
      await until({ session: { status: 'stopped', stop_reason: 'the test is over' } });
      expect(await watch.ended, watch.notes()).toBe(0);
      expect(watch.out().trim().split('\n')).toHaveLength(2);
      expect(stage.simulator.control.subscriptions.list()).toEqual([]);
      await vi.waitFor(async () => expect(await schedules()).toEqual([]), LONG);
    },
  );

  /** Workers, API, Temporal and PostgreSQL, none of them in order. */
  async function killEverything(api: Outhaul): Promise<void> {
    const { postgres, temporal } = stage.services;
    stage.killWorkers();
    for (const each of [api, temporal, postgres]) each.kill('SIGKILL');
    await Promise.all([api.ended, temporal.exited, postgres.exited]);
    await stage.restart('postgres');
    await stage.restart('temporal');
    await stage.startApiProcess();
    stage.startWorker();
  }

  it(
    'outhaul poll --once ends when the round is done, and says by its exit code how',
    { timeout: 400_000 },
    async () => {
      const first = stage.startClient('poll', '--once');
      expect(await first.ended, first.notes()).toBe(0);
      expect(first.out()).toContain(`${MAILBOXES * EACH} messages of ${MAILBOXES} mailboxes`);
      arrive(2, 'Polled');
      const second = stage.startClient('poll', '--once');
      expect(await second.ended, second.notes()).toBe(0);
      expect(second.out()).toContain(`1 message of ${MAILBOXES} mailboxes`);
      stage.simulator.control.addFault({
        kind: 'messagesDelta',
        effect: { type: 'status', status: 400, code: 'ErrorInvalidRequest' },
      });
      const third = stage.startClient('poll', '--once');
      expect(await third.ended, third.notes()).not.toBe(0);
    },
  );
});
