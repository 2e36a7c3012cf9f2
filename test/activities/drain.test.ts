import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CircuitLimits } from '../../model/circuit.ts';
import { circuitOf } from '../../store/destination-claims.ts';
import { destinationById, pauseDestination } from '../../store/destinations.ts';
import { claimDeliveries } from '../../store/deliveries.ts';
import { json, startReceiver, type Received, type Receiver } from '../destinations/support/receiver.ts';
import type { Outbox } from '../store/outbox-support.ts';
import { unique } from '../store/support.ts';
import { openTestRedis, type AnyRedis } from '../support/redis.ts';
import { useDrains } from './drain-stage.ts';

const stage = useDrains();
let receiver: Receiver;
let redis: AnyRedis;
beforeAll(async () => {
  redis = await openTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  receiver = await startReceiver();
  return () => receiver.close();
});

const BRIEF: CircuitLimits = { openMs: 100, longestMs: 200 };
const named = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, index) => `m${String(from + index).padStart(4, '0')}`);
const statuses = async (outbox: Outbox): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { status } of await outbox.rows()) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
const sentIds = (): string[] =>
  receiver.received
    .filter(({ url }) => url === '/process')
    .map(({ body }) => (JSON.parse(body) as { message_id: string }).message_id);
const keys = (): unknown[] =>
  receiver.received.filter(({ url }) => url === '/process').map(({ headers }) => headers['idempotency-key']);

type DrainOptions = Parameters<typeof stage.drain>[1];

/** Drains, and waits for as long as the workflow would until it drains again. @returns how long; null: nothing is owed */
async function drainTurn(outbox: Outbox, options: DrainOptions = {}): Promise<number | null> {
  const { dueInMs } = await stage.drain(outbox, options);
  if (dueInMs !== null) await new Promise((resolve) => setTimeout(resolve, dueInMs));
  return dueInMs;
}

/** Drains as the workflow would: again and again, until nothing is owed any more. */
async function drainAll(outbox: Outbox, options: DrainOptions = {}): Promise<void> {
  while ((await drainTurn(outbox, options)) !== null);
}

describe('a utility', () => {
  it('gets every message once, each as the contract says, and the store knows of it', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url });
    await outbox.owe(named(120));
    expect(await stage.drain(outbox)).toEqual({ dueInMs: null });
    expect(sentIds().sort()).toEqual(named(120));
    expect(new Set(keys()).size).toBe(120);
    expect(await statuses(outbox)).toEqual({ delivered: 120 });
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      subject: expect.stringMatching(/^Subject of m\d+$/) as string,
      body_content: '<p>Hello</p>',
      mailbox: 'mailbox-1@contoso.example',
      folder: 'inbox-id',
      direction: 'received',
    });
  });

  it('gets what comes while it is looked for, without being woken', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url });
    await outbox.owe(['first']);
    const drained = stage.drain(outbox, { pace: { lingerMs: 2_000, pollMs: 10 } });
    await vi.waitUntil(() => sentIds().length === 1);
    await outbox.owe(['second']);
    await vi.waitUntil(() => sentIds().length === 2);
    expect(await drained).toEqual({ dueInMs: null });
  });

  it('is tried again after a failure, and after the last attempt has a dead letter', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, attempts: 2 });
    await outbox.owe(['good', 'bad', 'refused']);
    receiver.answer = (response, { body }) =>
      json(response, body.includes('"bad"') ? 500 : body.includes('"refused"') ? 400 : 200, {});
    await drainAll(outbox);
    expect(await outbox.rows(', cause')).toMatchObject([
      { id: 'good', status: 'delivered', attempts: 1 },
      { id: 'bad', status: 'dead', attempts: 2, cause: 'server_error' },
      { id: 'refused', status: 'dead', attempts: 1, cause: 'rejected' },
    ]);
    const ofBad = receiver.received.filter(({ body }) => body.includes('"bad"'));
    expect(new Set(ofBad.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  });

  it('that is away has no attempt spent on it while its circuit is open, and gets everything afterwards', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, concurrency: 4 });
    await outbox.owe(named(60));
    receiver.answer = (response) => json(response, 503, {});
    const { destinationNo, id } = outbox.destination;
    for (let turn = 0; turn < 6; turn++) {
      expect(await drainTurn(outbox, { circuitLimits: BRIEF })).toBeGreaterThan(0);
    }
    const asked = receiver.received.length;
    expect((await circuitOf(stage.store.db, destinationNo)).circuit.state).toBe('open');
    expect((await destinationById(stage.store.db, id, null))?.health).toMatchObject({ healthy: false, reason: 'away' });
    const attempts = (await outbox.rows()).reduce((sum, row) => sum + row.attempts, 0);
    expect(attempts).toBe(5);
    expect(asked).toBeLessThan(30);

    receiver.answer = (response) => json(response, 200, {});
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ delivered: 60 });
    expect((await destinationById(stage.store.db, id, null))?.health).toMatchObject({ healthy: true });
  });

  it('that is away loses nobody an attempt while it is, whatever it says of its health', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, attempts: 2, concurrency: 1 });
    await outbox.owe(named(30));
    let away = true;
    receiver.answer = (response, { url }) => json(response, away && url !== '/health' ? 503 : 200, {});
    for (let turn = 0; turn < 6; turn++) await drainTurn(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ owed: 30 });
    expect(receiver.received.length).toBeGreaterThan(8);
    away = false;
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ delivered: 30 });
  });

  it('that fails at many messages at once has dead letters of these as soon as another gets through', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, attempts: 2 });
    const isBad = (body: string): boolean => /"m000[1-6]"/.test(body);
    receiver.answer = (response, { url, body }) =>
      json(response, url === '/health' ? 404 : isBad(body) ? 500 : 200, {});
    await outbox.owe(named(6));
    for (let turn = 0; turn < 3; turn++) await drainTurn(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ owed: 6 });
    await outbox.owe(named(20, 7));
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ dead: 6, delivered: 20 });
  });

  it('that asks to be left alone is left alone, and that counts as no attempt', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url });
    await outbox.owe(['m1', 'm2']);
    let answers = 0;
    receiver.answer = (response) =>
      ++answers <= 2 ? json(response, 429, {}, { 'retry-after': '1' }) : json(response, 200, {});
    await drainAll(outbox);
    expect(await outbox.rows()).toMatchObject([
      { status: 'delivered', attempts: 1 },
      { status: 'delivered', attempts: 1 },
    ]);
    expect(answers).toBe(4);
  });

  it('gets what a killed worker had claimed once that claim has run out, under the same key', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url });
    await outbox.owe(['m1']);
    const { destinationNo } = outbox.destination;
    await claimDeliveries(stage.store.db, { destinationNo, token: 'killed', seconds: 60, limit: 10 });
    expect((await stage.drain(outbox)).dueInMs).toBeGreaterThan(30_000);
    await outbox.passClaims();
    expect(await stage.drain(outbox)).toEqual({ dueInMs: null });
    expect(sentIds()).toEqual(['m1']);
    expect(await outbox.rows(', lost')).toMatchObject([{ status: 'delivered', lost: 1 }]);
  });

  it('gets what was lost often while nothing else is being sent', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url });
    await outbox.owe(named(10));
    const { destinationNo } = outbox.destination;
    await stage.store.sql(
      `UPDATE outhaul.deliveries SET lost = 3 WHERE delivery_no = (
        SELECT delivery_no FROM outhaul.deliveries WHERE destination_no = $1 ORDER BY 1 OFFSET 4 LIMIT 1)`,
      [destinationNo],
    );
    let now = 0;
    const beside: Record<string, number> = {};
    receiver.answer = (response, { body }) => {
      const { message_id: id } = JSON.parse(body) as { message_id: string };
      beside[id] = ++now;
      setTimeout(() => {
        beside[id] = Math.max(beside[id] ?? 0, now);
        now--;
        json(response, 200, {});
      }, 50);
    };
    expect(await stage.drain(outbox)).toEqual({ dueInMs: null });
    expect(beside['m0005']).toBe(1);
    expect(Math.max(...Object.values(beside))).toBeGreaterThan(1);
  });

  it('that is paused gets nothing more, and the drain ends', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, concurrency: 1 });
    await outbox.owe(named(500));
    const drained = stage.drain(outbox);
    await vi.waitUntil(() => receiver.received.length > 3);
    await pauseDestination(stage.store.db, outbox.destination);
    expect(await drained).toEqual({ dueInMs: null });
    const sent = receiver.received.length;
    expect(await stage.drain(outbox)).toEqual({ dueInMs: null });
    expect(receiver.received).toHaveLength(sent);
    expect((await statuses(outbox))['delivered']).toBe(sent);
  });

  it('is handed to another worker when this one ends: what is being sent is waited for, the rest is as it was', async () => {
    const outbox = await stage.outbox('utility', { endpoint: receiver.url, concurrency: 5 });
    await outbox.owe(named(50));
    receiver.answer = (response) => void setTimeout(() => json(response, 200, {}), 100);
    const stopping = new AbortController();
    const drained = stage.drain(outbox, { stopping: stopping.signal });
    await vi.waitUntil(() => receiver.received.length > 0);
    stopping.abort();
    expect(await drained).toEqual({ dueInMs: 0 });
    const sent = receiver.received.length;
    expect(sent).toBeLessThan(50);
    expect(await statuses(outbox)).toEqual({ delivered: sent, owed: 50 - sent });
    expect(await outbox.rows(', lost')).not.toContainEqual(expect.objectContaining({ lost: 1 }));
  });

  it('gets attachments that its filters let through, and those whose bytes were lost once they were read again', async () => {
    const outbox = await stage.outbox('utility', {
      endpoint: receiver.url,
      filters: { attachmentType: ['.txt'] },
    });
    await stage.attach(outbox, { m1: 'first', m2: 'second' });
    const blobs = join(stage.folder, 'blobs');
    const files = await readdir(blobs, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      const path = join(file.parentPath, file.name);
      if ((await readFile(path, 'utf8')) === 'second') await writeFile(path, 'altered');
    }
    await stage.drain(outbox);
    expect(await outbox.statuses()).toEqual(['m1 delivered', 'm2 waiting']);
    expect(stage.readers).toContain(outbox.reading.mailboxId);
    const [sent] = receiver.received.map(
      ({ body }) => JSON.parse(body) as { attachments: { content_bytes: string }[] },
    );
    expect(sent?.attachments.map(({ content_bytes: content }) => Buffer.from(content, 'base64').toString())).toEqual([
      'first',
    ]);
    expect(await outbox.rows()).toMatchObject([{ attempts: 1 }, { attempts: 0 }]);
    await rm(blobs, { recursive: true });
  });
});

describe('a batch receiver', () => {
  it('gets all messages in the order of arrival, also after an outage', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchItems: 20, batchWaitSeconds: 0.05 });
    await outbox.owe(named(100));
    let away = true;
    receiver.answer = (response, { url }) => json(response, away && url !== '/health' ? 502 : 200, {});
    for (let turn = 0; turn < 3; turn++) await drainTurn(outbox, { circuitLimits: BRIEF });
    receiver.received.length = 0;
    away = false;
    await drainAll(outbox, { circuitLimits: BRIEF });
    const ids = receiver.received.flatMap(({ body }) =>
      (JSON.parse(body) as { emails: { message_id: string }[] }).emails.map(({ message_id: id }) => id),
    );
    expect(ids).toEqual(named(100));
  });

  it.each([200, 404])(
    'that fails at one message has a dead letter of that one, and gets all others in order, if /health answers %i',
    async (health) => {
      const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchItems: 20, batchWaitSeconds: 0.05 });
      await outbox.owe(named(60));
      const accepted: string[] = [];
      receiver.answer = (response, { url, body }) => {
        const ids: readonly string[] = body.match(/m00\d\d(?=")/g) ?? [];
        const fails = ids.includes('m0030');
        if (!fails) accepted.push(...ids);
        json(response, url === '/health' ? health : fails ? 500 : 200, {});
      };
      await drainAll(outbox, { circuitLimits: BRIEF });
      const rows = await outbox.rows(', cause, last_error AS error');
      expect(rows.filter(({ status }) => status !== 'delivered')).toMatchObject([
        {
          id: 'm0030',
          status: 'dead',
          cause: 'server_error',
          error: 'It answered 500; what came after it was accepted',
        },
      ]);
      expect(rows.filter(({ attempts, id }) => attempts !== 1 && id !== 'm0030')).toEqual([]);
      expect([...new Set(accepted)]).toEqual(named(60).filter((id) => id !== 'm0030'));
      expect(
        receiver.received.filter(({ body }) => body.match(/"message_id":/g)?.length === 1 && body.includes('"m0030"'))
          .length,
      ).toBeGreaterThanOrEqual(3);
    },
  );

  describe.each([
    ['with an error', 500],
    ['with no answer', undefined],
  ])('that fails at some messages %s', (_, status) => {
    it.each([
      ['one after the other', ['m0004', 'm0005']],
      ['first in line', ['m0001', 'm0002', 'm0003']],
      ['apart in one batch', ['m0004', 'm0006']],
      ['in two batches', ['m0003', 'm0008', 'm0009', 'm0014']],
    ])('has dead letters of these, and gets all others in order: %s', async (__, bad) => {
      const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchItems: 8, batchWaitSeconds: 0.05 });
      await outbox.owe(named(20));
      const taken: string[] = [];
      receiver.answer = (response, { url, body }) => {
        if (url === '/health') return json(response, 404, {});
        const ids = body.match(/m00\d\d(?=")/g) ?? [];
        const fails = ids.some((id) => bad.includes(id));
        if (!fails) taken.push(...ids);
        if (fails && status === undefined) response.destroy();
        else json(response, fails ? (status ?? 0) : 200, {});
      };
      await drainAll(outbox, { circuitLimits: BRIEF });
      const rows = await outbox.rows();
      expect(rows.filter((row) => row.status === 'dead').map(({ id }) => id)).toEqual(bad);
      expect([...new Set(taken)]).toEqual(named(20).filter((id) => !bad.includes(id)));
    });
  });

  it('that comes back while the first in line hangs is not taken to have refused that one', async () => {
    const settings = { batchItems: 1, batchWaitSeconds: 0.05, timeoutSeconds: 0.2 };
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, ...settings });
    await outbox.owe(named(3));
    const sent = (): number => receiver.received.filter(({ url }) => url === '/batch-metadata').length;
    receiver.answer = (response) => void (sent() > 3 && json(response, 200, {}));
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(sent()).toBe(6);
    expect(await statuses(outbox)).toEqual({ delivered: 3 });
  });

  it('that is away loses nobody an attempt while it is, and gets all in order, whatever it says of its health', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchItems: 10, batchWaitSeconds: 0.05 });
    await outbox.owe(named(30));
    let away = true;
    const accepted: string[] = [];
    receiver.answer = (response, { url, body }) => {
      if (!away) accepted.push(...(body.match(/m00\d\d(?=")/g) ?? []));
      json(response, away && url !== '/health' ? 503 : 200, {});
    };
    for (let turn = 0; turn < 6; turn++) await drainTurn(outbox, { circuitLimits: BRIEF });
    expect(await statuses(outbox)).toEqual({ owed: 30 });
    away = false;
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect([...new Set(accepted)]).toEqual(named(30));
    expect(await statuses(outbox)).toEqual({ delivered: 30 });
  });

  it('gets what has failed before what came after, also where nothing else was on its way', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchWaitSeconds: 0.05 });
    await outbox.owe(['first']);
    receiver.answer = (response, { url }) =>
      json(response, url === '/health' || receiver.received.length > 1 ? 200 : 503, {});
    const drained = drainAll(outbox, { pace: { lingerMs: 3_000, pollMs: 10 } });
    await vi.waitUntil(() => receiver.received.length === 1);
    await vi.waitUntil(async () => (await outbox.rows())[0]?.attempts === 1);
    await outbox.owe(['second']);
    await drained;
    const accepted = receiver.received.slice(1).flatMap(({ body }) => body.match(/first|second/g) ?? []);
    expect([...new Set(accepted)]).toEqual(['first', 'second']);
  });
});

describe('a batch that was accepted, and nobody knows', () => {
  interface Posted {
    readonly key: unknown;
    readonly ids: readonly string[];
  }
  const postedIn = ({ headers, body }: Received): Posted => ({
    key: headers['idempotency-key'],
    ids: (JSON.parse(body) as { emails: { message_id: string }[] }).emails.map(({ message_id: id }) => id),
  });
  const posted = (): Posted[] => receiver.received.filter(({ url }) => url === '/batch-metadata').map(postedIn);
  const cuts = ({ destination }: Outbox): Promise<unknown[]> =>
    stage.store.sql('SELECT FROM outhaul.batches WHERE destination_no = $1', [destination.destinationNo]);
  const settings = { batchItems: 20, batchWaitSeconds: 0.05 };

  it('comes again as it was, under the same id, once the receiver is back; nothing comes under another', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, ...settings });
    await outbox.owe(named(20));
    const taken: Posted[] = [];
    receiver.answer = (response, request) => {
      const isAway = posted().length > 1 && posted().length < 7;
      if (!isAway) taken.push(postedIn(request));
      if (taken.length < 2) response.destroy();
      else json(response, 200, {});
    };
    await vi.waitUntil(async () => {
      await stage.drain(outbox, { circuitLimits: BRIEF });
      return (await statuses(outbox))['delivered'] === 20;
    }, 20_000);
    expect(taken).toEqual([posted()[0], posted()[0]]);
    expect(taken[0]?.ids).toEqual(named(20));
    expect(new Set(posted().map(({ key }) => key)).size).toBe(1);
    expect((await outbox.rows()).every(({ attempts }) => attempts <= 2)).toBe(true);
    expect(await cuts(outbox)).toEqual([]);
  });

  it('is not sent in halves when the receiver fails at it now, and comes before what came meanwhile', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, ...settings });
    await outbox.owe(named(7));
    receiver.answer = (response) => {
      if (receiver.received.length === 1) response.destroy();
      else json(response, receiver.received.length === 2 ? 503 : 200, {});
    };
    await stage.drain(outbox, { circuitLimits: BRIEF });
    await outbox.owe(named(5, 8));
    await drainAll(outbox, { circuitLimits: BRIEF });
    const [first, ...others] = posted();
    expect(first?.ids).toEqual(named(7));
    expect(others.slice(0, 2)).toEqual([first, first]);
    expect(others.slice(2).map(({ ids }) => ids)).toEqual([named(5, 8)]);
  });

  it('comes again under the same id after a time-out', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, timeoutSeconds: 0.2, ...settings });
    await outbox.owe(named(20));
    receiver.answer = (response) => void (receiver.received.length > 2 && json(response, 200, {}));
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(posted()).toEqual([posted()[0], posted()[0], posted()[0]]);
    expect(posted()[0]?.ids).toEqual(named(20));
  });

  it('comes again from a successor under the same id, also where more is owed by then', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, ...settings });
    await outbox.owe(named(30));
    receiver.answer = (response) => void (receiver.received.length < 2 && json(response, 200, {}));
    const environment = new MockActivityEnvironment();
    const lost = stage.drain(outbox, { environment });
    await vi.waitUntil(() => receiver.received.length === 2);
    await outbox.owe(named(25, 31));
    environment.cancel();
    await expect(lost).rejects.toThrow();
    expect(await statuses(outbox)).toEqual({ delivered: 20, owed: 35 });

    receiver.answer = (response) => json(response, 200, {});
    await drainAll(outbox);
    const [, unknown, ...others] = posted();
    expect(unknown?.ids).toEqual(named(10, 21));
    expect(others[0]).toEqual(unknown);
    expect(others.flatMap(({ ids }) => ids)).toEqual(named(35, 21));
    expect(await statuses(outbox)).toEqual({ delivered: 55 });
    expect(await cuts(outbox)).toEqual([]);
  });

  it('has a dead letter of the one message at which no answer ever comes, and all others are taken in order', async () => {
    const outbox = await stage.outbox('batch', { endpoint: receiver.url, batchItems: 8, batchWaitSeconds: 0.05 });
    await outbox.owe(named(16));
    const taken: string[] = [];
    receiver.answer = (response, request) => {
      if (request.url === '/health') return json(response, 404, {});
      const { ids } = postedIn(request);
      if (ids.includes('m0005')) return void response.destroy();
      taken.push(...ids);
      json(response, 200, {});
    };
    await drainAll(outbox, { circuitLimits: BRIEF });
    expect(taken).toEqual(named(16).filter((id) => id !== 'm0005'));
    expect((await outbox.rows(', cause')).filter(({ status }) => status !== 'delivered')).toMatchObject([
      { id: 'm0005', status: 'dead', cause: 'connection' },
    ]);
  });
});

describe('a Redis list', () => {
  it('gets attachments in the order of arrival, waits while it is full, and a consumer finds each', async () => {
    const list = unique('list');
    const outbox = await stage.outbox('redis_list', { url: redis.url, list, maxLength: 10 });
    await stage.attach(outbox, Object.fromEntries(named(35).map((id) => [id, `content of ${id}`])));
    const consumer = await createClient({ url: redis.url }).connect();
    try {
      const drained = drainAll(outbox);
      await vi.waitUntil(async () => (await consumer.lLen(list)) === 10, { timeout: 10_000 });
      await vi.waitFor(async () =>
        expect((await destinationById(stage.store.db, outbox.destination.id, null))?.health).toMatchObject({
          healthy: false,
          reason: 'full',
        }),
      );
      const taken: string[] = [];
      while (taken.length < 35) {
        const item = await consumer.rPop(list);
        if (item === null) await new Promise((resolve) => setTimeout(resolve, 20));
        else
          taken.push(
            Buffer.from(
              (JSON.parse(item) as Record<string, string>)['attachment_content_b64'] ?? '',
              'base64',
            ).toString(),
          );
      }
      expect(taken).toEqual(named(35).map((id) => `content of ${id}`));
      await drained;
      expect((await outbox.rows()).every(({ status, attempts }) => status === 'delivered' && attempts === 1)).toBe(
        true,
      );
    } finally {
      consumer.destroy();
    }
  });
});

describe('a folder', () => {
  it('gets attachments as files', async () => {
    const directory = join(stage.folder, unique('files'));
    const outbox = await stage.outbox('folder', { directory });
    await stage.attach(outbox, { m1: 'one', m2: 'two' });
    expect(await stage.drain(outbox)).toEqual({ dueInMs: null });
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const texts = files
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8'));
    expect((await Promise.all(texts)).sort()).toEqual(['one', 'two']);
  });
});
