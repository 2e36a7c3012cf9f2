import { Client, ResponseType } from '@microsoft/microsoft-graph-client';
import { Agent, type Dispatcher } from 'undici';
import type { Connection } from '../model/connection.ts';
import { CallOptions, CarriedError, chainOf, type GraphAnswer, type GraphCall, type Step } from './call.ts';
import { endpointsOf } from './clouds.ts';
import { GraphError } from './errors.ts';
import { tokenIssuer } from './issue-token.ts';
import { pathBelow, pathOfLink } from './links.ts';
import { auth } from './middleware/auth.ts';
import { connectionPause } from './middleware/connection-pause.ts';
import { deadline } from './middleware/deadline.ts';
import { mailboxConcurrency } from './middleware/mailbox-concurrency.ts';
import { requestRate } from './middleware/request-rate.ts';
import { reporter, telemetry } from './middleware/telemetry.ts';
import { throttling } from './middleware/throttling.ts';
import { transport } from './middleware/transport.ts';
import { REQUEST_TIMEOUT_MS, type GraphOptions } from './options.ts';
import { TokenSource } from './tokens.ts';
import { withAnySignal } from './waiting.ts';

/** Requests at a time for one mailbox: one below Graph's four, which is left for probes from elsewhere. */
export const MAILBOX_SLOTS = 3;

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** What is asked of Graph: a path below the version, such as `/users`, or a link that Graph gave. */
export type GraphRequest = Omit<GraphCall, 'method' | 'path' | 'headers' | 'body'> & {
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: POST with a body, GET without one. */
  readonly method?: GraphCall['method'];
  /** Sent as JSON. */
  readonly body?: object;
} & ({ readonly path: string } | { readonly link: string });

/** Sends requests to Graph through the Graph client and the chain of the room's own steps. */
export interface GraphClient {
  /** @throws GraphError; the signal's reason when it aborts */
  send(request: GraphRequest): Promise<GraphAnswer>;
  /** Passes Graph's link on if it leads to Graph. @throws GraphError `ForeignLink` */
  ownLink(link: string): string;
  /** A link of Graph's as a batch takes it: the path below the version. @throws GraphError `ForeignLink` */
  batchUrl(link: string): string;
  /** The app's token; for looking at its roles only. */
  token(signal: AbortSignal): Promise<string>;
  /** Ends what is under way and closes every socket. */
  close(): Promise<void>;
}

/** @throws TypeError for URLs that are none, or plain http to another machine */
export function openClient(connection: Connection, options: GraphOptions): GraphClient {
  const {
    requestTimeoutMs: timeoutMs = REQUEST_TIMEOUT_MS,
    maxBodyBytes = 16 * 1024 * 1024,
    userAgent = 'outhaul',
  } = options;
  const { requestsPerSecond, maxRetries = 4, log } = options;
  const endpoints = endpointsOf(connection.cloud, options.graphUrl, options.authorityUrl);
  const { graphOrigin: origin, graphPrefix } = endpoints;
  const report = reporter(options);
  const closing = new AbortController();
  const dispatcher: Dispatcher = new Agent({
    connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs) },
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const latest = options.latest ?? (() => Promise.resolve(connection));
  const issue = tokenIssuer({ latest, endpoints, dispatcher, timeoutMs, report });
  const tokens = new TokenSource(issue, closing.signal, log);
  const steps: Step[] = [
    throttling(maxRetries, log),
    mailboxConcurrency(MAILBOX_SLOTS),
    connectionPause(),
    ...(requestsPerSecond === undefined ? [] : [requestRate(requestsPerSecond)]),
    auth(tokens),
    deadline(timeoutMs),
    telemetry(report),
    transport({ dispatcher, origin, maxBodyBytes, userAgent }),
  ];
  const client = Client.initWithMiddleware({ baseUrl: origin, middleware: chainOf(steps) });

  async function sendCall(call: GraphCall): Promise<GraphAnswer> {
    try {
      const request = client
        .api('/')
        .responseType(ResponseType.RAW)
        .middlewareOptions([new CallOptions(call)]);
      return (await request.get()) as GraphAnswer;
    } catch (error) {
      throw error instanceof CarriedError ? error.carried : error;
    }
  }

  return {
    async send({ body, headers = {}, method = body === undefined ? 'GET' : 'POST', ...request }) {
      const path = 'link' in request ? pathOfLink(request.link, origin) : graphPrefix + request.path;
      return withAnySignal([request.signal, closing.signal], (signal) => {
        if (body === undefined) return sendCall({ ...request, method, path, headers, signal });
        const json = { 'content-type': 'application/json', ...headers };
        return sendCall({ ...request, method, path, headers: json, body: JSON.stringify(body), signal });
      });
    },
    ownLink(link) {
      pathOfLink(link, origin);
      return link;
    },
    batchUrl: (link) => pathBelow(pathOfLink(link, origin), graphPrefix),
    token: (signal) => tokens.token(signal),
    async close() {
      closing.abort(new GraphError('The connection to Graph was closed', { kind: 'unavailable', code: 'Closed' }));
      await dispatcher.destroy();
    },
  };
}
