import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isHeld } from './mail/content.ts';
import type { Answer } from './msgraph/answer.ts';
import { deliver, stream } from './delivery.ts';
import { answerToken } from './entra/answer-token.ts';
import { entraAnswer } from './entra/entra-fault.ts';
import type { Entra } from './entra/entra.ts';
import type { Faults } from './faults/faults.ts';
import type { GraphService } from './msgraph/service.ts';
import type { StatsCounter } from './msgraph/stats.ts';

const NO_BODY = new Uint8Array(0);
const TOKEN_PATH = /^\/([^/]+)\/oauth2\/v2\.0\/token$/;
const DISCOVERY_PATH = /^\/([^/]+)\/(?:v2\.0\/)?\.well-known\/openid-configuration$/;
/** Longer than clients keep idle connections, so that no request meets a closing one. */
const KEEP_ALIVE_MS = 75_000;

/** Who answers what. */
export interface Services {
  graph: GraphService;
  entra: Entra;
  faults: Faults;
  stats: StatsCounter;
  /** Answers `/_sim/…`; writes the response itself. */
  control(request: IncomingMessage, response: ServerResponse, target: string): Promise<void>;
}

/** An HTTP server that listens. */
export interface Listening {
  /** `http://host:port`. */
  url: string;
  close(): Promise<void>;
}

/** Starts the HTTP server that Entra, Graph and the control API share. */
export async function listen(services: Services, options: { host: string; port: number }): Promise<Listening> {
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      answer(services, request, response).catch((error: unknown) => fail(response, error));
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: () => close(server) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}

async function answer(services: Services, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = request.url ?? '/';
  if (target.startsWith('/v1.0/')) return answerGraph(services, request, response, target.slice('/v1.0'.length));
  if (target.startsWith('/_sim')) return services.control(request, response, target);
  const path = target.split('?')[0] ?? target;
  const token = TOKEN_PATH.exec(path);
  if (token?.[1] !== undefined && request.method === 'POST') {
    services.stats.token();
    const form = new URLSearchParams(Buffer.from(await readBody(request)).toString());
    return send(response, await answerToken(services, decoded(token[1]), form));
  }
  const discovery = DISCOVERY_PATH.exec(path);
  if (discovery?.[1] !== undefined && request.method === 'GET') {
    return send(response, services.entra.discovery(decoded(discovery[1]), request.headers.host ?? ''));
  }
  send(response, entraAnswer(404, { error: 'not_found', error_description: 'There is nothing at this address.' }));
}

/** A path segment as it was meant; as it stands where it is no proper encoding. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

async function answerGraph(
  { graph }: Services,
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
): Promise<void> {
  const requestId = randomUUID();
  const headers = request.headers as Record<string, string | undefined>;
  send(
    response,
    await graph.answer({
      method: request.method ?? 'GET',
      target,
      headers,
      body: request.method === 'GET' ? NO_BODY : await readBody(request),
      base: `${headers['x-forwarded-proto'] ?? 'http'}://${headers.host ?? ''}/v1.0`,
      requestId,
      clientRequestId: headers['client-request-id'] ?? requestId,
      inBatch: false,
      onEnd: (callback) => (response.closed ? callback() : response.once('close', callback)),
    }),
  );
}

/** Reads a request's whole body. */
export async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of request) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}

/** Writes an answer in one go, its parts as they are; large ones as fast as the client takes them. */
export function send(response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  if (answer.delivery) return deliver(response, answer, answer.delivery);
  const { status, headers, body } = answer;
  const length = body.reduce((sum, part) => sum + part.length, 0);
  if (!body.every(isHeld)) {
    response.writeHead(status, { ...headers, 'content-length': length });
    stream(response, body, length).then(
      () => response.end(),
      (error: unknown) => fail(response, error),
    );
    return;
  }
  response.cork();
  response.writeHead(status, { ...headers, 'content-length': length });
  for (const part of body) response.write(part);
  response.end();
}

/** A fault of the simulator itself: never Graph's, so the words say so. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  response.writeHead(500, { 'content-type': 'text/plain' }).end(`The simulator itself failed: ${message}`);
}
