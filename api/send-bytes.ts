import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { BytesAnswer } from './route.ts';

/**
 * Sends bytes as they come. What goes wrong before the first of them is told as any other error; after that the connection
 * is cut, so that nobody takes a part for the whole.
 */
export async function sendBytes({ headers, open }: BytesAnswer, request: Request, response: Response): Promise<void> {
  if (open === undefined || request.method === 'HEAD') {
    response.set(headers).end();
    return;
  }
  const bytes = await open();
  // Also at the end of what is empty.
  await once(bytes, 'readable');
  response.set(headers);
  try {
    await pipeline(bytes, response);
  } catch (error) {
    // A client may leave in the middle.
    if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    request.log.error({ err: error }, 'An answer was cut: its bytes could not be read to the end');
    response.destroy();
  }
}
