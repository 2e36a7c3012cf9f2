import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A notification or a lifecycle notification, as it came. */
export type Item = Record<string, unknown> & { subscriptionId: string; resourceData: Record<string, unknown> };

/** A request that came, once its body is read. */
export interface Came {
  path: string;
  query: string;
  headers: IncomingMessage['headers'];
  /** The token of a handshake. */
  token: string | null;
  body: { value: Item[] };
  at: number;
}

/** How the receiver answers; undefined: as it should. */
type Answering = (came: Came, response: ServerResponse) => boolean | Promise<boolean> | undefined;

/** A small receiver of notifications. It answers handshakes and 202, unless `answering` answers and gives true. */
export class Receiver {
  readonly url: string;
  readonly came: Came[] = [];
  answering: Answering = () => undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
  }

  static async start(): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Receiver(server);
  }

  /** Handshakes so far. */
  handshakes(): Came[] {
    return this.came.filter(({ token }) => token !== null);
  }

  /** Everything that came to a path, in its order. */
  items(path = '/hook'): Item[] {
    return this.posts(path).flatMap(({ body }) => body.value);
  }

  posts(path = '/hook'): Came[] {
    return this.came.filter((each) => each.token === null && each.path === path);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const url = new URL(request.url ?? '/', this.url);
    const text = Buffer.concat(parts).toString();
    const came: Came = {
      path: url.pathname,
      query: url.search,
      headers: request.headers,
      token: url.searchParams.get('validationToken'),
      body: (text === '' ? { value: [] } : JSON.parse(text)) as Came['body'],
      at: Date.now(),
    };
    this.came.push(came);
    if (await this.answering(came, response)) return;
    if (came.token !== null) response.writeHead(200, { 'content-type': 'text/plain' }).end(came.token);
    else response.writeHead(202).end();
  }
}
