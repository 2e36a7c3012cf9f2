import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { URGENCY } from '../../model/delivery.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { query } from '../../store/database.ts';
import { noteHealth } from '../../store/attendance.ts';
import { createDestination, pauseDestination, type Destination } from '../../store/destinations.ts';
import { organizationOf } from '../../store/organizations.ts';
import { writePage } from '../../store/pages.ts';
import { message, startReading } from '../store/support.ts';
import { openTestRedis, type AnyRedis } from '../support/redis.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

describe('GET /status', () => {
  let redis: AnyRedis;
  let stage: ApiStage;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    redis = await openTestRedis();
    stage = await openApiStage();
    // It may have to be installed.
  }, 300_000);
  afterAll(async () => {
    await stage?.close();
    await redis?.stop();
  });
  beforeEach(async () => {
    organizationId = stage.organization();
    key = await stage.keyOf(organizationId);
  });
  const status = () => stage.call('GET', '/status', { key });
  const make = async (name: string, kind: KindSettings): Promise<Destination> =>
    createDestination(stage.db, await organizationOf(stage.db, organizationId), { ...kind, name, starts: 'now' });
  const redisAt = (url: string): KindSettings => ({
    kind: 'redis_list',
    settings: withDefaults('redis_list', { url, allowPrivate: true, list: randomUUID() }),
  });

  it('tells of an organization of which nothing is known yet', async () => {
    const answer = await status();
    expect(answer).toMatchObject({
      status: 200,
      body: {
        organization_id: organizationId,
        status: 'ok',
        problems: [],
        session: null,
        processing: { mailboxes_being_read: 0, mailboxes_due: 0, messages: 0 },
        queue: { waiting: 0, in_work: 0, failed: 0 },
        redis_queue: null,
        statistics: { delivered: 0, processed_per_minute: 0, error_rate: null, arrival_to_queue_ms: { p50: null } },
        destinations: [],
      },
    });
  });

  it('tells how soon a utility of its priority is to have answered, and nothing of the kind of a list', async () => {
    const endpoint = 'https://utility.example';
    await make('list', redisAt(redis.url));
    await make('usual', { kind: 'utility', settings: withDefaults('utility', { endpoint }) });
    await make('urgent', { kind: 'utility', settings: withDefaults('utility', { endpoint, priority: 'high' }) });
    expect((await status()).body['destinations']).toMatchObject([
      { name: 'list', answer_target_ms: null },
      { name: 'usual', answer_target_ms: { aim: 2_000, most: 5_000 } },
      { name: 'urgent', answer_target_ms: { aim: 500, most: 2_000 } },
    ]);
  });

  it('tells how many are delivered, how often that failed, and how long it takes from the arrival', async () => {
    const list = await make('redis-queue', redisAt(redis.url));
    const reading = await startReading(stage.db, { organizationId });
    const to = [{ destinationNo: list.destinationNo, owing: 'owed', urgency: URGENCY.live } as const];
    const arrived = new Date(Date.now() - 60_000).toISOString();
    const messages = [
      ...['m1', 'm2', 'm3'].map((id) => message(id, { receivedDateTime: arrived })),
      message('old', { receivedDateTime: '2020-01-01T00:00:00Z' }),
      message('owed'),
    ];
    await writePage(stage.db, reading.organization, reading.page(messages, { owes: () => to }));
    const settle = (ids: string[], set: string) =>
      query(stage.db, {
        text: `UPDATE outhaul.deliveries SET ${set} WHERE email_no IN (
          SELECT _no FROM ${reading.organization.schema}.emails WHERE id = ANY($1)) AND destination_no = $2`,
        values: [ids, list.destinationNo],
      });
    const received = `'${arrived}'::timestamptz`;
    await settle(['m1'], `status = 'delivered', attempts = 1, delivered_at = ${received} + interval '2 s'`);
    await settle(['m2'], `status = 'delivered', attempts = 2, delivered_at = ${received} + interval '4 s'`);
    await settle(['old'], `status = 'delivered', attempts = 1, delivered_at = now()`);
    await settle(['m3'], `status = 'dead', attempts = 3, dead_at = now()`);

    const figures = {
      waiting: 0,
      owed: 1,
      dead: 1,
      error_rate: 4 / 7,
      arrival_to_queue_ms: { p50: 3000, p99: 3980 },
    };
    expect((await status()).body).toMatchObject({
      redis_queue: { destination: 'redis-queue', connected: true, queue_length: 0, max_queue_size: 1000 },
      statistics: figures,
      destinations: [{ name: 'redis-queue', kind: 'redis_list', status: 'active', circuit: 'closed', ...figures }],
    });
    expect((await stage.call('GET', '/metrics', { key })).body).toMatchObject({
      destinations: [{ error_rate: 4 / 7, arrival_seconds: { p50: 3, p99: 3.98 } }],
    });
    const text = (await stage.call('GET', '/metrics', { key, headers: { Accept: 'text/plain' } })).body['text'];
    expect(text).toMatch(/^outhaul_delivery_error_ratio\{.*\} 0\.571/m);
    expect(text).toMatch(/^outhaul_arrival_to_accepted_seconds\{.*quantile="0\.5"\} 3$/m);
  });

  it('says what does not work, and answers all the same', async () => {
    await make('redis-queue', redisAt('redis://127.0.0.1:1'));
    const utility = await make('utility', {
      kind: 'utility',
      settings: withDefaults('utility', { endpoint: 'https://utility.example' }),
    });
    const open = { state: 'open', since: Date.now(), until: Date.now() + 60_000, openings: 1 };
    await query(stage.db, {
      text: 'UPDATE outhaul.destinations SET circuit = $2 WHERE destination_id = $1',
      values: [utility.id, JSON.stringify(open)],
    });
    const full = await make('files', {
      kind: 'folder',
      settings: withDefaults('folder', { directory: '/var/lib/attachments' }),
    });
    const [detail, reason] = ['No space is left in the folder (ENOSPC)', 'full'] as const;
    const paused = await make('paused', { kind: full.kind, settings: full.settings } as KindSettings);
    await pauseDestination(stage.db, paused);
    for (const { destinationNo } of [full, paused]) {
      await noteHealth(stage.db, destinationNo, { healthy: false, reason, detail });
    }
    expect(await status()).toMatchObject({
      status: 200,
      body: {
        status: 'degraded',
        problems: [
          'redis-queue: Redis is out of reach: ECONNREFUSED',
          'utility: nothing is sent there for a while, for it fails',
          'files: No space is left in the folder (ENOSPC)',
        ],
        redis_queue: { connected: false, queue_length: null },
      },
    });
  });

  it('is told to whom it belongs', async () => {
    const foreign = await stage.keyOf(stage.organization());
    expect((await stage.call('GET', `/status?organizationId=${organizationId}`, { key: foreign })).status).toBe(404);
    expect((await stage.call('GET', '/status')).status).toBe(400);
    expect((await stage.call('GET', '/status', { key: '' })).status).toBe(401);
  });
});
