import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { createClient } from '@redis/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { withDefaults } from '../../model/destination.ts';
import { query } from '../../store/database.ts';
import { changeDestination, createDestination, listDestinations } from '../../store/destinations.ts';
import { organizationOf } from '../../store/organizations.ts';
import { openTestRedis, TestRedis, type AnyRedis } from '../support/redis.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

describe('the calls of /redis-queue', () => {
  let redis: AnyRedis;
  let consumer: ReturnType<typeof createClient>;
  let stage: ApiStage;
  let organizationId: string;
  let key: string;
  let queue: string;
  beforeAll(async () => {
    redis = await openTestRedis();
    consumer = createClient({ url: redis.url });
    await consumer.connect();
    stage = await openApiStage();
    // It may have to be installed.
  }, 300_000);
  afterAll(async () => {
    consumer?.destroy();
    await redis?.stop();
    await stage?.close();
  });
  beforeEach(async () => {
    organizationId = stage.organization();
    key = await stage.keyOf(organizationId);
    queue = `email_attachments_${randomUUID()}`;
  });
  afterEach(() => consumer.del(queue));

  const make = async (name: string, over: { readonly url?: string; readonly list?: string } = {}) =>
    createDestination(stage.db, await organizationOf(stage.db, organizationId), {
      name,
      kind: 'redis_list',
      settings: withDefaults('redis_list', {
        ...{ url: redis.url, list: queue, maxLength: 3, allowPrivate: true },
        ...over,
      }),
      starts: 'now',
    });
  const ask = (method: string, path: string) => stage.call(method, `/redis-queue/${path}`, { key });
  const push = (no: number, more: object = {}) =>
    consumer.lPush(queue, JSON.stringify({ task_id: `task-${no}`, created_at: `2026-11-2${no}T10:00:00Z`, ...more }));

  it('tell the length of the list and what it may hold', async () => {
    const { id } = await make('redis-queue');
    await push(1);
    const { status, body } = await ask('GET', 'status');
    expect(status).toBe(200);
    expect(body).toEqual({
      success: true,
      organization_id: organizationId,
      destination: { id, name: 'redis-queue', status: 'active' },
      connected: true,
      redis: redis.url,
      queue_name: queue,
      queue_length: 1,
      max_queue_size: 3,
      full: false,
    });
    await push(2);
    await push(3);
    expect((await ask('GET', 'status')).body).toMatchObject({ queue_length: 3, full: true });
  });

  it('tell details of the list and what is owed to it', async () => {
    await make('redis-queue');
    await push(1);
    await push(2);
    const { status, body } = await ask('GET', 'stats');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      queue_length: 2,
      oldest_created_at: '2026-11-21T10:00:00Z',
      newest_created_at: '2026-11-22T10:00:00Z',
      redis_version: expect.stringMatching(/^\d+\./) as string,
      memory_bytes: expect.any(Number) as number,
      deliveries: { waiting: 0, owed: 0, dead: 0, delivered: 0, oldest_owed_at: null },
      processed_per_minute: 0,
    });
  });

  it('show the oldest items, cut, and leave them where they are', async () => {
    await make('redis-queue');
    const content = 'x'.repeat(10_000);
    await push(1, { attachment_content_b64: content });
    await push(2);
    const { body } = await ask('GET', 'peek');
    expect(body).toMatchObject({ count: 2, items: [{ task_id: 'task-1' }, { task_id: 'task-2' }] });
    expect(JSON.stringify(body)).toContain(`"${'x'.repeat(100)}..."`);
    expect((await ask('GET', 'peek?count=1')).body).toMatchObject({ count: 1, items: [{ task_id: 'task-1' }] });
    expect(await consumer.lLen(queue)).toBe(2);
    for (const count of ['0', '101', 'five']) expect((await ask('GET', `peek?count=${count}`)).status).toBe(400);
  });

  it('take everything out of the list, and write down who did', async () => {
    const { id } = await make('redis-queue');
    await push(1);
    await push(2);
    expect(await ask('POST', 'clear')).toMatchObject({ status: 200, body: { cleared: 2, queue_name: queue } });
    expect(await consumer.lLen(queue)).toBe(0);
    expect((await ask('POST', 'clear')).body).toMatchObject({ cleared: 0 });
    const entries = await query<{ actor: string; action: string }>(stage.db, {
      text: 'SELECT actor, action FROM outhaul.audit_log WHERE target = $1',
      values: [id],
    });
    const entry = { actor: expect.stringMatching(/^key:\d+$/) as string, action: 'redis-queue.clear' };
    expect(entries).toEqual([entry, entry]);
  });

  it('say whether Redis is well', async () => {
    await make('redis-queue');
    expect(await ask('GET', 'health')).toMatchObject({
      status: 200,
      body: { success: true, status: 'healthy', detail: 'The list holds 0 of at most 3 items' },
    });
  });

  it('ask the one that is named, else redis-queue, else the only one', async () => {
    expect(await ask('GET', 'status')).toMatchObject({
      status: 404,
      body: { message: expect.stringMatching(/has no Redis destination: set REDIS_HOST/) as string },
    });
    await make('first', { list: `${queue}-first` });
    expect((await ask('GET', 'status')).body).toMatchObject({ destination: { name: 'first' } });
    const second = await make('second');
    expect(await ask('GET', 'status')).toMatchObject({ status: 400, body: { details: [{ path: 'destination' }] } });
    expect((await ask('GET', 'status?destination=second')).body).toMatchObject({ queue_name: queue });
    expect((await ask('GET', `status?destination=${second.id}`)).body).toMatchObject({ queue_name: queue });
    expect((await ask('GET', 'status?destination=third')).status).toBe(404);
    await make('redis-queue');
    expect((await ask('GET', 'status')).body).toMatchObject({ destination: { name: 'redis-queue' } });
  });

  it("do not show another organization's list", async () => {
    const { id } = await make('redis-queue');
    const foreign = await stage.keyOf(stage.organization());
    const asForeign = (path: string) => stage.call('GET', `/redis-queue/${path}`, { key: foreign });
    expect((await asForeign('status')).status).toBe(404);
    expect((await asForeign(`status?destination=${id}`)).status).toBe(404);
    expect((await asForeign(`status?organizationId=${organizationId}`)).status).toBe(404);
    expect((await stage.call('GET', `/redis-queue/status?organizationId=${organizationId}`)).status).toBe(200);
  });

  it('ask where the destination leads now', async () => {
    const made = await make('redis-queue');
    expect((await ask('GET', 'status')).body).toMatchObject({ queue_name: queue });
    const settings = { ...made.settings, list: `${queue}-moved` };
    await changeDestination(stage.db, made, { settings });
    expect((await ask('GET', 'status')).body).toMatchObject({ queue_name: `${queue}-moved` });
  });

  it('answer 503 while Redis is away, and go on when it is back', async () => {
    const own = await TestRedis.start();
    onTestFinished(() => own.stop());
    await make('redis-queue', { url: own.url });
    expect((await ask('GET', 'status')).status).toBe(200);
    await own.signal('SIGKILL');
    for (const [method, path] of CALLS) {
      const { status, body } = await ask(method, path);
      expect([path, status]).toEqual([path, 503]);
      expect(JSON.stringify(body)).toContain('Redis is out of reach');
    }
    expect((await ask('GET', 'health')).body).toMatchObject({ success: false, status: 'unhealthy' });
    await own.up();
    await vi.waitFor(async () => expect((await ask('GET', 'health')).status).toBe(200));
  });

  it('answer 503 where Redis accepts and says nothing', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    await make('redis-queue', { url: `redis://127.0.0.1:${port}` });
    const answers = await Promise.all(CALLS.map(([method, path]) => ask(method, path)));
    expect(answers.map(({ status }) => status)).toEqual(CALLS.map(() => 503));
  });

  it('say what an operator has to mend', async () => {
    const own = await TestRedis.start('--requirepass', 'secret-word');
    onTestFinished(() => own.stop());
    await make('redis-queue', { url: own.url });
    const { status, body } = await ask('GET', 'status');
    expect(status).toBe(503);
    expect(body).toMatchObject({ message: expect.stringMatching(/^Redis refuses: NOAUTH/) as string });
    const [made] = await listDestinations(stage.db, organizationId);
    if (made?.kind !== 'redis_list') expect.fail('there is no Redis list');
    await changeDestination(stage.db, made, { secret: { password: 'secret-word' } });
    expect((await ask('GET', 'status')).status).toBe(200);
    await consumer.set(queue, 'no list');
    await changeDestination(stage.db, made, { settings: { ...made.settings, url: redis.url }, secret: null });
    expect((await ask('GET', 'health')).body).toMatchObject({
      detail: expect.stringMatching(/^Redis refuses: WRONGTYPE/) as string,
    });
    expect(stage.lines.join('')).not.toContain('secret-word');
  });
});

const CALLS = [
  ['GET', 'status'],
  ['GET', 'stats'],
  ['GET', 'peek'],
  ['POST', 'clear'],
  ['GET', 'health'],
] as const;
