import { Client, Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { mailboxWorkflowId } from '../../model/ids.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';
import { startTestWorker, type TestWorker } from './support/worker.ts';

const { PENDING_ACTIVITY_STATE_SCHEDULED: WAITING } = temporal.api.enums.v1.PendingActivityState;
const MAILBOXES = 5;
const EACH = 300;
/** More than a request sits out by itself. */
const WAIT_SECONDS = 15;
const LONG = { timeout: 60_000, interval: 50 };

describe('a scan while Graph throttles the app as a whole, with the real worker', () => {
  let simulator: Simulator;
  let stage: ApiStage;
  let worker: TestWorker;
  let client: Client;
  beforeAll(async () => {
    simulator = await startSimulator({
      tenant: { mailboxes: MAILBOXES, messagesPerMailbox: EACH, folders: 2, specialUsers: false, oddMessages: false },
    });
    stage = await openApiStage({
      environment: { OUTLOOK_API_BASE_URL: simulator.url, OUTHAUL_AUTHORITY_URL: simulator.url, BATCH_SIZE: '10' },
    });
    worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    client = new Client({ connection, namespace: inject('temporalNamespace') });
  });
  afterAll(async () => {
    await client?.connection.close();
    await stage?.close();
    await worker?.stop();
    await simulator?.close();
  });

  /** How Temporal sees the slices of all mailboxes. */
  const slices = async (organizationId: string) => {
    const readers = await Promise.all(
      simulator.control.truth
        .mailboxes()
        .map(({ id }) => client.workflow.getHandle(mailboxWorkflowId(organizationId, id)).describe()),
    );
    return readers.flatMap(({ raw }) => raw.pendingActivities ?? []).map(({ state }) => state);
  };

  it(
    'asks for nothing until Graph allows it, holds no slice meanwhile, and is completed',
    { timeout: 180_000 },
    async () => {
      const { control } = simulator;
      const organizationId = stage.organization('app-wide');
      const { tenantId, clientId, clientSecret } = simulator;
      control.setLatency(100);
      const config = { scanId: 'app-wide', organizationId, type: ['email'], filters: { folders: ['all'] } };
      const started = await stage.call('POST', '/api/v1/scan/start', {
        body: { config: { ...config, auth: { tenantId, clientId, clientSecret } } },
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
        const { body } = await stage.call('GET', '/api/v1/scan/app-wide/status');
        expect(body).toMatchObject({ status: 'completed', recordsExtracted: MAILBOXES * EACH });
      }, LONG);
    },
  );
});
