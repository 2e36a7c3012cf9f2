import { ApiError, ApiUnreachable, readErrorAnswer, unreachable } from './api-errors.ts';
import { EXIT } from './exit-codes.ts';

export interface ApiClientOptions {
  /** Where the API listens, as in `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Default: none is sent. */
  readonly key?: string | undefined;
  /** Sent with every request that leaves room for it; administrators need it where a scan's id alone is ambiguous. */
  readonly organizationId?: string | undefined;
  /** Ends every request. */
  readonly signal?: AbortSignal | undefined;
  /** Of a request whose answer takes no thought, ms. Default: 30,000. */
  readonly deadlineMs?: number;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** What a call of the API has beside its method and its path. */
export interface ApiCall {
  readonly query?: Query;
  readonly body?: unknown;
  /** Default: the client's. */
  readonly deadlineMs?: number;
  /** Statuses that are answers like any other. */
  readonly accept?: readonly number[];
}

/**
 * Asks the API once.
 * @throws {ApiError} where it answers with an error
 * @throws {ApiUnreachable} where it does not answer, or something else does; the signal's reason where that ended it
 */
export async function request<T>(options: ApiClientOptions, method: string, path: string, extra: ApiCall): Promise<T> {
  const deadlineMs = extra.deadlineMs ?? options.deadlineMs ?? 30_000;
  const url = withQuery(new URL(path, options.url), extra.query ?? {});
  const deadline = AbortSignal.timeout(deadlineMs);
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, {
      method,
      redirect: 'error',
      signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
      headers: {
        accept: 'application/json',
        ...(options.key && { authorization: `Bearer ${options.key}` }),
        ...(extra.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(extra.body !== undefined && { body: JSON.stringify(extra.body) }),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    options.signal?.throwIfAborted();
    throw unreachable(options.url, error, deadlineMs);
  }
  const body = parseJson(text);
  if ((status >= 200 && status < 300) || extra.accept?.includes(status)) {
    if (typeof body === 'object' && body !== null) return body as T;
  } else {
    const answer = readErrorAnswer(body);
    if (answer) throw new ApiError(status, answer);
  }
  throw new ApiUnreachable(`${options.url} answered ${status}, and not in the way of the Outhaul API`, {
    exitCode: EXIT.unreachable,
    advice: 'Something else listens there, or something between is in the way. --url says where the API is.',
  });
}

function withQuery(url: URL, query: Query): URL {
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
