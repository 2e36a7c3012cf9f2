import { randomUUID } from 'node:crypto';
import { readBase64, readSmall } from './content.ts';
import type { ItemAttachment } from './sender.ts';

/** Stands in a payload where an attachment's content goes. */
export class ContentPlace {
  readonly attachment: ItemAttachment;

  constructor(attachment: ItemAttachment) {
    this.attachment = attachment;
  }
}

/** What is sent: its length is known at once, and it can be gone through more than once. */
export interface Body {
  /** Length in bytes. */
  readonly bytes: number;
  /** @throws {ContentError} while an attachment is read */
  chunks(signal: AbortSignal): AsyncIterable<Buffer>;
  /** All of it, for bodies that are small or cannot be streamed. */
  toBuffer(signal: AbortSignal): Promise<Buffer>;
}

/** A text that is there already. */
export function textBody(text: string): Body {
  const bytes = Buffer.from(text);
  return {
    bytes: bytes.length,
    async *chunks() {
      yield bytes;
    },
    toBuffer: async () => bytes,
  };
}

/**
 * JSON text whose length is known at once, and in which attachments are written as base64 when their turn comes, so that
 * they never stand in memory.
 */
export class JsonBody implements Body {
  readonly bytes: number;
  readonly #parts: readonly (Buffer | ItemAttachment)[];

  constructor(payload: object) {
    this.#parts = split(payload);
    this.bytes = this.#parts.reduce((sum, part) => sum + lengthOf(part), 0);
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (const part of this.#parts) {
      if (Buffer.isBuffer(part)) yield part;
      else yield* readBase64(part, signal);
    }
  }

  async toBuffer(signal: AbortSignal): Promise<Buffer> {
    const [first] = this.#parts;
    if (this.#parts.length === 1 && Buffer.isBuffer(first)) return first;
    const whole = Buffer.allocUnsafeSlow(this.bytes);
    let at = 0;
    for (const part of this.#parts) {
      const small = Buffer.isBuffer(part) ? undefined : await readSmall(part, signal);
      if (Buffer.isBuffer(part)) at += part.copy(whole, at);
      else if (small) at += whole.write(small.toString('base64'), at, 'latin1');
      else for await (const chunk of readBase64(part, signal)) at += chunk.copy(whole, at);
    }
    return whole;
  }
}

/** The text before, between and after the attachments. No text of a mail can hold the mark, which is new each time. */
function split(payload: object): (Buffer | ItemAttachment)[] {
  const mark = randomUUID();
  const places: ItemAttachment[] = [];
  const json = JSON.stringify(payload, (_, value: unknown) => {
    if (!(value instanceof ContentPlace)) return value;
    places.push(value.attachment);
    return mark;
  });
  const [head = '', ...tails] = json.split(mark);
  return [Buffer.from(head), ...tails.flatMap((tail, index) => [places[index]!, Buffer.from(tail)])];
}

const lengthOf = (part: Buffer | ItemAttachment): number =>
  Buffer.isBuffer(part) ? part.length : Math.ceil(part.bytes / 3) * 4;
