import { once, type EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type Content, firstBytes, isHeld } from './mail/content.ts';
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
    const length = head(response, answer);
    response.flushHeaders();
    await stream(response, answer.body, moment === 'after' ? length : Math.ceil(length / 2));
    if (moment === 'after') response.end();
    await delay(PASSAGE_MS);
  }
  socket?.resetAndDestroy();
}

async function trickle(
  response: ServerResponse,
  answer: Answer,
  { bytes, every }: { bytes: number; every: number },
): Promise<void> {
  const length = head(response, answer);
  response.flushHeaders();
  let isFirst = true;
  for (const piece of firstBytes(answer.body.every(isHeld) ? [Buffer.concat(answer.body)] : answer.body, length)) {
    for (let at = 0; at < piece.length && !response.destroyed; at += bytes) {
      if (!isFirst) await delay(every);
      isFirst = false;
      if (!response.write(piece.subarray(at, at + bytes)) && !response.destroyed) await drained(response);
    }
  }
  response.end();
}

/** Writes the first `length` bytes of a body, no faster than the client takes them. */
export async function stream(response: ServerResponse, body: readonly Content[], length: number): Promise<void> {
  for (const piece of firstBytes(body, length)) {
    if (response.destroyed) return;
    if (!response.write(piece) && !response.destroyed) await drained(response);
  }
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

/** Writes status and headers; the length of the whole body. */
function head(response: ServerResponse, { status, headers, body }: Answer): number {
  const length = body.reduce((sum, part) => sum + part.length, 0);
  response.writeHead(status, { ...headers, 'content-length': length });
  return length;
}
