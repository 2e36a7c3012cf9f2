import type { IncomingMessage } from 'node:http';
import { HttpError } from '../errors.ts';

/**
 * The whole body of a request.
 * @param limit bytes
 * @throws {HttpError} 413 as soon as it is known to be larger than `limit`
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let bytes = 0;
  // The connection stays, so that the sender gets to see the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (limit: number): HttpError =>
  new HttpError(413, `The body is too large: at most ${limit} bytes are taken`, { headers: { Connection: 'close' } });
