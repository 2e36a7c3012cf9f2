import { randomUUID } from 'node:crypto';
import { readBase64, readSmall } from './content.ts';
import type { ItemAttachment } from './sender.ts';

/** Stands in a payload where an attachment's content goes, once or more often. */
export class ContentPlace {
  readonly attachment: ItemAttachment;
  /** In its place in the JSON text. No text of a mail can hold it, for it is new each time. */
  readonly mark = randomUUID();

  constructor(attachment: ItemAttachment) {
    this.attachment = attachment;
  }

  toJSON(): string {
    return this.mark;
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
  readonly #parts: readonly (string | ItemAttachment)[];

  /** @param places all that the payload has */
  constructor(payload: object, places: readonly ContentPlace[]) {
    this.#parts = split(JSON.stringify(payload), places);
    this.bytes = this.#parts.reduce((sum, part) => sum + lengthOf(part), 0);
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (const part of this.#parts) {
      if (typeof part === 'string') yield Buffer.from(part);
      else yield* readBase64(part, signal);
    }
  }

  async toBuffer(signal: AbortSignal): Promise<Buffer> {
    const whole = Buffer.allocUnsafeSlow(this.bytes);
    let at = 0;
    for (const part of this.#parts) {
      const small = typeof part === 'string' ? undefined : await readSmall(part, signal);
      if (typeof part === 'string') at += whole.write(part, at);
      else if (small) at += whole.write(small.toString('base64'), at, 'latin1');
      else for await (const chunk of readBase64(part, signal)) at += chunk.copy(whole, at);
    }
    return whole;
  }
}

/** The text before, between and after the attachments. */
const split = (json: string, places: readonly ContentPlace[]): (string | ItemAttachment)[] =>
  places.reduce<(string | ItemAttachment)[]>(
    (parts, place) => parts.flatMap((part) => (typeof part === 'string' ? splitAt(part, place) : part)),
    [json],
  );

const splitAt = (text: string, { mark, attachment }: ContentPlace): (string | ItemAttachment)[] =>
  text.split(mark).flatMap((piece, index) => (index === 0 ? piece : [attachment, piece]));

const lengthOf = (part: string | ItemAttachment): number =>
  typeof part === 'string' ? Buffer.byteLength(part) : Math.ceil(part.bytes / 3) * 4;
