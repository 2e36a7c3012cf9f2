import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { RedisList, type RedisListSettings } from '../../destinations/redis-list.ts';
import type { Item } from '../../destinations/sender.ts';
import { openTestRedis, TestRedis, type AnyRedis } from '../support/redis.ts';
import { attachment, calm, item, lostAttachment, message, outcomesOf, stream } from './support/items.ts';
import { CERTIFICATE, PRIVATE_KEY } from './support/tls.ts';

let redis: AnyRedis;
/** What tests ask as consumers do. */
interface Consumer {
  rPop(key: string): Promise<string | null>;
}
let consumer: ReturnType<typeof createClient>;
let queue: string;
const lists: RedisList[] = [];

beforeAll(async () => {
  redis = await openTestRedis();
  consumer = createClient({ url: redis.url });
  await consumer.connect();
  // It may have to be installed.
}, 300_000);
afterAll(async () => {
  for (const list of lists) await list.close();
  consumer?.destroy();
  await redis?.stop();
});
beforeEach(() => {
  queue = `email_attachments_${randomUUID()}`;
});

function open(over: Partial<RedisListSettings> = {}): RedisList {
  const list = new RedisList({ url: redis.url, allowPrivate: true, queue, maxLength: 1000, ...over });
  lists.push(list);
  return list;
}

/** A server that the test may kill, freeze and configure, and that is gone when it ends. */
async function startOwn(...args: string[]): Promise<TestRedis> {
  const own = await TestRedis.start(...args);
  onTestFinished(() => own.stop());
  return own;
}

const file = (no: number, content = `content ${no}`): Item => item(no, { attachments: [attachment(content)] });
const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const files = (first: number, last: number): AsyncGenerator<Item> =>
  stream(...numbers(first, last).map((no) => file(no)));

/** What a consumer does, in the lines of the document: RPOP, JSON, base64. */
async function consume(from: Consumer = consumer): Promise<string | undefined> {
  const queueItem = await from.rPop(queue);
  if (queueItem === null) return undefined;
  const data = JSON.parse(queueItem) as Record<string, string>;
  return Buffer.from(data['attachment_content_b64'] ?? '', 'base64').toString();
}

async function consumeAll(from: Consumer = consumer): Promise<string[]> {
  const contents: string[] = [];
  for (let content; (content = await consume(from)) !== undefined;) contents.push(content);
  return contents;
}

describe('a Redis list', () => {
  it('gets one item for an attachment, in the fields that consumers know', async () => {
    const { outcomes } = await outcomesOf(open().send(stream(file(1, 'PDF bytes')), calm()));
    expect(outcomes).toEqual([{ deliveryNo: 1, status: 'accepted' }]);
    const data = JSON.parse((await consumer.rPop(queue)) ?? '') as Record<string, unknown>;
    expect(data).toEqual({
      task_id: expect.stringMatching(/^[0-9a-f]{12}_[0-9a-f]{12}_[0-9a-f]{12}$/) as string,
      email_id: 'AAMkADUwZTYy-message',
      email_subject: 'Invoice ID_12345 - Payment Required',
      email_sender: 'Vendor Name',
      email_sender_email: 'vendor@example.com',
      email_content: '<html><body><p>Dear Team,</p></body></html>',
      email_received_date: '2025-12-23T09:45:12Z',
      attachment_id: 'attachment-1',
      attachment_filename: 'INVOICE_ID_12345.pdf',
      attachment_content_b64: Buffer.from('PDF bytes').toString('base64'),
      attachment_mime_type: 'application/pdf',
      attachment_size: 9,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    });
  });

  it('gives the oldest first to a consumer that pops on the right, whatever the batches', async () => {
    const { outcomes } = await outcomesOf(open({ batchItems: 7 }).send(files(1, 50), calm()));
    expect(outcomes.map(({ deliveryNo }) => deliveryNo)).toEqual(numbers(1, 50));
    expect(await consumeAll()).toEqual(numbers(1, 50).map((no) => `content ${no}`));
  });

  it('gets the same of a small attachment that is read in one piece, and notices there, too, what the store has lost', async () => {
    const whole = (no: number, content: string | undefined): Item => {
      const read = async (): Promise<Buffer> => {
        if (content === undefined) throw new Error('ENOENT: no such blob /var/blobs/ab/cd');
        return Buffer.from(content);
      };
      return item(no, { attachments: [{ ...lostAttachment(), bytes: 7, read }] });
    };
    const refused = { status: 'refused', cause: 'content', retry: true };
    for (const broken of [undefined, 'other content']) {
      const { outcomes } = await outcomesOf(open().send(stream(whole(1, 'content'), whole(2, broken)), calm()));
      expect(await consumeAll()).toEqual(['content']);
      expect(outcomes).toEqual([
        { deliveryNo: 1, status: 'accepted' },
        expect.objectContaining({ deliveryNo: 2, ...refused }),
      ]);
    }
  });

  it('bounds a push by bytes too, and lets one that is larger go alone', async () => {
    const items = [file(1, 'a'), file(2, 'b'.repeat(50_000)), file(3, 'c')];
    await outcomesOf(open({ batchBytes: 4000 }).send(stream(...items), calm()));
    expect((await consumeAll()).map(([letter]) => letter)).toEqual(['a', 'b', 'c']);
  });

  it('takes binary content and any text as it is', async () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
    const strange = message({
      subject: 'Grüße 🎉 "\\ \u0000 \ud800',
      body_content: null,
      from_address: null,
      from_name: null,
    });
    const sent = item(1, { message: strange, attachments: [attachment(bytes, { name: null, contentType: null })] });
    await outcomesOf(open().send(stream(sent), calm()));
    const data = JSON.parse((await consumer.rPop(queue)) ?? '') as Record<string, string>;
    expect(Buffer.from(data['attachment_content_b64'] ?? '', 'base64').equals(bytes)).toBe(true);
    expect(data).toMatchObject({
      email_subject: strange.email.subject,
      email_content: '',
      email_sender: 'Robot',
      attachment_filename: '',
      attachment_mime_type: 'application/octet-stream',
    });
  });

  it('is never made longer than its limit: what does not fit is not attempted, and goes when there is room', async () => {
    const list = open({ maxLength: 3 });
    const full = await outcomesOf(list.send(files(1, 5), calm()));
    expect(full.outcomes.map(({ deliveryNo }) => deliveryNo)).toEqual([1, 2, 3]);
    expect(full.thrown).toMatchObject({ name: 'DestinationUnavailable', reason: 'full' });
    expect(await consumer.lLen(queue)).toBe(3);
    expect(await consume()).toBe('content 1');
    expect((await outcomesOf(list.send(files(4, 5), calm()))).outcomes).toEqual([
      { deliveryNo: 4, status: 'accepted' },
    ]);
    expect(await consumeAll()).toEqual(['content 2', 'content 3', 'content 4']);
  });

  it('refuses what is too large for it for good, and the rest goes', async () => {
    const large = item(1, { attachments: [attachment('x'.repeat(2000))] });
    const { outcomes } = await outcomesOf(open({ maxAttachmentBytes: 1999 }).send(stream(large, file(2)), calm()));
    expect(outcomes).toEqual([
      expect.objectContaining({ deliveryNo: 1, cause: 'too_large', retry: false }),
      { deliveryNo: 2, status: 'accepted' },
    ]);
  });

  it.each([
    ['lost', lostAttachment()],
    ['cut', { ...attachment('cut'), bytes: 4000 }],
  ])('ends at what the store has %s, which nothing newer overtakes', async (_, broken) => {
    const items = stream(file(1), item(2, { attachments: [broken] }), file(3));
    const { outcomes, thrown } = await outcomesOf(open().send(items, calm()));
    expect(thrown).toBeUndefined();
    expect(outcomes).toEqual([
      { deliveryNo: 1, status: 'accepted' },
      expect.objectContaining({ deliveryNo: 2, status: 'refused', cause: 'content', retry: true }),
    ]);
    expect(JSON.stringify(outcomes)).not.toContain('/var/blobs');
    expect(await consumeAll()).toEqual(['content 1']);
  });

  it('pushes what is there while more is waited for', async () => {
    let release = (): void => undefined;
    async function* slowly(): AsyncGenerator<Item> {
      yield file(1);
      await new Promise<void>((resolve) => (release = resolve));
      yield file(2);
    }
    const sent = open().send(slowly(), calm());
    expect((await sent.next()).value).toEqual({ deliveryNo: 1, status: 'accepted' });
    expect(await consume()).toBe('content 1');
    const second = sent.next();
    await vi.waitFor(() => release());
    expect((await second).value).toEqual({ deliveryNo: 2, status: 'accepted' });
  });

  it('names the same task for the same delivery, and another for another', async () => {
    const list = open();
    await outcomesOf(list.send(stream(file(1), file(1), file(2)), calm()));
    const tasks = (await list.queue.peek(3, calm())).map((each) => each['task_id']);
    expect(tasks[0]).toBe(tasks[1]);
    expect(tasks[2]).not.toBe(tasks[0]);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Item> {
      for (let no = 1; ; no++) yield file(no);
    }
    const sent = open({ batchItems: 5, maxLength: 1_000_000 }).send(endless(), stop.signal);
    await sent.next();
    stop.abort(new Error('stopped'));
    expect((await outcomesOf(sent)).thrown?.message).toBe('stopped');
  });
});

describe('what operators ask of a Redis list', () => {
  it('status, statistics and health', async () => {
    const list = open({ maxLength: 2 });
    expect(await list.queue.status(calm())).toEqual({ queue, length: 0, maxLength: 2, full: false });
    await outcomesOf(list.send(files(1, 2), calm()));
    expect(await list.queue.status(calm())).toEqual({ queue, length: 2, maxLength: 2, full: true });
    const stats = await list.queue.stats(calm());
    expect(stats.memoryBytes).toBeGreaterThan(100);
    expect(stats.redisMemoryBytes).toBeGreaterThan(1000);
    expect(stats.redisVersion).toMatch(/^\d+\./);
    expect(Date.parse(stats.oldestCreatedAt ?? '')).toBeLessThanOrEqual(Date.parse(stats.newestCreatedAt ?? ''));
    expect(await list.health(calm())).toMatchObject({ healthy: true, detail: 'The list holds 2 of at most 2 items' });
  });

  it('a look at the oldest, with contents cut, that takes nothing; also at what others put there', async () => {
    const list = open();
    await consumer.lPush(queue, 'not JSON, by somebody else');
    await outcomesOf(list.send(stream(file(1, 'x'.repeat(500)), file(2)), calm()));
    const [first, second, third, ...none] = await list.queue.peek(5, calm());
    expect(first).toEqual({ raw: 'not JSON, by somebody else' });
    expect(second?.['attachment_content_b64']).toMatch(/^.{100}\.\.\.$/);
    expect(second?.['attachment_size']).toBe(500);
    expect(third?.['attachment_content_b64']).toBe(Buffer.from('content 2').toString('base64'));
    expect(none).toEqual([]);
    expect(await consumer.lLen(queue)).toBe(3);
  });

  it('to clear it', async () => {
    const list = open();
    await outcomesOf(list.send(files(1, 4), calm()));
    expect(await list.queue.clear(calm())).toBe(4);
    expect(await list.queue.clear(calm())).toBe(0);
    expect(await consumer.lLen(queue)).toBe(0);
  });
});

describe('a Redis that is away', () => {
  it('says so when nobody listens, and counts no attempt', async () => {
    const list = open({ url: 'redis://127.0.0.1:1' });
    expect(await outcomesOf(list.send(files(1, 2), calm()))).toMatchObject({
      outcomes: [],
      thrown: { name: 'DestinationUnavailable', reason: 'away', message: 'Redis is out of reach: ECONNREFUSED' },
    });
    expect(await list.health(calm())).toMatchObject({ healthy: false });
  });

  it('is taken up again after a kill and a start: nothing lost, order kept', async () => {
    const own = await startOwn();
    const list = open({ url: own.url, batchItems: 10, maxLength: 100_000 });
    let owed = numbers(1, 400);
    let kills = 0;
    while (owed.length > 0) {
      const sent = list.send(stream(...owed.map((no) => file(no))), calm());
      const accepted = new Set<number>();
      try {
        for await (const { deliveryNo } of sent) {
          accepted.add(deliveryNo);
          if (accepted.size === 100 && kills++ < 2) await own.signal('SIGKILL');
        }
      } catch (error) {
        expect(error).toMatchObject({ reason: 'away' });
        await own.up();
      }
      owed = owed.filter((no) => !accepted.has(no));
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    const reader = createClient({ url: own.url });
    await reader.connect();
    const seen = new Set(await consumeAll(reader));
    expect([...seen]).toEqual(numbers(1, 400).map((no) => `content ${no}`));
    reader.destroy();
    await list.close();
  });

  it('sends again what was pushed without an answer, and the first turns stay in order', async () => {
    const own = await startOwn();
    const list = open({ url: own.url, timeoutMs: 500 });
    await outcomesOf(list.send(files(1, 2), calm()));
    async function* andThenFrozen(): AsyncGenerator<Item> {
      yield file(3);
      await own.signal('SIGSTOP');
      yield file(4);
    }
    const { outcomes, thrown } = await outcomesOf(list.send(andThenFrozen(), calm()));
    expect(thrown).toMatchObject({ reason: 'away' });
    const first = 3 + outcomes.length;
    await own.signal('SIGCONT');
    await vi.waitFor(async () => expect((await list.health(calm())).healthy).toBe(true));
    await outcomesOf(list.send(files(first, 6), calm()));
    const reader = createClient({ url: own.url });
    await reader.connect();
    expect([...new Set(await consumeAll(reader))]).toEqual(numbers(1, 6).map((no) => `content ${no}`));
    reader.destroy();
    await list.close();
  });
});

describe('a Redis with conditions', () => {
  it('asks for a user and password, and says when they are wrong', async () => {
    const own = await startOwn('--user', 'outhaul', 'on', '>correct', '~*', '&*', '+@all', '--user', 'default', 'off');
    const right = open({ url: `${own.url}/3`, username: 'outhaul', password: 'correct' });
    expect((await outcomesOf(right.send(files(1, 1), calm()))).outcomes).toHaveLength(1);
    const reader = createClient({ url: `${own.url}/3`, username: 'outhaul', password: 'correct' });
    await reader.connect();
    expect(await consumeAll(reader)).toEqual(['content 1']);
    reader.destroy();
    const wrong = open({ url: own.url, username: 'outhaul', password: 'false' });
    expect((await outcomesOf(wrong.send(files(1, 1), calm()))).thrown).toMatchObject({
      reason: 'misconfigured',
      message: expect.stringContaining('WRONGPASS') as string,
    });
    for (const list of [right, wrong]) await list.close();
  });

  it('speaks TLS, with an authority that it is told of, and with no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'outhaul-tls-'));
    const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
    await writeFile(certificate, CERTIFICATE);
    await writeFile(key, PRIVATE_KEY);
    const withTls = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
    const own = await startOwn('--port', '0', '--tls-port', 'PORT', ...withTls);
    const url = `rediss://localhost:${own.port}/0`;
    const trusting = open({ url, ca: CERTIFICATE });
    expect((await outcomesOf(trusting.send(files(1, 1), calm()))).outcomes).toHaveLength(1);
    expect(await trusting.queue.peek(1, calm())).toHaveLength(1);
    const strict = open({ url });
    expect((await outcomesOf(strict.send(files(1, 1), calm()))).thrown).toMatchObject({
      reason: 'away',
      message: 'Redis is out of reach: DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    for (const list of [trusting, strict]) await list.close();
    await rm(folder, { recursive: true });
  });

  it('says when its memory is full, and that the key holds something else', async () => {
    const own = await startOwn('--maxmemory', '1mb', '--maxmemory-policy', 'noeviction');
    const list = open({ url: own.url, batchItems: 1 });
    const filled = await outcomesOf(list.send(stream(file(1, 'x'.repeat(3_000_000)), file(2)), calm()));
    expect(filled.outcomes).toEqual([]);
    expect(filled.thrown).toMatchObject({ reason: 'full', message: expect.stringContaining('OOM') as string });
    await list.close();
    await consumer.set(queue, 'a string');
    expect((await outcomesOf(open().send(files(1, 1), calm()))).thrown).toMatchObject({ reason: 'misconfigured' });
  });

  it('is not asked at an address that is not allowed', async () => {
    const refused = open({ allowPrivate: false });
    expect((await outcomesOf(refused.send(files(1, 1), calm()))).thrown).toMatchObject({ reason: 'misconfigured' });
    const named = open({ url: redis.url.replace('127.0.0.1', 'localhost'), allowPrivate: false });
    expect((await outcomesOf(named.send(files(1, 1), calm()))).thrown).toMatchObject({ reason: 'misconfigured' });
  });
});
