import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { exchangeError, type GraphError } from './errors.ts';

const inflate = promisify(gunzip);

/** Collects the chunks of one body without copying, and refuses what grows beyond `maxBytes`, compressed or not. */
export class BoundedBody {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The error to abort with when the announced length is beyond the bound. */
  announce(contentLength: unknown): GraphError | undefined {
    return Number(contentLength) > this.#maxBytes ? this.#tooLarge() : undefined;
  }

  /** Takes a chunk, or returns the error to abort with when it is one too many. */
  push(chunk: Buffer): GraphError | undefined {
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) return this.#tooLarge();
    this.#chunks.push(chunk);
    return undefined;
  }

  /**
   * The whole body, decompressed; once. It is not kept here: a request lives long enough to be moved to the heap's old
   * generation, and whatever an old object points to stays, dead or not, until a full collection.
   */
  async take(contentEncoding: string | undefined): Promise<Buffer> {
    const [first] = this.#chunks;
    const body = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks, this.#length);
    this.#chunks = [];
    if (contentEncoding === undefined || contentEncoding === 'identity' || body.length === 0) return body;
    if (contentEncoding !== 'gzip') {
      throw exchangeError('Truncated', 'The answer came in an encoding that was not asked for');
    }
    try {
      return await inflate(body, { maxOutputLength: this.#maxBytes });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw this.#tooLarge();
      throw exchangeError('Truncated', 'The compressed answer stopped short', { cause });
    }
  }

  #tooLarge(): GraphError {
    return exchangeError('BodyTooLarge', `The answer is larger than ${this.#maxBytes} bytes`);
  }
}
