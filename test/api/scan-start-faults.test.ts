import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { readFileSync } from 'node:fs';
import { openApiStage, type ApiStage } from './support/stage.ts';
import { openWires } from './support/wire.ts';
import { startTestWorker } from './support/worker.ts';

const pem = (name: string): string => readFileSync(new URL(`../graph/fixtures/${name}.pem`, import.meta.url), 'utf8');

const AUTH = {
  clientId: '11111111-2222-3333-4444-555555555555',
  clientSecret: 'a-secret-that-is-long-enough',
  tenantId: '66666666-7777-8888-9999-000000000000',
};

describe('the start of a scan', () => {
  let simulator: Simulator;
  beforeAll(async () => {
    const certificate = pem('certificate');
    simulator = await startSimulator({
      tenant: { mailboxes: 1, messagesPerMailbox: 5, folders: 1, specialUsers: false, certificate },
    });
  });
  afterAll(() => simulator.close());

  const environment = () => ({ OUTLOOK_API_BASE_URL: simulator.url, OUTHAUL_AUTHORITY_URL: simulator.url });
  const auth = () => {
    const { clientId, clientSecret, tenantId } = simulator;
    return { clientId, clientSecret, tenantId };
  };
  const start = (stage: ApiStage, organizationId: string, over: object = {}) =>
    stage.call('POST', '/api/v1/scan/start', {
      body: { config: { scanId: 'scan', organizationId, type: ['email'], auth: auth(), ...over } },
    });
  const until = (stage: ApiStage, status: string) =>
    expect
      .poll(async () => (await stage.call('GET', '/api/v1/scan/scan/status')).body, { timeout: 40_000 })
      .toMatchObject({ status });
  const scansOf = async (stage: ApiStage) => (await stage.call('GET', '/api/v1/scans')).body['scans'];

  it('is not lost while no worker runs: 202 pending, and it goes on when one comes', async () => {
    const stage = await openApiStage({ environment: environment(), admissionMs: 1_500 });
    const started = await start(stage, stage.organization());
    expect(started).toMatchObject({ status: 202, body: { status: 'pending', scanId: 'scan' } });
    await until(stage, 'pending');
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    await until(stage, 'completed');
    await stage.close();
    await worker.stop();
  });

  it('that still waits for its admission is answered pending when the API ends', async () => {
    const stage = await openApiStage({ environment: environment() });
    const waiting = start(stage, stage.organization());
    await expect
      .poll(async () => (await stage.db.pool.query('SELECT FROM outhaul.scans')).rowCount, { timeout: 10_000 })
      .toBe(1);
    const begin = performance.now();
    await stage.api.close();
    expect(performance.now() - begin).toBeLessThan(8_000);
    const { status, body } = await waiting;
    expect([status, body['status'] ?? body['error']]).toEqual([202, 'pending']);
    await stage.close();
  });

  it('answers 503 while Temporal is away, and keeps nothing, so that it can be tried again', async () => {
    const wires = await openWires();
    const stage = await openApiStage({ environment: environment(), wires });
    wires.temporal.cut();
    const organizationId = stage.organization();
    const { status, body } = await start(stage, organizationId);
    expect(status).toBe(503);
    expect(body['message']).toContain('Temporal is out of reach');
    expect(await scansOf(stage)).toEqual([]);
    wires.mend();
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    await expect.poll(async () => (await start(stage, organizationId)).status, { timeout: 30_000 }).toBe(202);
    await until(stage, 'completed');
    await stage.close();
    await worker.stop();
    wires.close();
  });

  it('answers 503 while PostgreSQL is away', async () => {
    const wires = await openWires();
    const stage = await openApiStage({ environment: { ...environment(), DB_POOL_TIMEOUT: '1' }, wires });
    wires.database.close();
    const { status, body } = await start(stage, stage.organization());
    expect(status).toBe(503);
    expect(body).toMatchObject({ error: 'Service Unavailable', message: 'The database is out of reach: try again' });
    await stage.close();
    wires.close();
  });

  it('answers 503 with the reason where Entra does not answer, and keeps nothing', async () => {
    const stage = await openApiStage({
      environment: { OUTLOOK_API_BASE_URL: 'http://127.0.0.1:1', OUTHAUL_AUTHORITY_URL: 'http://127.0.0.1:1' },
    });
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    const { status, body } = await start(stage, stage.organization(), { auth: AUTH });
    expect(status).toBe(503);
    expect(body).toMatchObject({
      success: false,
      scanId: 'scan',
      message: 'Microsoft Entra or Graph did not answer; the scan was not started',
      reason: expect.stringMatching(/./) as string,
    });
    expect(JSON.stringify(body)).not.toContain(AUTH.clientSecret);
    expect(await scansOf(stage)).toEqual([]);
    await stage.close();
    await worker.stop();
  });

  it('answers 503 and names the host where Entra answers and Graph does not', async () => {
    const stage = await openApiStage({
      environment: { ...environment(), OUTLOOK_API_BASE_URL: 'http://127.0.0.1:1' },
    });
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    const { status, body } = await start(stage, stage.organization());
    expect(status).toBe(503);
    expect(body).toMatchObject({ success: false, reason: 'No answer came from 127.0.0.1:1 (ECONNREFUSED)' });
    expect(await scansOf(stage)).toEqual([]);
    await stage.close();
    await worker.stop();
  });

  it('works with a certificate instead of a secret', async () => {
    const stage = await openApiStage({ environment: environment() });
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    const { clientId, tenantId } = auth();
    const organizationId = stage.organization();
    const clientCertificate = pem('certificate') + pem('key');
    const started = await start(stage, organizationId, { auth: { clientId, tenantId, clientCertificate } });
    expect(started.status).toBe(202);
    await until(stage, 'completed');
    const log = stage.lines.join('') + worker.lines.join('');
    expect(log).not.toContain('PRIVATE KEY');
    await stage.close();
    await worker.stop();
  });

  it('takes the connection of the environment where neither request nor organization has one', async () => {
    const { clientId, clientSecret, tenantId } = auth();
    const stage = await openApiStage({
      environment: {
        ...environment(),
        AZURE_CLIENT_ID: clientId,
        AZURE_CLIENT_SECRET: clientSecret,
        AZURE_TENANT_ID: tenantId,
      },
    });
    const worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    expect((await start(stage, stage.organization(), { auth: undefined })).status).toBe(202);
    await until(stage, 'completed');
    await stage.close();
    await worker.stop();
  });
});
