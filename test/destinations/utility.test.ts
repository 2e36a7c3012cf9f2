import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Item, Outcome, Sender } from '../../destinations/sender.ts';
import { openUtility, type UtilitySettings } from '../../destinations/utility.ts';
import {
  attachment,
  calm,
  item,
  largeAttachment,
  lostAttachment,
  message,
  outcomesOf,
  stream,
} from './support/items.ts';
import { json, startReceiver, type Receiver } from './support/receiver.ts';
import { CERTIFICATE, PRIVATE_KEY } from './support/tls.ts';

const key = randomBytes(32);
let receiver: Receiver;
const opened: Sender[] = [];

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const sender of opened.splice(0)) await sender.close();
  await receiver.close();
});

function open(over: Partial<UtilitySettings> = {}): Sender {
  const sender = openUtility({
    endpoint: receiver.url,
    token: 'secret-token',
    signingKey: `whsec_${key.toString('base64')}`,
    allowPrivate: true,
    timeoutMs: 10_000,
    ...over,
  });
  opened.push(sender);
  return sender;
}

async function sendOne(sender: Sender, one: Item = item(1)): Promise<Outcome> {
  const { outcomes, thrown } = await outcomesOf(sender.send(stream(one), calm()));
  if (thrown !== undefined) throw thrown;
  expect(outcomes).toHaveLength(1);
  return outcomes[0]!;
}

describe('a utility', () => {
  it('gets the payload of the document, with every field', async () => {
    const pdf = attachment('%PDF-1.4 and so on');
    const told = message({}, { attachments: [pdf.metadata] });
    await sendOne(open(), item(1, { message: told, attachments: [pdf] }));
    const [{ method, url, body } = { method: '', url: '', body: '' }] = receiver.received;
    expect([method, url]).toEqual(['POST', '/process']);
    const entry = {
      id: 'attachment-1',
      name: 'INVOICE_ID_12345.pdf',
      size: pdf.metadata.size,
      content_type: 'application/pdf',
      is_inline: false,
    };
    const content = Buffer.from('%PDF-1.4 and so on').toString('base64');
    expect(JSON.parse(body)).toEqual({
      message_id: 'AAMkADUwZTYy-message',
      internet_message_id: '<CAKmF+OoVxN7Bw@mail.gmail.com>',
      conversation_id: 'AAQkAGU3ZjQw',
      conversation_index: 'AdqlC1mQiNxVz5Kj5UKVqRLbGw==',
      subject: 'Invoice ID_12345 - Payment Required',
      body_preview: 'Dear Team, Please find attached',
      body_content: '<html><body><p>Dear Team,</p></body></html>',
      body_type: 'html',
      from_address: 'vendor@example.com',
      from_name: 'Vendor Name',
      to_recipients: [{ address: 'it.ops@example.org', name: 'IT Operations' }],
      cc_recipients: [{ address: 'finance@example.org', name: '' }],
      bcc_recipients: [],
      received_datetime: '2025-12-23T09:45:12.000000',
      sent_datetime: '2025-12-23T09:44:58.500000',
      has_attachments: true,
      attachment_metadata: [entry],
      attachments: [{ ...entry, content_bytes: content, content }],
      mailbox: 'it.ops@example.org',
      folder: 'Inbox',
      direction: 'received',
    });
  });

  it('says who sends, which delivery it is, and signs all of it as Standard Webhooks are', async () => {
    await sendOne(open({ endpoint: `${receiver.url}/hooks/` }), item(7));
    const { url, headers, body } = receiver.received[0]!;
    expect(url).toBe('/hooks/process');
    expect(headers).toMatchObject({
      authorization: 'Bearer secret-token',
      'idempotency-key': 'organization-1.destination-1.7',
      'webhook-id': 'organization-1.destination-1.7',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    });
    const timestamp = String(headers['webhook-timestamp']);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const signed = `${headers['webhook-id'] as string}.${timestamp}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  });

  it('is asked many things at once over connections that stay, and outcomes come as they are there', async () => {
    let open25 = 0;
    let most = 0;
    const held: (() => void)[] = [];
    receiver.answer = (response) => {
      most = Math.max(most, ++open25);
      held.push(() => {
        open25--;
        json(response, 200, { status: 'success' });
      });
      if (held.length >= 5) held.splice(0).forEach((release) => release());
    };
    const items = Array.from({ length: 20 }, (_, no) => item(no));
    const { outcomes } = await outcomesOf(open({ concurrency: 5 }).send(stream(...items), calm()));
    expect(outcomes.filter(({ status }) => status === 'accepted')).toHaveLength(20);
    expect([most, receiver.connections()]).toEqual([5, 5]);
  });

  it('is told of a message while more are waited for', async () => {
    let release = (): void => undefined;
    async function* slowly(): AsyncGenerator<Item> {
      yield item(1);
      await new Promise<void>((resolve) => (release = resolve));
    }
    const sent = open().send(slowly(), calm())[Symbol.asyncIterator]();
    expect((await sent.next()).value).toEqual({ deliveryNo: 1, status: 'accepted' });
    const end = sent.next();
    await vi.waitFor(() => release());
    expect((await end).done).toBe(true);
  });

  it('gets 150 MB twice in base64, and none of it stands in memory here', async () => {
    const bytes = 150 * 1024 * 1024;
    let length = 0;
    let announced = 0;
    receiver.instead = (request, response) => {
      announced = Number(request.headers['content-length']);
      request.on('data', (chunk: Buffer) => (length += chunk.length));
      request.on('end', () => json(response, 200, {}));
    };
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const outcome = await sendOne(open({ timeoutMs: 60_000 }), item(1, { attachments: [largeAttachment(bytes)] }));
    clearInterval(watch);
    expect(outcome.status).toBe('accepted');
    expect(length).toBe(announced);
    expect(length).toBeGreaterThan(2 * 4 * (bytes / 3));
    process.stderr.write(`150 MB twice in base64: ${Math.round((peak - before) / 1048576)} MB more memory\n`);
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  }, 180_000);
});

describe("a utility's answer", () => {
  it.each<[string, number, unknown, Partial<Outcome>]>([
    ['2xx is acceptance', 202, { status: 'success' }, { status: 'accepted' }],
    [
      '2xx that says error is acceptance with its words',
      200,
      { status: 'error', message: 'No such invoice\u0000' },
      { status: 'accepted', note: 'No such invoice\ufffd' },
    ],
    ['500 is tried again', 500, {}, { status: 'refused', cause: 'server_error', retry: true }],
    ['400 is for good', 400, { status: 'error', message: 'x' }, { status: 'refused', cause: 'rejected', retry: false }],
    ['413 is for good', 413, {}, { status: 'refused', cause: 'too_large', retry: false }],
    ['408 is tried again', 408, {}, { status: 'refused', cause: 'throttled', retry: true }],
  ])('%s', async (_, status, body, expected) => {
    receiver.answer = (response) => json(response, status, body);
    const outcome = await sendOne(open());
    expect(outcome).toMatchObject(expected);
    if (status === 202) expect(outcome).not.toHaveProperty('note');
  });

  it('may say when to come again', async () => {
    receiver.answer = (response) => json(response, 429, {}, { 'retry-after': '7' });
    expect(await sendOne(open())).toMatchObject({ cause: 'throttled', retry: true, retryAfterMs: 7000 });
  });

  it('leads nowhere else by a redirect', async () => {
    receiver.answer = (response) => json(response, 307, {}, { location: 'http://169.254.169.254/latest' });
    expect(await sendOne(open())).toMatchObject({ cause: 'redirect', retry: false });
    expect(receiver.received).toHaveLength(1);
  });

  it.each(['OK', '<html>', '{"status": "error"'])('may be in any words: %s', async (body) => {
    receiver.answer = (response) => response.end(body);
    expect(await sendOne(open())).toEqual({ deliveryNo: 1, status: 'accepted' });
  });

  it('counts by its status when it is very long', async () => {
    receiver.answer = (response) => response.end('x'.repeat(100_000));
    const note = 'Its answer is longer than 64 KiB and was not read';
    expect(await sendOne(open())).toEqual({ deliveryNo: 1, status: 'accepted', note });
  });

  it('counts by its status when it is endless, trickles, or is reset', async () => {
    receiver.answer = (response) => {
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => clearInterval(timer));
    };
    expect(await sendOne(open())).toMatchObject({
      status: 'accepted',
      note: expect.stringContaining('64 KiB') as string,
    });
    receiver.answer = (response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    };
    const trickled = await sendOne(open({ timeoutMs: 300 }));
    expect(trickled).toMatchObject({ status: 'accepted', note: 'Its answer did not come to an end' });
    receiver.answer = (response) => {
      response.write('{');
      setImmediate(() => response.destroy());
    };
    expect(await sendOne(open())).toMatchObject({ status: 'accepted' });
  });

  it('is tried again when none comes: silence, a reset, nobody there, headers without end', async () => {
    receiver.answer = () => undefined;
    expect(await sendOne(open({ timeoutMs: 200 }))).toMatchObject({ cause: 'timeout', retry: true });
    receiver.answer = (response) => response.destroy();
    expect(await sendOne(open())).toMatchObject({ cause: 'connection', retry: true });
    expect(await sendOne(open({ endpoint: 'http://127.0.0.1:1' }))).toMatchObject({
      cause: 'connection',
      error: 'No answer: ECONNREFUSED',
      retry: true,
    });
    receiver.answer = (response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\n${'x-more: 1\r\n'.repeat(100_000)}`);
    };
    expect(await sendOne(open())).toMatchObject({ cause: 'connection', retry: true });
    expect(await sendOne(open({ endpoint: receiver.url.replace('http:', 'https:') }))).toMatchObject({
      cause: expect.stringMatching(/^(tls|connection)$/) as string,
      retry: true,
    });
  });

  it('is a time-out when the utility does not read', async () => {
    receiver.instead = (request) => request.pause();
    const large = item(1, { attachments: [largeAttachment(1_000_000)] });
    expect(await sendOne(open({ timeoutMs: 200 }), large)).toMatchObject({ cause: 'timeout', retry: true });
  });
});

describe('a certificate', () => {
  it('is accepted from an authority that we are told of, and from no other', async () => {
    const server = createServer({ key: PRIVATE_KEY, cert: CERTIFICATE }, (request, response) => {
      request.resume().on('end', () => json(response, 200, {}));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `https://localhost:${(server.address() as AddressInfo).port}`;
    expect(await sendOne(open({ endpoint, ca: CERTIFICATE }))).toEqual({ deliveryNo: 1, status: 'accepted' });
    expect(await sendOne(open({ endpoint }))).toMatchObject({
      cause: 'tls',
      error: 'No secure connection: DEPTH_ZERO_SELF_SIGNED_CERT',
      retry: true,
    });
    server.closeAllConnections();
    server.close();
  });
});

describe('on our side', () => {
  it('an attachment that the store has lost is an outcome of its own, small or large', async () => {
    const lost = await sendOne(open(), item(1, { attachments: [lostAttachment()] }));
    expect(lost).toMatchObject({ cause: 'content', retry: true });
    const cut = { ...largeAttachment(2_000_000), bytes: 2_000_001 };
    expect(await sendOne(open(), item(2, { attachments: [cut] }))).toMatchObject({ cause: 'content', retry: true });
    expect(receiver.received).toEqual([]);
  });

  it('a stop ends what is under way', async () => {
    const stop = new AbortController();
    receiver.answer = () => stop.abort(new Error('stopped'));
    expect((await outcomesOf(open().send(stream(item(1)), stop.signal))).thrown?.message).toBe('stopped');
  });
});

describe('an address that is not allowed', () => {
  it.each([
    'http://169.254.169.254/latest',
    'http://[fe80::1]',
    'http://[::ffff:169.254.169.254]',
    'http://2852039166',
    'http://0.0.0.0',
  ])('is never connected to: %s', async (endpoint) => {
    const { outcomes, thrown } = await outcomesOf(open({ endpoint }).send(stream(item(1)), calm()));
    expect(outcomes).toEqual([]);
    expect(thrown).toMatchObject({ name: 'DestinationUnavailable', reason: 'misconfigured' });
  });

  it('is refused as private unless it is allowed, written out or found by name', async () => {
    for (const endpoint of [receiver.url, receiver.url.replace('127.0.0.1', 'localhost')]) {
      const { thrown } = await outcomesOf(open({ endpoint, allowPrivate: false }).send(stream(item(1)), calm()));
      expect(thrown).toMatchObject({ reason: 'misconfigured', message: expect.stringContaining('private') as string });
      expect((await open({ endpoint, allowPrivate: true }).health(calm())).healthy).toBe(true);
    }
    expect(receiver.received.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe("a utility's health", () => {
  it('is what it says of itself', async () => {
    receiver.answer = (response) => json(response, 200, { status: 'healthy' });
    expect(await open().health(calm())).toMatchObject({ healthy: true, detail: 'It answers 200 and says "healthy"' });
    expect(receiver.received[0]).toMatchObject({ method: 'GET', url: '/health' });
    receiver.answer = (response) => json(response, 200, { status: 'unhealthy' });
    expect(await open().health(calm())).toMatchObject({ healthy: false });
    receiver.answer = (response) => json(response, 503, {});
    expect(await open().health(calm())).toMatchObject({ healthy: false, detail: 'It answers 503' });
    expect(await open({ endpoint: 'http://127.0.0.1:1' }).health(calm())).toMatchObject({ healthy: false });
    expect(await open({ allowPrivate: false }).health(calm())).toMatchObject({ healthy: false });
  });
});
