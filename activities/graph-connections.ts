import type { Graph } from '../graph/graph.ts';
import type { Connection } from '../model/connection.ts';
import { Unknown } from '../store/errors.ts';

/** How long an opened connection is used before the store is asked whether it was replaced. */
const FRESH_MS = 1_000;
/** After this long without a slice Graph is opened anew: a token knows only what was consented to before it. */
const IDLE_MS = 60_000;

interface Entry {
  readonly connection: string;
  readonly graph: Graph;
  readonly checkedAt: number;
}

/** An organization has no connection to read with. */
export class ConnectionMissing extends Unknown {
  override readonly name = 'ConnectionMissing';
  constructor() {
    super('The organization has no connection: make one, or start a scan with `auth`');
  }
}

/**
 * Opens Graph for a connection. `latest` tells how the connection is stored now, and is asked before each token.
 */
export type OpenGraph = (connection: Connection, latest?: () => Promise<Connection>) => Graph;

/**
 * One opened Graph for each organization, so that its token cache serves all slices of the worker.
 *
 * A replaced credential takes effect at once: the next slice opens Graph anew, and a slice that is under way asks the
 * store whenever it needs a token, also when Graph has refused the one it had.
 */
export class GraphConnections {
  readonly #entries = new Map<string, Promise<Entry>>();
  readonly #load: (organizationId: string) => Promise<Connection | undefined>;
  readonly #open: OpenGraph;

  constructor(load: (organizationId: string) => Promise<Connection | undefined>, open: OpenGraph) {
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
    const isSame = before?.connection === text && Date.now() - before.checkedAt < IDLE_MS;
    const graph = isSame ? before.graph : this.#open(connection, () => this.#latest(organizationId, connection));
    return { connection: text, graph, checkedAt: Date.now() };
  }

  /** The ids of mailboxes mean nothing in another tenant: what was opened for one stays there to its end. */
  async #latest(organizationId: string, opened: Connection): Promise<Connection> {
    const stored = await this.#load(organizationId);
    const isThere = stored && stored.tenantId === opened.tenantId && stored.cloud === opened.cloud;
    return isThere ? stored : opened;
  }
}
