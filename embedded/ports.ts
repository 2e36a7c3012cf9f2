import { PortTakenError } from './errors.ts';
import { connect, createServer, type AddressInfo } from 'node:net';

const ATTEMPTS = 5;

/** Where a service is to listen on 127.0.0.1. */
export interface PortChoice {
  /** This one or none. Default: a free one. */
  port?: number;
  /** Taken where it is free and no `port` is asked for. */
  preferredPort?: number;
}

/**
 * Starts a service on the port that was asked for, or else on the preferred one or a free one, on the next where someone
 * was faster. Throws `PortTakenError`.
 */
export async function withPort<T>(
  service: string,
  { port: asked, preferredPort }: PortChoice,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (asked !== undefined && !(await isPortFree(asked))) throw new PortTakenError(service, asked);
  for (let attempt = 1; ; attempt++) {
    const isPreferred = attempt === 1 && preferredPort !== undefined && (await isPortFree(preferredPort));
    const port = asked ?? (isPreferred ? preferredPort : await freePort());
    try {
      return await start(port);
    } catch (error) {
      if (!/address already in use/i.test((error as Error).message)) throw error;
      if (asked !== undefined || attempt === ATTEMPTS) throw new PortTakenError(service, port, { cause: error });
    }
  }
}

/** A port on the loopback interface that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  return listenOnce(0);
}

/** Whether a service could listen on this loopback port now. */
export async function isPortFree(port: number): Promise<boolean> {
  return listenOnce(port).then(
    () => true,
    () => false,
  );
}

/** Why no connection to the host can be made; `undefined` where one can. */
export function whyUnreachable(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (why?: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(`${host} does not answer within ${timeoutMs / 1000} s`));
    socket.once('error', (error) => end(error.message));
  });
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}
