import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { scanWorkflowId } from '../../model/ids.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { openApiStage, type ApiStage } from '../api/support/stage.ts';
import { startTestWorker, type TestWorker } from '../api/support/worker.ts';

const MAILBOXES = 3;
const MESSAGES = 20;
const deploymentName = `outhaul-${randomUUID().slice(0, 8)}`;

describe('workers that are versioned', () => {
  let simulator: Simulator;
  let stage: ApiStage;
  let client: Client;
  const workers: TestWorker[] = [];
  beforeAll(async () => {
    simulator = await startSimulator({
      tenant: { mailboxes: MAILBOXES, messagesPerMailbox: MESSAGES, folders: 1, specialUsers: false },
    });
    stage = await openApiStage({
      environment: { OUTLOOK_API_BASE_URL: simulator.url, OUTHAUL_AUTHORITY_URL: simulator.url },
    });
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    client = new Client({ connection, namespace: inject('temporalNamespace') });
  });
  afterAll(async () => {
    await stage?.close();
    for (const worker of workers) await worker.stop();
    await simulator?.close();
    await client?.connection.close();
  });

  async function startVersion(buildId: string): Promise<TestWorker> {
    const version = { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId };
    const worker = await startTestWorker({ ...stage.environment, ...version }, stage.taskQueuePrefix);
    workers.push(worker);
    return worker;
  }
  /** As an operator does with `temporal worker deployment set-current-version`. */
  const setCurrent = (buildId: string) =>
    expect
      .poll(
        () =>
          client.workflowService
            .setWorkerDeploymentCurrentVersion({ namespace: client.options.namespace, deploymentName, buildId })
            .then(() => 'current')
            .catch((error: unknown) => String(error)),
        { timeout: 30_000 },
      )
      .toBe('current');
  const statusOf = async (organizationId: string) =>
    (await stage.call('GET', `/api/v1/scan/moved/status?organizationId=${organizationId}`)).body;
  const control = (name: string, organizationId: string) =>
    stage.call('POST', `/api/v1/scan/moved/${name}?organizationId=${organizationId}`);
  const buildOf = async (organizationId: string): Promise<string | null | undefined> => {
    const { raw } = await client.workflow.getHandle(scanWorkflowId(organizationId, 'moved')).describe();
    return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
  };

  it('hand a scan over from one version to the next, which is then the only one', { timeout: 180_000 }, async () => {
    const organizationId = stage.organization('versions');
    const first = await startVersion('one');
    await setCurrent('one');
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    const { clientId, clientSecret, tenantId } = simulator;
    const auth = { clientId, clientSecret, tenantId };
    const config = { scanId: 'moved', organizationId, type: ['email'], auth, filters: { folders: ['inbox'] } };
    expect((await stage.call('POST', '/api/v1/scan/start', { body: { config } })).status).toBe(202);
    await hold.reached();
    expect(await buildOf(organizationId)).toBe('one');
    expect((await control('pause', organizationId)).body).toMatchObject({ status: 'paused' });
    hold.release();

    await startVersion('two');
    await setCurrent('two');
    await first.stop();
    workers.splice(workers.indexOf(first), 1);
    expect((await control('resume', organizationId)).status).toBe(202);
    await expect
      .poll(() => statusOf(organizationId), { timeout: 90_000 })
      .toMatchObject({ errorMessage: null, status: 'completed', recordsExtracted: MAILBOXES * MESSAGES });
    expect(await buildOf(organizationId)).toBe('two');
  });
});
