import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sessionWorkflowId } from '../../model/ids.ts';
import { textOf, type Body } from './support/stage.ts';
import { asEnvironment, openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 60_000, interval: 100 };

describe('a session without OUTHAUL_PUBLIC_URL, over the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  beforeAll(async () => {
    stage = await openTenantStage({ mailboxes: 2, messagesPerMailbox: 3, folders: 1 }, asEnvironment);
  });
  afterAll(() => stage?.close());

  /** The activities that a session has called, once it does nothing but wait. */
  const calledAtRest = async (organizationId: string): Promise<string[]> => {
    const { events } = await stage.temporal.workflow.getHandle(sessionWorkflowId(organizationId)).fetchHistory();
    expect(events?.at(-1)?.timerStartedEventAttributes).toBeTruthy();
    return (events ?? []).flatMap(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name ?? [],
    );
  };

  it('runs by polling alone, says so, sweeps every minute, and stays like that', async () => {
    const organizationId = stage.organization('no-url');
    const key = await stage.keyOf(organizationId);
    const ask = (method: string, path: string, body?: object) => stage.call(method, path, { key, body });
    const state = async (): Promise<Body> => (await ask('GET', '/session/status')).body;
    const started = await ask('POST', '/session/start', { polling_interval: 600 });
    expect(started.status).toBe(200);
    expect(textOf(started.body['message'])).toMatch(/runs by polling alone: .*OUTHAUL_PUBLIC_URL is not set/);

    await vi.waitFor(async () => {
      const called = await calledAtRest(organizationId);
      expect(called).toContain('keepSubscriptions');
      expect(called.filter((name) => name === 'recordNotifications')).toHaveLength(1);
    }, LONG);
    const { session, services } = await state();
    expect(session).toMatchObject({ status: 'running', polling_interval: 600, trouble: null });
    expect(services).toMatchObject({
      polling: { status: 'scheduled', interval: 60 },
      webhook: { status: 'unreachable', url: null, subscriptions: { active: 0, wanted: 0, refused: 0 } },
    });
    expect(textOf(services?.['webhook']?.['reason'])).toMatch(/OUTHAUL_PUBLIC_URL is not set/);
    expect(stage.simulator.control.stats().byKind.subscriptions).toBeUndefined();
    expect((await ask('POST', '/session/stop', {})).status).toBe(200);
  });
});
