import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { Agent } from 'undici';
import { parseRetryAfter } from '../model/retry-after.ts';
import { checkHost, guardedLookup } from './address-guard.ts';
import type { Body } from './json-body.ts';
import { ContentError, DestinationUnavailable, type RefusalCause } from './sender.ts';
import { signatureHeaders } from './signature.ts';

/** Where and how an HTTP destination is called. */
export interface HttpSettings {
  /** `http` or `https`, with a path or without. Calls go to `{endpoint}/process` and the like. */
  readonly endpoint: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string | undefined;
  /** `whsec_` and base64 of 24 to 64 bytes: signs every request, see `signature.ts`. */
  readonly signingKey: string;
  /** Default 30,000. One second more for each MiB of the body. */
  readonly timeoutMs?: number | undefined;
  /** Whether the endpoint may be at a private or loopback address. */
  readonly allowPrivate: boolean;
  /** Certificate authorities beside the usual ones, as PEM. */
  readonly ca?: string | undefined;
}

/** An answer, of which the status counts. */
export interface HttpAnswer {
  readonly status: number;
  /** The body as JSON; undefined where it is empty, not JSON, too long, or did not come to its end. */
  readonly json: unknown;
  /** Why an answer was not read to its end. */
  readonly flaw?: string;
  readonly retryAfterMs?: number | undefined;
}

/** No answer came, and the receiver may have taken the request all the same. */
export class HttpFault extends Error {
  override readonly name = 'HttpFault';
  readonly refusal: RefusalCause;

  constructor(refusal: RefusalCause, message: string, options?: ErrorOptions) {
    super(message, options);
    this.refusal = refusal;
  }
}

const TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MEBIBYTE = 1024 * 1024;
/** Bodies up to this go out in one piece, larger ones as a stream. */
const ONE_PIECE_BYTES = MEBIBYTE;
const ANSWER_BYTES = 64 * 1024;

/**
 * The HTTP client of one destination. Connections are kept alive, redirects are not followed, addresses are checked where
 * they are connected to, and an answer counts up to 64 KiB and until the time-out.
 */
export class HttpClient {
  readonly #settings: HttpSettings;
  readonly #origin: string;
  readonly #path: string;
  readonly #hostname: string;
  readonly #agent: Agent;

  constructor(settings: HttpSettings, connections: number) {
    const { origin, hostname, pathname } = new URL(settings.endpoint);
    this.#settings = settings;
    this.#origin = origin;
    this.#hostname = hostname;
    this.#path = pathname.replace(/\/+$/, '');
    this.#agent = new Agent({
      connections,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        lookup: guardedLookup(settings),
        ...(settings.ca === undefined ? {} : { ca: [...rootCertificates, settings.ca] }),
      },
      // The time-out below counts for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Posts JSON with its idempotency key and signature.
   * @throws {HttpFault} no answer
   * @throws {ContentError} an attachment cannot be read
   * @throws {DestinationUnavailable} the address is not allowed
   */
  async post(path: string, id: string, body: Body, signal: AbortSignal): Promise<HttpAnswer> {
    checkHost(this.#hostname, this.#settings);
    const { signingKey, timeoutMs = TIMEOUT_MS } = this.#settings;
    const whole = body.bytes <= ONE_PIECE_BYTES ? await body.toBuffer(signal) : undefined;
    const signed = whole === undefined ? body.chunks(signal) : [whole];
    const signature = await signatureHeaders({ id, body: signed, signingKey, at: new Date() });
    const headers = {
      'content-type': 'application/json',
      'content-length': String(body.bytes),
      'idempotency-key': id,
      ...signature,
    };
    const limitMs = timeoutMs + Math.floor(body.bytes / MEBIBYTE) * 1000;
    const content = (within: AbortSignal): Buffer | Readable =>
      whole ?? Readable.from(body.chunks(within), { objectMode: false });
    return this.#exchange({ method: 'POST', path, headers, limitMs, signal }, content);
  }

  /** @throws {HttpFault} @throws {DestinationUnavailable} as `post` */
  async get(path: string, signal: AbortSignal): Promise<HttpAnswer> {
    checkHost(this.#hostname, this.#settings);
    const limitMs = Math.min(this.#settings.timeoutMs ?? TIMEOUT_MS, CONNECT_TIMEOUT_MS);
    return this.#exchange({ method: 'GET', path, headers: {}, limitMs, signal }, () => null);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #exchange(
    request: Exchange,
    bodyWithin: (signal: AbortSignal) => Buffer | Readable | null,
  ): Promise<HttpAnswer> {
    const { method, path, limitMs, signal } = request;
    signal.throwIfAborted();
    const within = new Deadline(limitMs, signal);
    const { token } = this.#settings;
    try {
      const { statusCode, headers, body } = await this.#agent.request({
        origin: this.#origin,
        path: this.#path + path,
        method,
        headers: { ...request.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        body: bodyWithin(within.signal),
        signal: within.signal,
      });
      const retryAfterMs = parseRetryAfter(first(headers['retry-after']), first(headers['date']));
      return { status: statusCode, retryAfterMs, ...(await readAnswer(body, signal)) };
    } catch (error) {
      signal.throwIfAborted();
      throw faultOf(error, within.passed, limitMs);
    } finally {
      within.clear();
    }
  }
}

interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** A signal that aborts with another one, or when the time is over. */
class Deadline {
  passed = false;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal;
  readonly #forward = (): void => this.#controller.abort(this.#outer.reason);

  constructor(ms: number, outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener('abort', this.#forward, { once: true });
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.#controller.abort(new Error('The time is over'));
    }, ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#forward);
  }
}

/** What fails here fails after the status, which counts. */
async function readAnswer(body: Readable, signal: AbortSignal): Promise<Pick<HttpAnswer, 'json' | 'flaw'>> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > ANSWER_BYTES) return { json: undefined, flaw: 'Its answer is longer than 64 KiB and was not read' };
      chunks.push(chunk);
    }
  } catch {
    signal.throwIfAborted();
    return { json: undefined, flaw: 'Its answer did not come to an end' };
  }
  if (length === 0) return { json: undefined };
  try {
    return { json: JSON.parse(Buffer.concat(chunks).toString()) as unknown };
  } catch {
    return { json: undefined };
  }
}

/** Node's codes of a certificate or a handshake that is refused. */
const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO)/;

function faultOf(error: unknown, late: boolean, limitMs: number): Error {
  const causes = causesOf(error);
  const known = causes.find((cause) => cause instanceof ContentError || cause instanceof DestinationUnavailable);
  if (known !== undefined) return known;
  const cause = error as Error;
  if (late) return new HttpFault('timeout', `No answer within ${limitMs / 1000} s`, { cause });
  const code = causes.map((each) => (each as NodeJS.ErrnoException).code).findLast((each) => typeof each === 'string');
  if (code !== undefined && TLS.test(code)) {
    return new HttpFault('tls', `No secure connection: ${code}`, { cause });
  }
  return new HttpFault('connection', `No answer: ${code ?? cause.name}`, { cause });
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && causes.length < 8; at = at.cause) causes.push(at);
  return causes;
}

const first = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);
