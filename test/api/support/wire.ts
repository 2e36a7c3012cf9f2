import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inject } from 'vitest';

/** A way to a server that can be cut: then it takes connections and bytes, and answers nothing. */
export class Wire {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #cut = false;
  /** How often something was said that nobody answers. */
  ignored = 0;

  constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      this.#keep(client);
      if (this.#cut) {
        client.on('data', () => this.ignored++);
        return;
      }
      const upstream = connect(port, host);
      this.#keep(upstream);
      client.on('data', (bytes) => {
        if (this.#cut) this.ignored++;
        else upstream.write(bytes);
      });
      upstream.on('data', (bytes) => void (!this.#cut && client.write(bytes)));
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** Listens; on a free port where none is given. */
  async open(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#cut = true;
  }

  /** Ends what hangs; new connections get through again. */
  mend(): void {
    this.#cut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Ways to the run's PostgreSQL and Temporal. */
export interface Wires {
  readonly database: Wire;
  readonly temporal: Wire;
  readonly databasePort: number;
  readonly temporalPort: number;
  mend(): void;
  close(): void;
}

export async function openWires(): Promise<Wires> {
  const postgres = new URL(inject('postgresUrl'));
  const [host = '', port = ''] = inject('temporalAddress').split(':');
  const database = new Wire(postgres.hostname, Number(postgres.port));
  const temporal = new Wire(host, Number(port));
  const both = [database, temporal];
  const [databasePort, temporalPort] = await Promise.all([database.open(), temporal.open()]);
  return {
    database,
    temporal,
    databasePort,
    temporalPort,
    mend: () => both.forEach((wire) => wire.mend()),
    close: () => both.forEach((wire) => wire.close()),
  };
}
