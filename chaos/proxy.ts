import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Cut } from './plan.ts';

/** Hears what passes over one connection. */
export interface Tap {
  fromClient(chunk: Buffer): void;
  fromServer(chunk: Buffer): void;
}

export interface ProxyOptions {
  /** Where connections lead now; a service that comes back may have another port. */
  readonly upstreamPort: () => number;
  readonly tap?: () => Tap;
}

/** A piece of network that can be cut: what connects to `port` is led to the upstream, as long as it is whole. */
export interface Proxy {
  readonly port: number;
  /** `refuse` resets every connection, old and new. `swallow` takes everything and answers nothing, as a lost cable does. */
  cut(how: Cut): void;
  /** What was swallowed arrives now. */
  restore(): void;
  close(): Promise<void>;
}

export async function openProxy(options: ProxyOptions): Promise<Proxy> {
  const lines = new Set<Line>();
  let state: Cut | 'whole' = 'whole';
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => undefined);
    if (state === 'refuse') return void client.resetAndDestroy();
    const line = new Line(client, options);
    lines.add(line);
    client.once('close', () => lines.delete(line));
    if (state === 'whole') line.open();
  });
  const port = await listen(server);
  return {
    port,
    cut(how) {
      state = how;
      for (const line of lines) {
        if (how === 'refuse') line.reset();
        else line.hold();
      }
    },
    restore() {
      state = 'whole';
      for (const line of lines) line.open();
    },
    async close() {
      for (const line of lines) line.reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

/** One connection, both halves of it. */
class Line {
  readonly #client: Socket;
  readonly #options: ProxyOptions;
  #upstream: Socket | undefined;
  #held = false;

  constructor(client: Socket, options: ProxyOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Connects it, or lets it go on. */
  open(): void {
    this.#held = false;
    if (this.#upstream === undefined) this.#connect();
    this.#client.resume();
    this.#upstream?.resume();
  }

  /** Nothing passes until it is opened. */
  hold(): void {
    this.#held = true;
    this.#client.pause();
    this.#upstream?.pause();
  }

  reset(): void {
    for (const socket of [this.#client, this.#upstream]) socket?.resetAndDestroy();
  }

  #connect(): void {
    const upstream = createConnection({
      host: '127.0.0.1',
      port: this.#options.upstreamPort(),
      allowHalfOpen: true,
      noDelay: true,
    });
    this.#upstream = upstream;
    this.#client.setNoDelay(true);
    const tap = this.#options.tap?.();
    this.#join(this.#client, upstream, (chunk) => tap?.fromClient(chunk));
    this.#join(upstream, this.#client, (chunk) => tap?.fromServer(chunk));
    upstream.on('error', () => this.reset());
    this.#client.on('error', () => this.reset());
    upstream.once('close', () => this.#client.destroy());
    this.#client.once('close', () => upstream.destroy());
  }

  #join(from: Socket, to: Socket, hear: (chunk: Buffer) => void): void {
    from.on('data', (chunk: Buffer) => {
      hear(chunk);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#held) from.resume();
    });
    from.once('end', () => to.end());
  }
}
