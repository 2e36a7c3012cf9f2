import type { PageLog } from './pages.ts';
import { openProxy, type Proxy } from './proxy.ts';

/** What one process reaches the others through. */
export interface Lines {
  readonly temporal: Proxy;
  readonly postgres: Proxy;
  readonly graph: Proxy;
}

/** The pieces of network between all processes. */
export interface Network {
  /** Where Graph sends its notifications, wherever the API listens. */
  readonly front: Proxy;
  /** Lines for one more process, its own but for that to Graph. */
  lines(): Promise<Lines>;
  close(): Promise<void>;
}

/** On which ports the services listen now; one that comes back may have another. */
type Ports = Readonly<Record<keyof Lines | 'api', () => number>>;

/** @param pages is told which pages are asked of Graph */
export async function openNetwork(ports: Ports, pages: PageLog): Promise<Network> {
  const proxies: Proxy[] = [];
  const to = async (upstreamPort: () => number, tap?: () => ReturnType<PageLog['tap']>): Promise<Proxy> => {
    const proxy = await openProxy({ upstreamPort, ...(tap && { tap }) });
    proxies.push(proxy);
    return proxy;
  };
  // Graph's links name the host that was asked, so that all workers must know it under one name.
  const graph = await to(ports.graph, () => pages.tap());
  return {
    front: await to(ports.api),
    lines: async () => ({ temporal: await to(ports.temporal), postgres: await to(ports.postgres), graph }),
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
