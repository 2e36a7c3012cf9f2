import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

export type Script = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** A server that does what a test tells it to, good or bad. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Requests to Graph, in order. */
  readonly seen: readonly SeenRequest[];
  /** Token requests and discovery, in order. */
  readonly entra: readonly SeenRequest[];
  openSockets(): number;
}

export interface ScriptedOptions {
  /** Answers what goes to the login service; default: a token that lasts an hour. */
  readonly entra?: Script;
  readonly tls?: ServerOptions;
}

let issued = 0;

/** Answers with a fresh token. */
export const issueToken: Script = (_request, response) => {
  issued += 1;
  json(response, 200, {
    token_type: 'Bearer',
    expires_in: 3599,
    ext_expires_in: 3599,
    access_token: `token-${issued}`,
  });
};

/** Starts a server whose Graph side follows `graph`. */
export async function scripted(graph: Script, options: ScriptedOptions = {}): Promise<ScriptedServer> {
  const { entra: login = issueToken, tls } = options;
  const seen: SeenRequest[] = [];
  const entra: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const listener: RequestListener = (request, response) => {
    void (async () => {
      const recorded = await record(request);
      const isEntra = /\/oauth2\/|openid-configuration/.test(recorded.path);
      (isEntra ? entra : seen).push(recorded);
      await (isEntra ? login : graph)(recorded, response);
    })().catch((error: unknown) => response.destroy(error as Error));
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    seen,
    entra,
    openSockets: () => sockets.size,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': REQUEST_ID, ...headers });
  response.end(JSON.stringify(body));
}

/** An error as Graph words it; its message holds an address, as Graph's sometimes do. */
export function refuse(response: ServerResponse, status: number, code: string, headers?: Record<string, string>): void {
  json(response, status, { error: { code, message: `Nothing for ada@harbour.example (${code})` } }, headers);
}

export const REQUEST_ID = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';

/** The scripts one after the other; the last one for all that follow. */
export function inTurn(...scripts: readonly [Script, ...Script[]]): Script {
  let turn = 0;
  return (request, response) => {
    const script = scripts[Math.min(turn, scripts.length - 1)] as Script;
    turn += 1;
    return script(request, response);
  };
}

async function record(request: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers = request.headers as Record<string, string | undefined>;
  return { method: request.method ?? '', path: request.url ?? '', headers, body: Buffer.concat(chunks).toString() };
}
