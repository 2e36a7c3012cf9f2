import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { startUtility } from '../../examples/utility/main.ts';
import { readSettings } from '../../examples/utility/settings.ts';
import type { Acceptance, ReceiverOptions } from './receiver.ts';

/** A receiver in a process of its own, which ends with its parent: answers `length` and `accepted` with what it has taken. */
const options = JSON.parse(process.argv[2] ?? '{}') as ReceiverOptions;
const accepted: Acceptance[] = [];
const MESSAGE_ID = /"message_id":"([^"]*)"/g;
const url = options.kind === 'utility' ? await utility(options) : await receiver(options);
process.on('message', (question) => process.send?.(question === 'length' ? accepted.length : accepted));
process.on('disconnect', () => process.exit(0));
process.send?.({ url });

function accept(messageId: string): void {
  accepted.push({ messageId, atMs: Date.now() });
}

/** The reference utility, whose work takes so long. */
async function utility({ port, token, signingKey, delayMs = 0 }: ReceiverOptions): Promise<string> {
  const settings = { ...readSettings({ UTILITY_TOKEN: token, SIGNING_KEY: signingKey }), port };
  const running = await startUtility(settings, pino({ level: 'silent' }), {
    async process({ message_id: messageId }) {
      if (delayMs > 0) await delay(delayMs);
      accept(messageId);
      return { status: 'success' };
    },
  });
  return running.url;
}

/** Looks for no more in a body than which messages it has, so that the sender is what is measured. */
async function receiver({ kind, port }: ReceiverOptions): Promise<string> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      if (kind === 'batch') chunks.push(chunk);
    });
    request.on('end', () => {
      for (const [, id = ''] of Buffer.concat(chunks).toString('latin1').matchAll(MESSAGE_ID)) accept(id);
      if (kind === 'sink' && request.method === 'POST') accept('');
      answer(response);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"status":"success"}');
}
