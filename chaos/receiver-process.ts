import { appendFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { randomFrom } from './random.ts';

/** What a receiver is started with, as JSON in its argument. */
export interface ReceiverOptions {
  readonly port: number;
  /** Where it notes what it takes, a line each, before it answers. */
  readonly file: string;
  /** The part of all requests that goes wrong, until it is told to be calm. */
  readonly faultRate: number;
  readonly seed: number;
}

/** What one request has brought. */
export interface Receipt {
  /** Ms since 1970. */
  readonly at: number;
  readonly path: string;
  /** The idempotency key. */
  readonly key: string;
  readonly messages: readonly string[];
}

/**
 * A utility and a batch receiver in a process of its own: it can be killed at any time, and what it has taken is in its
 * file. Now and then it answers 503, or takes what came and hangs up, or is slow.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as ReceiverOptions;
const random = randomFrom(options.seed);
let { faultRate } = options;

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url: path = '' } = request;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (path === '/calm') faultRate = 0;
  if (method !== 'POST' || path === '/calm') return answer(response, 200, { status: 'healthy' });
  const fault = random.next() < faultRate ? random.of(['refuse', 'hang up', 'slow'] as const) : undefined;
  if (fault === 'refuse') return answer(response, 503, { status: 'error' });
  await note(path, String(request.headers['idempotency-key']), Buffer.concat(chunks).toString());
  if (fault === 'hang up') return void request.socket.destroy();
  if (fault === 'slow') await delay(3_000);
  answer(response, 200, { status: 'success' });
}

async function note(path: string, key: string, body: string): Promise<void> {
  const { message_id: id, emails } = JSON.parse(body) as { message_id?: string; emails?: { message_id: string }[] };
  const messages = emails?.map((email) => email.message_id) ?? [id ?? ''];
  const receipt: Receipt = { at: Date.now(), path, key, messages };
  await appendFile(options.file, `${JSON.stringify(receipt)}\n`);
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

createServer((request, response) => {
  receive(request, response).catch(() => response.destroy());
}).listen(options.port, '127.0.0.1');
