import type { Readable } from 'node:stream';
import { ContentError, type ItemAttachment } from './sender.ts';

const SMALL_BYTES = 256 * 1024;

/**
 * An attachment's content in one piece, where it is small and whoever has it can give it so.
 * @throws {ContentError} it is not to be had, or longer or shorter
 */
export async function readSmall(attachment: ItemAttachment, signal: AbortSignal): Promise<Buffer | undefined> {
  if (!attachment.read || attachment.bytes > SMALL_BYTES) return undefined;
  const content = await attachment.read(signal).catch((cause: unknown) => {
    throw unreadable(cause, signal);
  });
  if (content.length !== attachment.bytes) throw altered();
  return content;
}

/**
 * An attachment's content, chunk by chunk, exactly as long as was promised.
 * @throws {ContentError} it is not to be had, or longer or shorter
 */
export async function* readContent(attachment: ItemAttachment, signal: AbortSignal): AsyncGenerator<Buffer> {
  const small = await readSmall(attachment, signal);
  if (small) {
    yield small;
    return;
  }
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
    throw unreadable(cause, signal);
  } finally {
    stream?.destroy();
  }
  signal.throwIfAborted();
  if (seen !== attachment.bytes) throw altered();
}

function unreadable(cause: unknown, signal: AbortSignal): ContentError {
  signal.throwIfAborted();
  return new ContentError('The attachment cannot be read from the store', { cause });
}

const altered = (): ContentError => new ContentError('The attachment in the store is not as long as it was');

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
