import { once, type EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Delivery } from './msgraph/answer.ts';

/** How long the last bytes of an answer get to reach the client before its connection is reset. */
const PASSAGE_MS = 20;

/** Sends an answer in an odd way, or not at all. */
export function deliver(response: ServerResponse, answer: Answer, delivery: Delivery): void {
  switch (delivery.type) {
    case 'silence':
      return;
    case 'trickle':
      trickle(response, answer, delivery).catch(() => response.destroy());
      return;
    case 'reset':
      reset(response, answer, delivery.moment).catch(() => response.destroy());
      return;
  }
}

async function reset(response: ServerResponse, answer: Answer, moment: 'before' | 'during' | 'after'): Promise<void> {
  const { socket } = response;
  if (moment !== 'before') {
    const body = head(response, answer);
    if (moment === 'after') {
      response.end(body);
    } else {
      response.flushHeaders();
      response.write(body.subarray(0, Math.ceil(body.length / 2)));
    }
    await delay(PASSAGE_MS);
  }
  socket?.resetAndDestroy();
}

async function trickle(
  response: ServerResponse,
  answer: Answer,
  { bytes, every }: { bytes: number; every: number },
): Promise<void> {
  const body = head(response, answer);
  response.flushHeaders();
  for (let at = 0; at < body.length && !response.destroyed; at += bytes) {
    if (at > 0) await delay(every);
    if (!response.write(body.subarray(at, at + bytes))) await drained(response);
  }
  response.end();
}

/** Resolves when what was written has gone out, or when nobody waits for it any more. Leaves no listener behind. */
export async function drained(response: EventEmitter): Promise<void> {
  const waited = new AbortController();
  const { signal } = waited;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    waited.abort();
  }
}

function head(response: ServerResponse, { status, headers, body }: Answer): Buffer {
  const whole = Buffer.concat(body);
  response.writeHead(status, { ...headers, 'content-length': whole.length });
  return whole;
}
