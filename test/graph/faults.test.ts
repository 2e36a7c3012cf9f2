import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { MessagesPage } from '../../graph/graph.ts';
import { inTurn, json, refuse, REQUEST_ID, scripted, type Script } from './scripted-server.ts';
import { failureOf, open, unhurried, until, type OpenedGraph } from './support.ts';

const REQUEST = { folderId: 'inbox', mode: 'delta', pageSize: 100 } as const;

const page: Script = ({ headers }, response) =>
  json(response, 200, { value: [{ id: 'a' }], '@odata.deltaLink': `http://${headers['host']}/v1.0/d?$deltatoken=1` });

const read = ({ graph }: OpenedGraph, signal = unhurried()): Promise<MessagesPage> =>
  graph.mailbox('u').messages(REQUEST, signal);

type Options = Parameters<typeof open>[1];

/** Reads a page from a server that follows `script`, with quick retries off. */
async function readFrom(script: Script, options: Options = {}) {
  await using server = await scripted(script);
  await using opened = open(server.url, { maxRetries: 0, requestTimeoutMs: 300, maxBodyBytes: 10_000, ...options });
  const outcome = await read(opened).catch((error: unknown) => error);
  return { outcome, opened, requests: server.seen.length };
}

describe('A fault of the network or of Graph’s front end', () => {
  const FAULTS: readonly (readonly [string, Script, object])[] = [
    ['a server that never answers', () => undefined, { kind: 'too_slow', code: 'Timeout' }],
    [
      'a server that stops after the headers',
      (_q, r) => void r.writeHead(200).flushHeaders(),
      { kind: 'too_slow', code: 'Timeout' },
    ],
    ['a body that trickles for longer than the deadline', trickle, { kind: 'too_slow', code: 'Timeout' }],
    [
      'a reset before the answer',
      (_q, r) => void r.destroy(),
      { kind: 'unavailable', code: 'NetworkError', status: undefined },
    ],
    ['a body that stops short of its length', cut('{"value":[{"id":"a"', 5_000), { code: 'Truncated', status: 200 }],
    ['a chunked body that stops short', cut('{"value":[{"id":"a"'), { code: 'Truncated', status: 200 }],
    [
      'JSON with its end missing',
      (_q, r) => void r.end('{"value":[{"error":{"code":"ErrorInvalidIdMalformed"}}'),
      { code: 'Truncated' },
    ],
    ['an empty body', (_q, r) => void r.end(), { code: 'Truncated' }],
    [
      'a page of HTML with status 200',
      (_q, r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      { code: 'Truncated' },
    ],
    ['JSON that is no page', (_q, r) => json(r, 200, { value: 'x' }), { code: 'Truncated' }],
    ['a page of nulls', (_q, r) => json(r, 200, { value: [null] }), { code: 'Truncated' }],
    ['a page without a link in a delta round', (_q, r) => json(r, 200, { value: [] }), { code: 'Truncated' }],
    [
      'HTML with status 503',
      (_q, r) => void r.writeHead(503).end('<html>'),
      { kind: 'mailbox_busy', code: 'HTTP503', status: 503 },
    ],
    ['an empty 502', (_q, r) => void r.writeHead(502).end(), { code: 'HTTP502' }],
    ['an empty 500', (_q, r) => void r.writeHead(500).end(), { code: 'HTTP500' }],
    [
      'a 504 without words',
      (_q, r) => refuse(r, 504, 'UnknownError'),
      { kind: 'too_slow', code: 'UnknownError', requestId: REQUEST_ID },
    ],
    [
      'a redirect',
      (_q, r) => void r.writeHead(302, { location: 'http://evil.example/' }).end(),
      { kind: 'unavailable', status: 302 },
    ],
    [
      'gzip that stops short',
      (_q, r) => gzipped(r, gzipSync('{"value":[]}'.padEnd(5_000)).subarray(0, 20)),
      { code: 'Truncated' },
    ],
    [
      'an encoding nobody asked for',
      (_q, r) => void r.writeHead(200, { 'content-encoding': 'br' }).end('x'),
      { code: 'Truncated' },
    ],
    [
      'a message without an id',
      (_q, r) => json(r, 200, { value: [{}], '@odata.deltaLink': 'x' }),
      { code: 'Truncated' },
    ],
  ];

  test.each(FAULTS)('%s may be tried again', async (_name, script, expected) => {
    const { outcome } = await readFrom(script);
    expect(outcome).toMatchObject({ name: 'GraphError', kind: 'server_error', retryable: true, ...expected });
  });

  test('is felt no more after it has passed', async () => {
    for (const [, script] of FAULTS.slice(0, 9)) {
      const { outcome, requests } = await readFrom(inTurn(script, page), { maxRetries: 1 });
      expect(outcome).toMatchObject({ messages: [{ id: 'a' }] });
      expect(requests).toBe(2);
    }
  });

  test('of a port where nobody listens is a network error', async () => {
    await using opened = open('http://127.0.0.1:9', { maxRetries: 0 });
    expect(await failureOf(read(opened))).toMatchObject({ code: 'NetworkError', retryable: true });
  });

  test('in place of a message, with status 200, has the kind of its code', async () => {
    const { outcome } = await readFrom((_request, response) =>
      json(response, 200, {
        value: [{ id: 'a' }, { error: { code: 'ErrorCorruptData', message: 'x' } }],
        '@odata.deltaLink': 'x',
      }),
    );
    expect(outcome).toMatchObject({ kind: 'poison', code: 'ErrorCorruptData' });
  });
});

describe('An answer that is too slow', () => {
  const tooSlow: Script = (_request, response) => refuse(response, 504, 'UnknownError');

  test('is asked for once more, and then left to the caller, who asks for a smaller page', async () => {
    const { outcome, requests } = await readFrom(tooSlow, { maxRetries: 4 });
    expect(outcome).toMatchObject({ kind: 'too_slow' });
    expect(requests).toBe(2);
  });

  test('is asked for again where nothing smaller can be asked for', async () => {
    await using server = await scripted(inTurn(tooSlow, tooSlow, (_q, r) => json(r, 200, { id: 'a' })));
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').message('a', {}, unhurried())).toEqual({ id: 'a' });
  });
});

describe('A body above the bound', () => {
  const LARGE: readonly (readonly [string, Script])[] = [
    ['announced', (_q, r) => void r.writeHead(200, { 'content-length': '20000' }).end(' '.repeat(20_000))],
    ['in chunks', (_q, r) => void r.write(' '.repeat(9_000), () => r.end(' '.repeat(9_000)))],
    ['when decompressed', (_q, r) => gzipped(r, gzipSync(' '.repeat(1_000_000)))],
  ];

  test.each(LARGE)('%s is not read on, and not asked for again', async (_name, script) => {
    const { outcome, requests } = await readFrom(script, { maxRetries: 3 });
    expect(outcome).toMatchObject({ kind: 'body_too_large', code: 'BodyTooLarge', retryable: false });
    expect(requests).toBe(1);
  });

  test('has its connection closed', async () => {
    let closed = false;
    await using server = await scripted((_request, response) => {
      response.on('close', () => (closed = true));
      response.write(' '.repeat(20_000));
    });
    await using opened = open(server.url, { maxBodyBytes: 10_000 });
    await failureOf(read(opened));
    await until(() => closed);
  });
});

test('A compressed page is read, and its size is that of the text', async () => {
  const text = JSON.stringify({
    value: [{ id: 'a', subject: 'Ünï \u{1f48c}'.repeat(200) }],
    '@odata.deltaLink': 'DELTA',
  });
  const { outcome } = await readFrom((request, response) => {
    expect(request.headers['accept-encoding']).toBe('gzip');
    gzipped(response, gzipSync(text.replace('DELTA', `http://${request.headers['host']}/v1.0/d`)));
  });
  expect(outcome).toMatchObject({ messages: [{ id: 'a' }] });
  expect((outcome as MessagesPage).bytes).toBeGreaterThan(1_500);
});

test('Invalid UTF-8 becomes replacement characters', async () => {
  const { outcome } = await readFrom((request, response) => {
    const rest = `"}],"@odata.deltaLink":"http://${request.headers['host']}/v1.0/d"}`;
    response.end(
      Buffer.concat([
        Buffer.from('{"value":[{"id":"a","subject":"'),
        Buffer.from([0x61, 0xff, 0xed, 0xa0]),
        Buffer.from(rest),
      ]),
    );
  });
  expect((outcome as MessagesPage).messages[0]?.['subject']).toMatch(/^a\ufffd+$/);
});

describe('Throttling', () => {
  const throttle =
    (retryAfter?: string): Script =>
    (_request, response) =>
      refuse(response, 429, 'ApplicationThrottled', retryAfter === undefined ? {} : { 'retry-after': retryAfter });

  test.each([['0.2'], [undefined], [new Date(0).toUTCString()]])(
    'for a short time (Retry-After: %s) is waited for, and operators can read it',
    async (retryAfter) => {
      const { outcome, opened, requests } = await readFrom(inTurn(throttle(retryAfter), page), { maxRetries: 1 });
      expect(outcome).toMatchObject({ messages: [{ id: 'a' }] });
      expect(requests).toBe(2);
      expect(opened.lines).toEqual([
        {
          level: 'warn',
          message: 'Rate limited',
          facts: expect.objectContaining({ kind: 'messages', mailboxId: 'u', status: 429, retry: 1 }) as object,
        },
      ]);
    },
  );

  test('for a long time is left to the caller', async () => {
    const { outcome, requests } = await readFrom(throttle('45'), { maxRetries: 3 });
    expect(outcome).toMatchObject({
      kind: 'throttled',
      code: 'ApplicationThrottled',
      retryAfterMs: 45_000,
      retryable: true,
    });
    expect(requests).toBe(1);
  });

  test('that does not end is left to the caller after some tries', async () => {
    const { outcome, requests } = await readFrom(throttle('0'), { maxRetries: 1 });
    expect(outcome).toMatchObject({ kind: 'throttled', status: 429 });
    expect(requests).toBe(2);
  });

  test('holds back the other requests of the mailbox, and of no other one', async () => {
    const paths: string[] = [];
    await using server = await scripted((request, response) => {
      paths.push(request.path.split('/')[3] ?? '');
      return paths.length === 1 ? throttle('60')(request, response) : page(request, response);
    });
    await using opened = open(server.url);
    expect(await failureOf(read(opened))).toMatchObject({ kind: 'throttled', retryAfterMs: 60_000 });
    expect(await failureOf(read(opened))).toMatchObject({ kind: 'throttled', code: 'ApplicationThrottled' });
    await opened.graph.mailbox('other').messages(REQUEST, unhurried());
    expect(paths).toEqual(['u', 'other']);
  });
});

describe('Requests', () => {
  test('of one mailbox are never more than three at a time, through however many objects', async () => {
    const underWay = new Map<string, number>();
    const peaks = new Map<string, number>();
    // Nobody is answered before as many as may be are there: three of each of four.
    let arrived = 0;
    let release = (): void => undefined;
    const allThere = new Promise<void>((resolve) => (release = resolve));
    await using server = await scripted(async (request, response) => {
      const user = request.path.split('/')[3] ?? '';
      underWay.set(user, (underWay.get(user) ?? 0) + 1);
      peaks.set(user, Math.max(peaks.get(user) ?? 0, underWay.get(user) ?? 0));
      if (++arrived === 12) release();
      await allThere;
      underWay.set(user, (underWay.get(user) ?? 0) - 1);
      await page(request, response);
    });
    await using opened = open(server.url);
    const users = Array.from({ length: 80 }, (_, index) => `u${index % 4}`);
    await Promise.all(users.map((user) => opened.graph.mailbox(user).messages(REQUEST, unhurried())));
    expect([...peaks.values()]).toEqual([3, 3, 3, 3]);
  });

  test('of a mailbox that is read alone go out one at a time, a batch of one, until others may join', async () => {
    let isAlone = true;
    let underWay = 0;
    const peaks: number[] = [];
    await using server = await scripted(async (request, response) => {
      const { path, body } = request;
      const isBatch = path.endsWith('$batch');
      const inner = isBatch ? (JSON.parse(body) as { requests: { id: string }[] }).requests : [];
      const weight = isBatch ? inner.length : 1;
      underWay += weight;
      peaks.push(underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= weight;
      if (isBatch) json(response, 200, { responses: inner.map(({ id }) => ({ id, status: 404, body: {} })) });
      else await page(request, response);
    });
    await using opened = open(server.url);
    const mailbox = opened.graph.mailbox('u', { isAlone: () => isAlone });
    const read = () =>
      Promise.all([
        ...Array.from({ length: 5 }, () => mailbox.messages(REQUEST, unhurried())),
        mailbox.messagesById(['a', 'b', 'c', 'd'], {}, unhurried()),
      ]);
    await read();
    expect([peaks.length, Math.max(...peaks)]).toEqual([9, 1]);
    isAlone = false;
    peaks.length = 0;
    await read();
    expect([peaks.length, Math.max(...peaks)]).toEqual([7, 3]);
  });

  test('of a connection keep to its rate', async () => {
    await using server = await scripted(page);
    await using opened = open(server.url, { requestsPerSecond: 50 });
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: 11 }, (_, index) => opened.graph.mailbox(`u${index}`).messages(REQUEST, unhurried())),
    );
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(199);
  });

  test('say who asks, with an id of their own for each attempt, and are reported', async () => {
    await using server = await scripted(inTurn((_q, r) => refuse(r, 500, 'UnknownError'), page));
    await using opened = open(server.url, { userAgent: 'outhaul/test' });
    await read(opened);
    const ids = server.seen.map(({ headers }) => headers['client-request-id']);
    expect(new Set(ids).size).toBe(2);
    expect(server.seen[0]?.headers).toMatchObject({ 'user-agent': 'outhaul/test', accept: 'application/json' });
    expect(opened.reports.map(({ kind, status, code }) => ({ kind, status, code }))).toEqual([
      { kind: 'token', status: 200, code: undefined },
      { kind: 'messages', status: 500, code: 'UnknownError' },
      { kind: 'messages', status: 200, code: undefined },
    ]);
    expect(opened.reports[2]?.bytes).toBeGreaterThan(20);
  });

  test('are not harmed by a hook that throws', async () => {
    await using server = await scripted(page);
    await using opened = open(server.url, {
      onRequest: () => {
        throw new Error('hook');
      },
    });
    expect(await read(opened)).toMatchObject({ messages: [{ id: 'a' }] });
    expect(opened.lines.map(({ message }) => message)).toContain('The request hook failed');
  });

  test('share few connections, which are kept', async () => {
    await using server = await scripted(page);
    await using opened = open(server.url);
    for (let round = 0; round < 20; round += 1) await Promise.all([read(opened), read(opened), read(opened)]);
    expect(server.openSockets()).toBeLessThan(10);
  });
});

function trickle(_request: unknown, response: Parameters<Script>[1]): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
}

function cut(text: string, length?: number): Script {
  return (_request, response) => {
    response.writeHead(200, length === undefined ? {} : { 'content-length': String(length) });
    response.write(text, () => response.destroy());
  };
}

function gzipped(response: Parameters<Script>[1], body: Buffer): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body);
}
