import { Client, Connection } from '@temporalio/client';
import { inject } from 'vitest';
import { startSimulator, type Simulator, type TenantOptions } from '../../../simulator/index.ts';
import { openApiStage, type ApiStage } from './stage.ts';
import { startTestWorker, type TestWorker } from './worker.ts';

/** The credential of an app as requests bring it. */
export interface TenantAuth {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly tenantId: string;
}

/** The API with the real worker, over a simulated tenant. */
export interface TenantStage extends ApiStage {
  readonly simulator: Simulator;
  /** The credential of the tenant's app. */
  readonly auth: TenantAuth;
  /** The run's Temporal, past the API; payloads stay sealed. */
  readonly temporal: Client;
  /** The worker that was started last. */
  readonly worker: TestWorker;
  /** Starts a worker where none runs. */
  startWorker(): Promise<void>;
  stopWorker(): Promise<void>;
  /** For the end of a test, however it went: nothing is held, nothing fails, a worker runs. */
  heal(): Promise<void>;
}

/**
 * Opens one with a worker that runs; its tenant has no special users unless asked for.
 *
 * @param environment more of API and worker, or what makes it of the tenant
 */
export async function openTenantStage(
  tenant: TenantOptions,
  environment: Record<string, string> | ((simulator: Simulator) => Record<string, string>) = {},
): Promise<TenantStage> {
  const simulator = await startSimulator({ tenant: { specialUsers: false, ...tenant } });
  const over = typeof environment === 'function' ? environment(simulator) : environment;
  const stage = await openApiStage({
    environment: { OUTLOOK_API_BASE_URL: simulator.url, OUTHAUL_AUTHORITY_URL: simulator.url, ...over },
  });
  const connection = await Connection.connect({ address: inject('temporalAddress') });
  const start = (): Promise<TestWorker> => startTestWorker(stage.environment, stage.taskQueuePrefix);
  let worker = await start();
  let isRunning = true;

  async function startWorker(): Promise<void> {
    if (isRunning) return;
    worker = await start();
    isRunning = true;
  }
  async function stopWorker(): Promise<void> {
    if (!isRunning) return;
    isRunning = false;
    await worker.stop();
  }
  return {
    ...stage,
    simulator,
    get auth() {
      const { clientId, clientSecret, tenantId } = simulator;
      return { clientId, clientSecret, tenantId };
    },
    temporal: new Client({ connection, namespace: inject('temporalNamespace') }),
    get worker() {
      return worker;
    },
    startWorker,
    stopWorker,
    async heal() {
      simulator.control.clearHolds();
      simulator.control.clearFaults();
      await startWorker();
    },
    async close() {
      await connection.close();
      await stage.close();
      await stopWorker();
      await simulator.close();
    },
  };
}

/** Has organizations without a connection of their own use that of the environment: the tenant's app. */
export const asEnvironment = ({ tenantId, clientId, clientSecret }: TenantAuth): Record<string, string> => ({
  TENANT_ID: tenantId,
  CLIENT_ID: clientId,
  CLIENT_SECRET: clientSecret,
});
