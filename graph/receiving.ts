import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import type { Dispatcher } from 'undici';
import { GraphAnswer, type GraphCall } from './call.ts';
import { cleanId, exchangeError, GraphError } from './errors.ts';
import { jsonOrNothing } from './json.ts';
import { graphErrorFrom } from './refusal.ts';
import { firstValues, networkError } from './round-trip.ts';

/** Of a refusal that is longer than this nobody could make sense. */
const REFUSAL_BYTES = 64 * 1024;

/**
 * One HTTP exchange whose body is handed on while it comes, no faster than it is taken: it never stands in memory. The
 * exchange has ended when this settles, whether or not all was taken.
 * @throws GraphError for a refusal, `NetworkError`, `Truncated` also where all came of which the answer tells, but less than
 * the call's `leastBytes`; what `receive` throws; the signal's reason when it aborts
 */
export async function receiveBody(
  dispatcher: Dispatcher,
  origin: string,
  call: GraphCall,
  receive: (body: Readable) => Promise<unknown>,
): Promise<GraphAnswer> {
  const { path, method, headers, signal } = call;
  // Files are sent as they are: what is packed could unpack to any size.
  const sent = { ...headers, accept: '*/*', 'accept-encoding': 'identity' };
  const response = await dispatcher
    .request({ origin, path, method, headers: sent, signal })
    .catch((error: Error) =>
      Promise.reject(signal.aborted ? (signal.reason as Error) : networkError(error, origin, undefined)),
    );
  const { statusCode: status } = response;
  const received = firstValues(response.headers);
  const requestId = cleanId(received['request-id']);
  const isRefused = status < 200 || status > 299;
  const least = isRefused ? 0 : (call.leastBytes ?? 0);
  const body = new Passing(call, least, {
    ofNetwork: (error) => networkError(error, origin, status),
    tooFew: (bytes) =>
      exchangeError('Truncated', `Only ${bytes} bytes of ${least} or more came`, { status, requestId }),
  });
  pipeline(response.body, body, () => undefined);
  try {
    if (isRefused) {
      const refusal = { status, headers: received, body: jsonOrNothing(await startOf(body)), target: call.target };
      throw graphErrorFrom(refusal);
    }
    const encoding = received['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw exchangeError('Truncated', 'The answer came in an encoding that was not asked for', { status });
    }
    return new GraphAnswer(status, await receive(body), body.bytes, false);
  } finally {
    body.destroy();
    response.body.destroy();
  }
}

/** What to say of bytes that break off. */
interface Meanings {
  readonly ofNetwork: (error: Error) => Error;
  readonly tooFew: (bytes: number) => Error;
}

/**
 * Counts what passes, asks each time whether more may come, and says in our words what breaks it off. Where too little has
 * passed it fails in place of its end, so that nobody takes that for all.
 */
class Passing extends Transform {
  readonly #call: GraphCall;
  readonly #least: number;
  readonly #meanings: Meanings;
  bytes = 0;

  constructor(call: GraphCall, least: number, meanings: Meanings) {
    super();
    this.#call = call;
    this.#least = least;
    this.#meanings = meanings;
    // Whoever takes the bytes may have gone when it breaks off.
    this.on('error', () => undefined);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#call.permit?.();
      this.#call.onBytes?.(chunk.length);
    } catch (error) {
      done(error as Error);
      return;
    }
    this.bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(this.bytes < this.#least ? this.#meanings.tooFew(this.bytes) : null);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { signal } = this.#call;
    if (error && signal.aborted) done(signal.reason as Error);
    else done(error && isOfNetwork(error) ? this.#meanings.ofNetwork(error) : error);
  }
}

const isOfNetwork = (error: Error): boolean => 'code' in error && !(error instanceof GraphError);

async function startOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > REFUSAL_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
