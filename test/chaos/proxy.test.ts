import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openProxy, type Proxy } from '../../chaos/proxy.ts';

describe('a piece of network', () => {
  let echo: Server;
  let echoPort: number;
  let proxy: Proxy;
  const sockets: Socket[] = [];
  beforeEach(async () => {
    echo = createServer((socket) => void socket.on('error', () => undefined).pipe(socket));
    await once(echo.listen(0, '127.0.0.1'), 'listening');
    echoPort = (echo.address() as AddressInfo).port;
    proxy = await openProxy({ upstreamPort: () => echoPort });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.close();
    echo.close();
  });

  /** A connection through the proxy, and what came back over it. */
  async function connect(): Promise<{ socket: Socket; heard: () => string; lost: () => boolean }> {
    const socket = createConnection({ host: '127.0.0.1', port: proxy.port });
    sockets.push(socket);
    let [heard, lost] = ['', false];
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.on('error', () => (lost = true));
    await once(socket, 'connect');
    return { socket, heard: () => heard, lost: () => lost };
  }

  it('carries what is said, both ways', async () => {
    const { socket, heard } = await connect();
    socket.write('ahoy');
    await vi.waitFor(() => expect(heard()).toBe('ahoy'));
  });

  it('that refuses resets what is open and what is new, and is whole when it is restored', async () => {
    const open = await connect();
    open.socket.write('ahoy');
    await vi.waitFor(() => expect(open.heard()).toBe('ahoy'));
    proxy.cut('refuse');
    await vi.waitFor(() => expect(open.lost()).toBe(true));
    const tried = await connect().catch(() => undefined);
    await vi.waitFor(() => expect(tried?.lost() ?? true).toBe(true));
    proxy.restore();
    const { socket, heard } = await connect();
    socket.write('again');
    await vi.waitFor(() => expect(heard()).toBe('again'));
  });

  it('that swallows keeps everything open and silent, and what was said arrives when it is restored', async () => {
    const open = await connect();
    open.socket.write('one ');
    await vi.waitFor(() => expect(open.heard()).toBe('one '));
    proxy.cut('swallow');
    open.socket.write('two');
    const late = await connect();
    late.socket.write('three');
    // A connection of its own to the same server is answered: so the silence is the proxy's.
    const direct = createConnection({ host: '127.0.0.1', port: echoPort });
    sockets.push(direct);
    direct.write('past it');
    expect(String((await once(direct, 'data'))[0])).toBe('past it');
    expect([open.heard(), late.heard(), open.lost(), late.lost()]).toEqual(['one ', '', false, false]);
    proxy.restore();
    await vi.waitFor(() => expect([open.heard(), late.heard()]).toEqual(['one two', 'three']));
  });

  it('resets its clients where the upstream is away', async () => {
    echo.close();
    const { lost } = await connect();
    await vi.waitFor(() => expect(lost()).toBe(true));
  });
});
