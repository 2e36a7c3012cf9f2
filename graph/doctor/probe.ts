import { Agent, type Dispatcher } from 'undici';
import type { Endpoints } from '../clouds.ts';
import { GraphError } from '../errors.ts';
import { graphErrorFrom, type GraphTarget } from '../refusal.ts';
import { jsonOrNothing } from '../json.ts';
import { withQuery } from '../paths.ts';
import { roundTrip } from '../round-trip.ts';
import { onAbort, wait } from '../waiting.ts';

/** One attempt of a request gets at most this long: a person waits. */
const LONGEST_ATTEMPT_MS = 8_000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Pauses before the second and the third attempt. */
const PAUSES_MS = [300, 1_000];

/** What came back, whatever the status. Header names are lower-case. */
export interface ProbeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; undefined where it was no JSON. */
  readonly body: unknown;
  /** When the request was sent and when the answer was here; `Date.now()`. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

/**
 * The doctor's own requests, one at a time and past the client's chain: a diagnosis wants headers, causes and Graph's
 * words, which the chain keeps from everybody else.
 */
export class Probe {
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;

  constructor(requestTimeoutMs: number, signal: AbortSignal) {
    this.timeoutMs = Math.min(requestTimeoutMs, LONGEST_ATTEMPT_MS);
    this.signal = signal;
    this.dispatcher = new Agent({ connect: { timeout: this.timeoutMs }, headersTimeout: 0, bodyTimeout: 0 });
  }

  /** One attempt. @throws GraphError where no whole answer came; the signal's reason when it aborts */
  async get(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<ProbeAnswer> {
    const controller = new AbortController();
    const off = onAbort(this.signal, () => controller.abort(this.signal.reason));
    const timer = setTimeout(() => controller.abort(silence(url, this.timeoutMs)), this.timeoutMs);
    const sentAt = Date.now();
    try {
      const answer = await roundTrip(this.dispatcher, {
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { accept: 'application/json', 'user-agent': 'outhaul', ...headers },
        maxBodyBytes: MAX_BODY_BYTES,
        signal: controller.signal,
      });
      const bytes = await answer.takeBody();
      const body = jsonOrNothing(bytes.toString('utf8'));
      return { status: answer.status, headers: answer.headers, body, sentAt, receivedAt: Date.now() };
    } finally {
      clearTimeout(timer);
      off();
    }
  }

  /** Tries up to three times while the trouble may pass by itself; a service that keeps silent is asked once. */
  async patiently<T>(attempt: () => Promise<T>): Promise<T> {
    for (const pause of PAUSES_MS) {
      try {
        return await attempt();
      } catch (error) {
        const isWorthIt = error instanceof GraphError && error.retryable && error.code !== 'Timeout';
        if (!isWorthIt || (error.retryAfterMs ?? 0) > PAUSES_MS[1]!) throw error;
        await wait(Math.max(pause, error.retryAfterMs ?? 0), this.signal);
      }
    }
    return attempt();
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }
}

const silence = ({ host }: URL, ms: number): GraphError =>
  new GraphError(`${host} did not answer within ${ms} ms`, { kind: 'unavailable', code: 'Timeout' });

/** What Graph says of a request that it refuses, with its words: they tell a policy from a missing permission. */
export interface Refusal {
  readonly error: GraphError;
  readonly words: string;
}

export type GraphReply = { readonly content: Readonly<Record<string, unknown>> } | Refusal;

/** Asks Graph with one token. */
export class GraphProbe {
  readonly #probe: Probe;
  readonly #endpoints: Endpoints;
  readonly #token: string;

  constructor(probe: Probe, endpoints: Endpoints, token: string) {
    this.#probe = probe;
    this.#endpoints = endpoints;
    this.#token = token;
  }

  get host(): string {
    return new URL(this.#endpoints.graphOrigin).host;
  }

  /**
   * @param path below the version, such as `/users`
   * @throws the signal's reason when it aborts
   */
  async ask(
    path: string,
    target: GraphTarget,
    query: Readonly<Record<string, string | number>> = {},
  ): Promise<GraphReply> {
    const { graphOrigin, graphPrefix } = this.#endpoints;
    const url = new URL(graphOrigin + graphPrefix + withQuery(path, query));
    try {
      return await this.#probe.patiently(async () => {
        const { status, headers, body } = await this.#probe.get(url, { authorization: `Bearer ${this.#token}` });
        if (status >= 200 && status < 300 && typeof body === 'object' && body !== null) {
          return { content: body as Readonly<Record<string, unknown>> };
        }
        const isGraphs = typeof body === 'object' || status === 401 || status >= 500;
        const error = isGraphs ? graphErrorFrom({ status, headers, body, target }) : noJson(this.host, status);
        if (error.retryable) throw error;
        return { error, words: wordsOf(body) };
      });
    } catch (error) {
      if (!(error instanceof GraphError) || this.#probe.signal.aborted) throw error;
      return { error, words: '' };
    }
  }
}

const noJson = (host: string, status: number): GraphError =>
  new GraphError(`${host} answered ${status} without JSON`, { kind: 'unavailable', code: 'NoJson', status });

function wordsOf(body: unknown): string {
  const { error } = Object(body) as { error?: unknown };
  const { message } = Object(error) as { message?: unknown };
  return typeof message === 'string' ? message : '';
}
