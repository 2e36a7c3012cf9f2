import type { Graph } from '../graph/graph.ts';
import type { Connection } from '../model/connection.ts';

/** How long an opened connection is used before the store is asked whether it was replaced. */
const FRESH_MS = 10_000;

interface Entry {
  connection: string;
  graph: Graph;
  checkedAt: number;
}

/** An organization has no connection to read with. */
export class ConnectionMissing extends Error {
  override readonly name = 'ConnectionMissing';
  constructor() {
    super('The organization has no connection; start a scan with `auth` to make one');
  }
}

/**
 * One opened Graph for each organization, so that its token cache serves all slices of the worker. A replaced
 * credential takes effect within ten seconds, also in reads that are under way.
 */
export class GraphConnections {
  readonly #entries = new Map<string, Promise<Entry>>();
  readonly #load: (organizationId: string) => Promise<Connection | undefined>;
  readonly #open: (connection: Connection) => Graph;

  constructor(
    load: (organizationId: string) => Promise<Connection | undefined>,
    open: (connection: Connection) => Graph,
  ) {
    this.#load = load;
    this.#open = open;
  }

  /** @throws {ConnectionMissing} */
  async graphFor(organizationId: string): Promise<Graph> {
    const before = this.#entries.get(organizationId);
    const entry = await before?.catch(() => undefined);
    if (entry && Date.now() - entry.checkedAt < FRESH_MS) return entry.graph;
    const current = this.#entries.get(organizationId);
    if (current && current !== before) return (await current).graph;
    const refreshed = this.#refresh(organizationId, entry);
    this.#entries.set(organizationId, refreshed);
    return (await refreshed).graph;
  }

  /** Opens a connection that is not (yet) an organization's, such as a candidate. The caller closes it. */
  open(connection: Connection): Graph {
    return this.#open(connection);
  }

  async close(): Promise<void> {
    const entries = await Promise.allSettled([...this.#entries.values()]);
    const opened = entries.flatMap((entry) => (entry.status === 'fulfilled' ? entry.value.graph : []));
    await Promise.all(opened.map((graph) => graph.close()));
  }

  async #refresh(organizationId: string, before: Entry | undefined): Promise<Entry> {
    const connection = await this.#load(organizationId);
    if (!connection) throw new ConnectionMissing();
    const text = JSON.stringify(connection);
    const graph = before?.connection === text ? before.graph : this.#open(connection);
    return { connection: text, graph, checkedAt: Date.now() };
  }
}
