import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConnectionMissing, GraphConnections } from '../../activities/graph-connections.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Connection } from '../../model/connection.ts';

const connection = (clientSecret: string, over: Partial<Connection> = {}): Connection => ({
  tenantId: 'contoso.example',
  clientId: 'client-1',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret },
  ...over,
});

describe("an organization's Graph", () => {
  let stored: Connection | undefined;
  let loads: number;
  let opened: { connection: Connection; latest: (() => Promise<Connection>) | undefined; closed: boolean }[];
  let connections: GraphConnections;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    stored = connection('first');
    loads = 0;
    opened = [];
    const load = async (): Promise<Connection | undefined> => {
      loads += 1;
      return stored;
    };
    connections = new GraphConnections(load, (one, latest) => {
      const entry = { connection: one, latest, closed: false };
      opened.push(entry);
      return { close: async () => void (entry.closed = true) } as unknown as Graph;
    });
  });
  afterEach(() => vi.useRealTimers());

  const later = (): void => void vi.setSystemTime(Date.now() + 1_500);

  it('is opened once for all that ask, and the store is not asked again for a second', async () => {
    const graphs = await Promise.all(Array.from({ length: 20 }, () => connections.graphFor('contoso')));
    expect(new Set(graphs).size).toBe(1);
    expect({ opened: opened.length, loads }).toEqual({ opened: 1, loads: 1 });
    later();
    expect(await connections.graphFor('contoso')).toBe(graphs[0]);
    expect({ opened: opened.length, loads }).toEqual({ opened: 1, loads: 2 });
  });

  it('is opened anew for a credential that was replaced', async () => {
    const before = await connections.graphFor('contoso');
    stored = connection('second');
    later();
    expect(await connections.graphFor('contoso')).not.toBe(before);
    expect(opened.map((one) => one.connection)).toEqual([connection('first'), connection('second')]);
    expect(opened[0]?.closed, 'slices may still work with it').toBe(false);
  });

  it('is opened anew after a minute of rest, for permissions may have been granted meanwhile', async () => {
    const before = await connections.graphFor('contoso');
    vi.setSystemTime(Date.now() + 50_000);
    expect(await connections.graphFor('contoso')).toBe(before);
    vi.setSystemTime(Date.now() + 61_000);
    expect(await connections.graphFor('contoso')).not.toBe(before);
  });

  it('asks for its tokens with the credential as it is stored then', async () => {
    await connections.graphFor('contoso');
    stored = connection('second', { clientId: 'client-2' });
    expect(await opened[0]?.latest?.()).toEqual(stored);
  });

  it('stays in its tenant, for ids of mailboxes mean nothing in another', async () => {
    await connections.graphFor('contoso');
    stored = connection('second', { tenantId: 'fabrikam.example' });
    expect(await opened[0]?.latest?.()).toEqual(connection('first'));
    stored = connection('second', { cloud: 'china' });
    expect(await opened[0]?.latest?.()).toEqual(connection('first'));
    stored = undefined;
    expect(await opened[0]?.latest?.()).toEqual(connection('first'));
  });

  it('is not there without a connection, and is as soon as there is one', async () => {
    stored = undefined;
    await expect(connections.graphFor('contoso')).rejects.toThrow(ConnectionMissing);
    stored = connection('first');
    await expect(connections.graphFor('contoso')).resolves.toBeDefined();
  });

  it('of a candidate knows that one alone', () => {
    connections.open(connection('candidate'));
    expect(opened[0]?.latest).toBeUndefined();
    expect(loads).toBe(0);
  });

  it('is closed with the worker', async () => {
    await connections.graphFor('contoso');
    await connections.close();
    expect(opened[0]?.closed).toBe(true);
  });
});
