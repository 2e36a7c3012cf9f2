import { temporal } from '@temporalio/proto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { mailboxWorkflowId } from '../../model/ids.ts';
import type { Simulator } from '../../simulator/index.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const { PENDING_ACTIVITY_STATE_SCHEDULED: WAITING } = temporal.api.enums.v1.PendingActivityState;
const MAILBOXES = 5;
const EACH = 300;
/** More than a request sits out by itself. */
const WAIT_SECONDS = 15;
const LONG = { timeout: 60_000, interval: 50 };

describe('a scan while Graph throttles the app as a whole, with the real worker', () => {
  let stage: TenantStage;
  let simulator: Simulator;
  beforeAll(async () => {
    const tenant = { mailboxes: MAILBOXES, messagesPerMailbox: EACH, folders: 2, oddMessages: false };
    stage = await openTenantStage(tenant, { BATCH_SIZE: '10' });
    simulator = stage.simulator;
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  /** How Temporal sees the slices of all mailboxes. */
  const slices = async (organizationId: string) => {
    const readers = await Promise.all(
      simulator.control.truth
        .mailboxes()
        .map(({ id }) => stage.temporal.workflow.getHandle(mailboxWorkflowId(organizationId, id)).describe()),
    );
    return readers.flatMap(({ raw }) => raw.pendingActivities ?? []).map(({ state }) => state);
  };

  it(
    'asks for nothing until Graph allows it, holds no slice meanwhile, and is completed',
    { timeout: 180_000 },
    async () => {
      const { control } = simulator;
      const organizationId = stage.organization('app-wide');
      control.resetStats();
      control.setLatency(100);
      const config = { scanId: 'app-wide', organizationId, type: ['email'], filters: { folders: ['all'] } };
      const started = await stage.call('POST', '/api/v1/scan/start', {
        body: { config: { ...config, auth: stage.auth } },
      });
      expect(started.status).toBe(202);
      await vi.waitUntil(() => (control.stats().byKind.messagesDelta ?? 0) > 3 * MAILBOXES, LONG);

      const effect = { type: 'status', status: 429, code: 'TooManyRequests', retryAfter: WAIT_SECONDS } as const;
      const { id } = control.addFault({ effect });
      const refused = (): number => control.faults().find((fault) => fault.id === id)?.struck ?? 0;
      await vi.waitUntil(() => refused() > 0, { timeout: 30_000, interval: 10 });
      const refusedAt = performance.now();
      await vi.waitFor(async () => {
        const states = await slices(organizationId);
        expect(states).toHaveLength(MAILBOXES);
        for (const state of states) expect(state).toBe(WAITING);
      }, LONG);
      const { requests } = control.stats();
      expect(refused(), 'those that were under way').toBeLessThanOrEqual(3 * MAILBOXES);
      control.removeFault(id);

      await vi.waitUntil(() => control.stats().requests > requests, { timeout: 60_000, interval: 10 });
      expect(performance.now() - refusedAt).toBeGreaterThan((WAIT_SECONDS - 0.2) * 1_000);
      control.setLatency(0);
      await vi.waitFor(async () => {
        const { body } = await stage.call('GET', `/api/v1/scan/app-wide/status?organizationId=${organizationId}`);
        expect(body).toMatchObject({ status: 'completed', recordsExtracted: MAILBOXES * EACH });
      }, LONG);
    },
  );
});
