import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteHealth } from '../../store/attendance.ts';
import { settleDeliveries, type Settled } from '../../store/deliveries.ts';
import { tellCircuit } from '../../store/destination-claims.ts';
import { pauseDestination } from '../../store/destinations.ts';
import { Outbox, redisList, utility } from '../store/outbox-support.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

const FAILURES = Array.from({ length: 5 }, () => 'failed' as const);

describe('figures of destinations', () => {
  let stage: ApiStage;
  beforeAll(async () => {
    stage = await openApiStage();
  });
  afterAll(() => stage.close());

  const open = (kind: typeof utility): Promise<Outbox> => {
    const sql = async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
      (await stage.db.pool.query<Row>(text, [...values])).rows;
    const store = { db: stage.db, url: '', sql, open: () => stage.db };
    return Outbox.of(store, kind, { organizationId: stage.organization() });
  };
  /** A utility with a message in each state. */
  async function inEveryState(): Promise<Outbox> {
    const outbox = await open(utility);
    await outbox.owe(['delivered', 'complained', 'dead', 'claimed']);
    const claimed = await outbox.claim('worker');
    const [delivered, complained, dead] = claimed.map(({ deliveryNo }) => deliveryNo) as [number, number, number];
    const outcomes: Settled[] = [
      { deliveryNo: delivered, status: 'accepted' },
      { deliveryNo: complained, status: 'accepted', answer: 'it is no invoice' },
      { deliveryNo: dead, status: 'refused', cause: 'rejected', retryInMs: null },
    ];
    await settleDeliveries(stage.db, { destinationNo: outbox.destination.destinationNo, token: 'worker' }, outcomes);
    await outbox.owe(['owed', 'owed too']);
    await outbox.owe(['waiting'], { owing: 'waiting' });
    return outbox;
  }
  const get = async (path: string, outbox: Outbox) =>
    (await stage.call('GET', `${path}?organizationId=${outbox.organization.organizationId}`)).body;

  it('are in /metrics, as JSON and for a scraper, under ids and without names', async () => {
    const outbox = await inEveryState();
    const { id, destinationNo, name } = outbox.destination;
    const { organizationId } = outbox.organization;
    await noteHealth(stage.db, destinationNo, { healthy: false, detail: 'It answers 503', latencyMs: 7 });
    const body = await get('/metrics', outbox);
    expect(body['queue']).toEqual({ waiting: 3, in_work: 1, failed: 1 });
    expect(body['destinations']).toEqual([
      {
        destination_id: id,
        ...{ kind: 'utility', status: 'active', circuit: 'closed', healthy: false },
        ...{ waiting: 1, owed: 2, sending: 1, dead: 1, delivered: 2, answered: 1, delivered_last_minute: 2 },
        oldest_owed_seconds: expect.any(Number) as number,
        average_seconds: expect.any(Number) as number,
        error_rate: 1 / 3,
        arrival_seconds: { p50: null, p99: null },
      },
    ]);
    await tellCircuit(stage.db, destinationNo, FAILURES);
    const response = await fetch(`${stage.api.url}/metrics?organizationId=${organizationId}`, {
      headers: { Accept: 'text/plain', Authorization: `Bearer ${stage.adminKey}` },
    });
    const text = await response.text();
    const labels = `organization="${organizationId}",destination="${id}",kind="utility"`;
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        `outhaul_deliveries{${labels},state="waiting"} 1`,
        `outhaul_deliveries{${labels},state="owed"} 2`,
        `outhaul_deliveries{${labels},state="claimed"} 1`,
        `outhaul_deliveries{${labels},state="dead"} 1`,
        '# TYPE outhaul_delivered_total counter',
        `outhaul_delivered_total{${labels}} 2`,
        `outhaul_delivered_with_error_total{${labels}} 1`,
        `outhaul_delivered_last_minute{${labels}} 2`,
        `outhaul_destination_circuit{${labels}} 2`,
        `outhaul_destination_healthy{${labels}} 0`,
        `outhaul_destination_active{${labels}} 1`,
      ]),
    );
    expect(text).toMatch(new RegExp(`^outhaul_delivery_oldest_owed_age_seconds\\{${labels}\\} \\d`, 'm'));
    expect(text).toMatch(new RegExp(`^outhaul_delivery_seconds\\{${labels}\\} \\d`, 'm'));
    expect(text).not.toContain('outhaul_destination_list_items{');
    expect(text).not.toContain(name);
  });

  it('are in the status of the session: what waits, is in work and has failed', async () => {
    const outbox = await inEveryState();
    const { destination } = outbox;
    const sending = async () => (await get('/session/status', outbox))['services']?.['sending'];
    expect((await get('/session/status', outbox))['queue']).toEqual({
      ...{ waiting: 3, in_work: 1, failed: 1 },
      oldest_at: expect.any(String) as string,
    });
    expect(await sending()).toEqual({
      status: 'working',
      destinations: { active: 1, paused: 0, failing: 0 },
      deliveries: { waiting: 1, owed: 2, sending: 1, dead: 1, delivered: 2 },
    });
    await tellCircuit(stage.db, destination.destinationNo, FAILURES);
    expect(await sending()).toMatchObject({ status: 'failing', destinations: { failing: 1 } });
    await pauseDestination(stage.db, destination);
    expect(await sending()).toMatchObject({ status: 'paused', destinations: { active: 0, paused: 1, failing: 0 } });
  });

  it('are in /health by kind, where somebody has looked; what is away makes the service no less healthy', async () => {
    const health = async () => (await stage.call('GET', '/health', { key: '' })).body;
    const [redis, other, one] = [await open(redisList), await open(redisList), await open(utility)];
    const note = ({ destination: { destinationNo } }: Outbox, healthy: boolean) =>
      noteHealth(stage.db, destinationNo, { healthy, detail: '', length: 3 });
    await stage.db.pool.query('UPDATE outhaul.destinations SET health = NULL');
    expect(await health()).not.toHaveProperty('destinations');
    await note(redis, true);
    await note(other, false);
    await note(one, true);
    expect(await health()).toMatchObject({
      status: 'healthy',
      destinations: { redis_list: 'unhealthy', utility: 'healthy' },
    });
    await pauseDestination(stage.db, other.destination);
    await tellCircuit(stage.db, one.destination.destinationNo, FAILURES);
    expect((await health())['destinations']).toEqual({ redis_list: 'healthy', utility: 'unhealthy' });
  });
});
