import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApiStage, type ApiStage } from './support/stage.ts';
import { openWires, type Wires } from './support/wire.ts';

describe('GET /health', () => {
  let stage: ApiStage;
  let wires: Wires;
  beforeAll(async () => {
    wires = await openWires();
    stage = await openApiStage({ wires });
  });
  afterAll(async () => {
    wires.mend();
    await stage.close();
    wires.close();
  });

  const health = () => stage.call('GET', '/health', { key: '' });

  it('has exactly the form of the contract', async () => {
    const { status, body } = await health();
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'healthy',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      service: 'outlook_email_extraction',
      pipeline: {
        pipeline_name: 'outlook_emails_extraction',
        destination_type: 'postgres',
        is_active: true,
        source_type: 'outlook_emails',
        database_health: 'healthy',
        temporal_health: 'healthy',
      },
    });
  });

  it('answers HEAD as well', async () => {
    const response = await fetch(`${stage.api.url}/health`, { method: 'HEAD' });
    expect(response.status).toBe(200);
  });

  it('is told of by pipeline info, with versions', async () => {
    const { status, body } = await stage.call('GET', '/api/v1/pipeline/info');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      pipeline_name: 'outlook_emails_extraction',
      destination_type: 'postgres',
      is_active: true,
      source_type: 'outlook_emails',
      versions: { node: process.versions.node },
    });
    for (const version of Object.values(body['versions']!)) expect(version).toMatch(/^\d+\.\d+/);
  });

  it('answers 503 within 2 seconds while Temporal hangs, and is well again afterwards', async () => {
    wires.temporal.cut();
    const begin = performance.now();
    const { status, body } = await health();
    expect(performance.now() - begin).toBeLessThan(2_500);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'unhealthy',
      pipeline: { is_active: false, database_health: 'healthy', temporal_health: 'unhealthy' },
    });
    wires.temporal.mend();
    await expect.poll(async () => (await health()).status, { timeout: 30_000 }).toBe(200);
  });

  it('answers 503 within 2 seconds while PostgreSQL hangs, and is well again afterwards', async () => {
    wires.database.cut();
    const begin = performance.now();
    const { status, body } = await health();
    expect(performance.now() - begin).toBeLessThan(2_500);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'unhealthy',
      pipeline: { is_active: false, database_health: 'unhealthy', temporal_health: 'healthy' },
    });
    wires.database.mend();
    await expect.poll(async () => (await health()).status, { timeout: 30_000 }).toBe(200);
  });
});
