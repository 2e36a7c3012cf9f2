import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { BlobAltered, toBlobsUnavailable } from './errors.ts';

/**
 * Bytes on their way out of a blob store. It stays one piece behind, and gives the last one away only when the hash of
 * all is right.
 */
export class VerifiedBytes extends Transform {
  readonly #sha256: string;
  readonly #hash = createHash('sha256');
  #held: Buffer | undefined;

  constructor(sha256: string) {
    super();
    this.#sha256 = sha256;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    const held = this.#held;
    this.#held = chunk;
    done(null, held);
  }

  override _flush(done: TransformCallback): void {
    const found = this.#hash.digest('hex');
    if (found === this.#sha256) done(null, this.#held);
    else done(new BlobAltered(this.#sha256, `its bytes have the hash ${found}`));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error && readError(error));
  }
}

/** An error of the file system in the store's words; one of whoever destroys the stream stays as it is. */
export const readError = (error: Error): Error => ('syscall' in error ? (toBlobsUnavailable(error) as Error) : error);
