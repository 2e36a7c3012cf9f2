import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedScan } from './support/seed.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';
import { openWires, type Wires } from './support/wire.ts';

describe('while Temporal hangs', () => {
  let stage: ApiStage;
  let wires: Wires;
  beforeAll(async () => {
    wires = await openWires();
    stage = await openApiStage({ wires });
    await seedScan(stage.db, { organizationId: stage.organization(), scanId: 'seeded', mailboxes: 1, messages: 2 });
    await stage.db.pool.query(`UPDATE outhaul.scans SET requested_at = requested_at - interval '1 hour',
      started_at = started_at - interval '1 hour'`);
    wires.temporal.cut();
  });
  afterAll(async () => {
    wires.mend();
    await stage.close();
    wires.close();
  });

  const status = () => stage.call('GET', '/api/v1/scan/seeded/status');

  it('the status of a scan is answered all the same, soon, without its run', async () => {
    const begin = performance.now();
    const answer = await status();
    expect(performance.now() - begin).toBeLessThan(4_000);
    expect(answer).toMatchObject({ status: 200, body: { status: 'running', workflow: { runId: null } } });
  });

  it.each([
    ['cancelling', '/api/v1/scan/seeded/cancel'],
    ['looking for crashed scans', '/api/v1/maintenance/detect-crashed?timeoutMinutes=1'],
  ])('%s answers 503 and changes nothing', async (_what, path) => {
    const { status: code, body } = await stage.call('POST', path);
    expect(code).toBe(503);
    expect(body).toMatchObject({ error: 'Service Unavailable', message: 'Temporal is out of reach: try again' });
    expect((await status()).body).toMatchObject({ status: 'running' });
  });

  it('results are answered as ever', async () => {
    const { body } = await stage.call('GET', '/api/v1/results/seeded/data?tableName=emails');
    expect(body['data']?.['records']).toHaveLength(2);
  });
});
