import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { lettersFrom } from './rng.ts';

/** Bytes that are made piece by piece whenever they are read, and so may be many without being held. */
export interface LazyContent {
  /** Bytes. */
  readonly length: number;
  /** The bytes from the first to the last. */
  pieces(): Iterable<Uint8Array>;
}

/** The bytes of an attachment or of an answer. */
export type Content = Uint8Array | LazyContent;

/** The bytes of a file. */
export type FileContent = Uint8Array | GeneratedContent;

const LINE = 76;
/** Bytes that one line of Base64 stands for. */
const BYTES_A_LINE = 57;
/** A whole number of generated lines, and of lines of Base64: pieces can be encoded one by one. */
const PIECE = (LINE + 1) * BYTES_A_LINE * 16;
/** Pieces that are hashed before others get a turn. */
const PIECES_A_TURN = 64;

export function isHeld(content: Content): content is Uint8Array {
  return content instanceof Uint8Array;
}

/** The bytes of a content, piece by piece. */
export function piecesOf(content: Content): Iterable<Uint8Array> {
  return isHeld(content) ? slices(content) : content.pieces();
}

/** The bytes of a content in one. Only for those that are known to be small. */
export function bytesOf(content: Content): Uint8Array {
  return isHeld(content) ? content : Buffer.concat([...content.pieces()]);
}

/** The first `length` bytes of several contents, piece by piece. */
export function* firstBytes(contents: readonly Content[], length: number): Generator<Uint8Array> {
  let left = length;
  for (const content of contents) {
    for (const piece of piecesOf(content)) {
      if (left <= 0) return;
      yield piece.subarray(0, left);
      left -= piece.length;
    }
  }
}

/** The SHA-256 of a content in hexadecimal, made without holding it. */
export async function sha256Of(content: Content): Promise<string> {
  const hash = createHash('sha256');
  let pieces = 0;
  for (const piece of piecesOf(content)) {
    hash.update(piece);
    if (++pieces % PIECES_A_TURN === 0) await turn();
  }
  return hash.digest('hex');
}

function* slices(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += PIECE) yield content.subarray(at, at + PIECE);
}

/**
 * Bytes that depend on a seed: one line of letters again and again, numbered, so that every part of them differs.
 * `head` stands over the first bytes: what a file of some type begins with.
 */
export class GeneratedContent implements LazyContent {
  readonly seed: number;
  readonly length: number;
  readonly head: Uint8Array | undefined;

  constructor(seed: number, length: number, head?: Uint8Array) {
    this.seed = seed;
    this.length = length;
    this.head = head;
  }

  *pieces(): Generator<Uint8Array> {
    const line = `${lettersFrom(this.seed, LINE)}\n`;
    for (let start = 0; start < this.length; start += PIECE) {
      const length = Math.min(PIECE, this.length - start);
      const piece = Buffer.alloc(length, line);
      for (let at = 0; at + 8 <= length; at += LINE + 1) {
        piece.write((start + at).toString(16).padStart(8, '0'), at, 'latin1');
      }
      if (start === 0 && this.head) piece.set(this.head.subarray(0, length));
      yield piece;
    }
  }
}

/** A content as Base64 text: in one line, or in lines of 76 characters that each end with CR and LF where they are full. */
export class Base64Content implements LazyContent {
  readonly #content: FileContent;
  readonly #isInLines: boolean;
  readonly length: number;

  constructor(content: FileContent, form: 'inOne' | 'inLines') {
    this.#content = content;
    this.#isInLines = form === 'inLines';
    const characters = 4 * Math.ceil(content.length / 3);
    this.length = characters + (this.#isInLines ? 2 * Math.floor(characters / LINE) : 0);
  }

  *pieces(): Generator<Uint8Array> {
    for (const piece of piecesOf(this.#content)) {
      const text = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('base64');
      yield Buffer.from(this.#isInLines ? text.replace(/.{76}/g, '$&\r\n') : text, 'latin1');
    }
  }
}

/** Several contents as one. */
export class JoinedContent implements LazyContent {
  readonly #parts: readonly Content[];
  readonly length: number;

  constructor(parts: readonly Content[]) {
    this.#parts = parts;
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
  }

  *pieces(): Generator<Uint8Array> {
    for (const part of this.#parts) yield* piecesOf(part);
  }
}
