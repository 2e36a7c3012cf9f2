import type { Dispatcher } from 'undici';
import { exchangeError, GraphError } from './errors.ts';
import { BoundedBody } from './response-bound.ts';
import { onAbort } from './waiting.ts';

/** One HTTP request. */
export interface RoundTripRequest {
  readonly origin: string;
  /** Path and query, sent as they are. */
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

/** Its answer, whatever the status, when the whole body is here. */
export interface RoundTripAnswer {
  readonly status: number;
  /** Names are lower-case; of a repeated header the first counts. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body, decompressed; to be taken once. */
  takeBody(): Promise<Buffer>;
}

/**
 * One HTTP exchange, body included. It is written against undici's dispatcher itself, because the chunks of a large page
 * then go from the socket to the JSON parser through one copy; redirects are not followed.
 * @throws GraphError `NetworkError`, `Truncated` or `BodyTooLarge`; the signal's reason when it aborts
 */
export async function roundTrip(dispatcher: Dispatcher, request: RoundTripRequest): Promise<RoundTripAnswer> {
  request.signal.throwIfAborted();
  const body = new BoundedBody(request.maxBodyBytes);
  return new Promise<RoundTripAnswer>((resolve, reject) => {
    let started: Dispatcher.DispatchController | undefined;
    let answer: RoundTripAnswer | undefined;
    const stop = (error: Error): void => {
      off();
      reject(error);
      started?.abort(error);
    };
    const off = onAbort(request.signal, () => stop(request.signal.reason as Error));
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        started = controller;
        if (request.signal.aborted) controller.abort(request.signal.reason as Error);
      },
      onResponseStart(_controller, statusCode, received) {
        if (statusCode < 200) return;
        const headers = firstValues(received);
        answer = { status: statusCode, headers, takeBody: () => body.take(headers['content-encoding']) };
        const refusal = body.announce(headers['content-length']);
        if (refusal !== undefined) stop(refusal);
      },
      onResponseData(_controller, chunk) {
        const refusal = body.push(chunk);
        if (refusal !== undefined) stop(refusal);
      },
      onResponseEnd() {
        off();
        if (answer !== undefined) resolve(answer);
      },
      onResponseError(_controller, cause) {
        off();
        reject(networkError(cause, request.origin, answer?.status));
      },
    };
    const { origin, path, method, headers: sent, body: content } = request;
    dispatcher.dispatch({ origin, path, method, headers: sent, body: content ?? null }, handler);
  });
}

/** What an error of the network means; one of ours comes back as it is. */
export function networkError(cause: Error, origin: string, status: number | undefined): Error {
  if (cause instanceof GraphError) return cause;
  const errno = (cause as NodeJS.ErrnoException).code;
  if (errno === 'UND_ERR_INVALID_ARG') {
    return new GraphError('The request cannot be sent as it is', {
      kind: 'bad_request',
      code: 'InvalidRequest',
      cause,
    });
  }
  return status === undefined
    ? exchangeError('NetworkError', `No answer came from ${new URL(origin).host} (${errno ?? cause.name})`, { cause })
    : exchangeError('Truncated', `The answer stopped short (${errno ?? cause.name})`, { status, cause });
}

/** Of a repeated header the first counts. */
export function firstValues(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    const first = typeof value === 'string' ? value : value?.[0];
    if (first !== undefined) values[name] = first;
  }
  return values;
}
