import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TruthAttachment } from '../../simulator/index.ts';
import { query } from '../../store/database.ts';
import { TestRedis } from '../support/redis.ts';
import { listOf, textOf } from './support/stage.ts';
import { asEnvironment, openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 70_000, interval: 200 };
const MOST = 10;
const TENANT = {
  mailboxes: 2,
  messagesPerMailbox: 25,
  folders: 2,
  oddMessages: false,
  attachments: {
    share: 0.6,
    most: 3,
    bytes: 4_000,
    inlineShare: 0.2,
    itemShare: 0.1,
    referenceShare: 0.1,
  },
};

const connectTo = ({ url }: TestRedis) => createClient({ url }).on('error', () => undefined);

/** What a consumer of the replaced service makes of an item. */
interface Consumed {
  readonly task: string;
  readonly message: string;
  readonly attachment: string;
  readonly sha256: string;
  readonly bytes: number;
}

const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const sorted = (items: readonly { readonly message: string; readonly attachment: string }[]): string[] =>
  items.map(({ message, attachment }) => `${message} ${attachment}`).sort();

let folder: string;
let stage: TenantStage;
let organizationId: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-delivered-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Starts the installation, before it has an organization. */
async function open(environment: Record<string, string>, oddShare = 0.2): Promise<void> {
  const tenant = { ...TENANT, attachments: { ...TENANT.attachments, oddShare } };
  stage = await openTenantStage(tenant, (simulator) => ({
    ...asEnvironment(simulator),
    OUTHAUL_BLOBS_DIR: join(folder, 'blobs'),
    ...environment,
  }));
  organizationId = stage.organization('monitored');
}
const get = async (path: string) => (await stage.call('GET', path)).body;

async function scan(): Promise<void> {
  const scanId = `scan-${randomUUID()}`;
  const { status } = await stage.call('POST', '/api/v1/scan/start', {
    body: { config: { scanId, organizationId, type: ['email'], auth: stage.auth, filters: { folders: ['all'] } } },
  });
  expect(status).toBe(202);
  await scanEnds(scanId);
}
const scanEnds = (scanId: string) =>
  vi.waitFor(
    async () => expect(await get(`/api/v1/scan/${scanId}/status`)).toMatchObject({ status: 'completed' }),
    LONG,
  );

/** The attachments of the tenant that have bytes. */
async function truth(): Promise<(TruthAttachment & { readonly sha256: string; readonly bytes: number })[]> {
  const all = [];
  for await (const each of stage.simulator.control.attachments.truth.all()) {
    const { sha256, bytes } = each;
    if (sha256 !== null && bytes !== null) all.push({ ...each, sha256, bytes });
  }
  return all;
}

describe('attachments to a Redis list that the environment describes', () => {
  let redis: TestRedis;
  let consumer: ReturnType<typeof connectTo>;
  beforeAll(async () => {
    redis = await TestRedis.start();
    // It may have to be installed.
  }, 300_000);
  afterAll(() => redis?.stop());
  beforeEach(async () => {
    consumer = connectTo(redis);
    await consumer.connect();
    const where = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) };
    await open({ USE_REDIS_QUEUE: 'true', ...where, EMAIL_QUEUE_NAME: randomUUID(), MAX_QUEUE_SIZE: String(MOST) });
  });
  afterEach(async () => {
    consumer?.destroy();
    await stage?.close();
  });

  /** Pops one item, in the document's own few lines. */
  async function consume(): Promise<Consumed | undefined> {
    const item = await consumer.rPop(stage.environment['EMAIL_QUEUE_NAME'] ?? '');
    if (item === null) return undefined;
    const data = JSON.parse(item) as Record<string, string>;
    const content = Buffer.from(data['attachment_content_b64'] ?? '', 'base64');
    expect(data['attachment_size']).toBe(content.length);
    expect(data['attachment_mime_type']).toMatch(/^.+\/.+$/);
    const { task_id: task = '', email_id: message = '', attachment_id: attachment = '' } = data;
    return { task, message, attachment, sha256: sha256Of(content), bytes: content.length };
  }
  /** Consumes until so many different items have come. */
  async function consumeAll(count: number, consumed: Consumed[] = []): Promise<Consumed[]> {
    await vi.waitFor(async () => {
      for (let item; (item = await consume()) !== undefined;) consumed.push(item);
      expect(new Set(consumed.map(({ task }) => task)).size).toBeGreaterThanOrEqual(count);
    }, LONG);
    return consumed;
  }
  const inOrder = async () => {
    const rows = await query<{ attachment: string }>(stage.db, {
      text: 'SELECT attachment_id AS attachment FROM outhaul.deliveries ORDER BY owed_xid, email_no, part',
    });
    return rows.map(({ attachment }) => attachment);
  };

  it('come once each, in order and byte for byte; a full list makes them wait and drops none', async () => {
    await scan();
    const expected = await truth();
    expect(expected.length).toBeGreaterThan(3 * MOST);
    const full = { full: true, queue_length: MOST, max_queue_size: MOST };
    await vi.waitFor(async () => expect(await get('/redis-queue/status')).toMatchObject(full), LONG);
    const peeked = listOf((await get('/redis-queue/peek?count=3'))['items']);
    expect(peeked).toHaveLength(3);
    // Nothing is lost of what waits, and nothing is tried in vain.
    await vi.waitFor(async () => {
      const { statistics } = await get('/status');
      expect(statistics).toMatchObject({ waiting: 0, owed: expected.length - MOST, delivered: MOST, dead: 0 });
    }, LONG);

    const consumed = await consumeAll(expected.length);
    expect(consumed.slice(0, 3).map(({ task }) => task)).toEqual(peeked.map((item) => textOf(item['task_id'])));
    expect(consumed.map(({ attachment }) => attachment)).toEqual(await inOrder());
    expect(sorted(consumed)).toEqual(sorted(expected.map(({ message, id }) => ({ message, attachment: id }))));
    const bytes = new Map(expected.map(({ id, sha256 }) => [id, sha256]));
    for (const { attachment, sha256 } of consumed) expect(sha256).toBe(bytes.get(attachment));

    await vi.waitFor(async () => {
      const { statistics, redis_queue: queue } = await get('/status');
      expect(statistics).toMatchObject({ owed: 0, dead: 0, delivered: expected.length, error_rate: 0 });
      expect(queue).toMatchObject({ connected: true, queue_length: 0 });
    }, LONG);
    const [result] = listOf((await get('/recent-results?limit=500'))['results']).filter(
      ({ message_id: id }) => textOf(id) === expected[0]?.message,
    );
    expect(result).toMatchObject({ deliveries: { owed: 0, waiting: 0, dead: 0 } });
    const details = await get(`/email-details/${encodeURIComponent(expected[0]?.message ?? '')}`);
    const [attachment] = listOf(details['attachments']).filter(
      ({ attachment_id: id }) => textOf(id) === expected[0]?.id,
    );
    expect(attachment).toMatchObject({ state: 'stored', sha256: expected[0]?.sha256, byte_size: expected[0]?.bytes });
  });

  it('wait while Redis is away, keep nothing else from going on, and come when it is back', async () => {
    await scan();
    const before = await truth();
    const consumed = await consumeAll(before.length);

    await redis.signal('SIGKILL');
    const inbox = { mailbox: stage.simulator.control.truth.mailboxes()[0]?.id ?? '', folder: 'inbox' };
    for (const no of [1, 2, 3]) {
      stage.simulator.control.addMessage(inbox, { subject: `While away ${no}` }, [], { attachments: 2 });
    }
    const { status, body } = await stage.call('POST', '/process-now');
    expect(status).toBe(202);
    await scanEnds(textOf(body['scanId']));
    await vi.waitFor(async () => {
      const { statistics } = await get('/status');
      expect(statistics).toMatchObject({ owed: 6, dead: 0, delivered: before.length });
    }, LONG);
    expect((await stage.call('GET', '/redis-queue/health')).status).toBe(503);
    expect(await get('/status')).toMatchObject({ status: 'degraded', redis_queue: { connected: false } });
    expect(listOf((await get('/recent-results?limit=3'))['results'])).toMatchObject(
      [3, 2, 1].map((no) => ({ subject: `While away ${no}`, attachments: { stored: 2 }, deliveries: { owed: 2 } })),
    );

    await redis.up();
    consumer.destroy();
    consumer = connectTo(redis);
    await consumer.connect();
    const all = await consumeAll(before.length + 6, consumed);
    expect(new Set(sorted(all))).toEqual(
      new Set(sorted((await truth()).map(({ message, id }) => ({ message, attachment: id })))),
    );
    expect(all.slice(-6).map(({ attachment }) => attachment)).toEqual((await inOrder()).slice(-6));
    await vi.waitFor(async () => expect(await get('/status')).toMatchObject({ status: 'ok' }), LONG);
  });
});

describe('attachments to a folder that the environment describes', () => {
  afterEach(() => stage?.close());

  it('are written as files, only those that are wanted, and none to Redis where that is refused', async () => {
    const largest = 4_000;
    await open(
      {
        USE_REDIS_QUEUE: 'false',
        REDIS_HOST: '127.0.0.1',
        ATTACHMENTS_DIR: join(folder, 'files'),
        FILE_TYPES: '.pdf,docx,image/*',
        MAX_ATTACHMENT_SIZE: String(largest),
      },
      0,
    );
    await scan();
    expect((await stage.call('GET', '/redis-queue/status')).status).toBe(404);
    const wanted = (await truth()).filter(
      ({ name, contentType, bytes }) =>
        bytes <= largest && (/\.(pdf|docx)$/i.test(name ?? '') || contentType?.startsWith('image/')),
    );
    expect(wanted.length).toBeGreaterThan(3);
    const files = async (): Promise<string[]> =>
      (await readdir(join(folder, 'files'), { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile() && !entry.parentPath.includes('.unfinished'))
        .map(({ parentPath, name }) => join(parentPath, name));
    await vi.waitFor(async () => expect(await files()).toHaveLength(wanted.length), LONG);
    const found = await Promise.all((await files()).map(async (file) => sha256Of(await readFile(file))));
    expect(found.sort()).toEqual(wanted.map(({ sha256 }) => sha256).sort());
    expect(await get('/status')).toMatchObject({
      redis_queue: null,
      destinations: [{ name: 'attachments-folder', kind: 'folder', owed: 0, waiting: 0, delivered: wanted.length }],
    });

    // What is lost on the disk is noticed by whoever asks for it, and read from Graph again.
    const [lost] = wanted;
    if (!lost) expect.fail('there is no attachment');
    const blobs = await readdir(join(folder, 'blobs'), { recursive: true, withFileTypes: true });
    const blob = blobs.find(({ name }) => name === lost.sha256);
    await rm(join(blob?.parentPath ?? '', lost.sha256));
    const [message, attachment] = [lost.message, lost.id].map(encodeURIComponent);
    const path = `/email-details/${message}/attachments/${attachment}`;
    expect((await stage.call('GET', path)).status).toBe(503);
    await vi.waitFor(async () => {
      const { status, headers } = await stage.call('GET', path);
      expect([status, headers.get('etag')]).toEqual([200, `"${lost.sha256}"`]);
    }, LONG);
  });
});
