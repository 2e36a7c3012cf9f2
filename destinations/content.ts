import type { Readable } from 'node:stream';
import { ContentError, type ItemAttachment } from './sender.ts';

/**
 * An attachment's content, chunk by chunk, exactly as long as was promised.
 * @throws {ContentError} it is not to be had, or longer or shorter
 */
export async function* readContent(attachment: ItemAttachment, signal: AbortSignal): AsyncGenerator<Buffer> {
  let seen = 0;
  let stream: Readable | undefined;
  try {
    stream = await attachment.open(signal);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      seen += chunk.length;
      if (seen > attachment.bytes) break;
      yield chunk;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new ContentError('The attachment cannot be read from the store', { cause });
  } finally {
    stream?.destroy();
  }
  signal.throwIfAborted();
  if (seen !== attachment.bytes) throw new ContentError('The attachment in the store is not as long as it was');
}

/** The same as base64 text. */
export async function* readBase64(attachment: ItemAttachment, signal: AbortSignal): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of readContent(attachment, signal)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % 3);
    if (whole > 0) yield Buffer.from(bytes.toString('base64', 0, whole), 'latin1');
    rest = bytes.subarray(whole);
  }
  if (rest.length > 0) yield Buffer.from(rest.toString('base64'), 'latin1');
}
