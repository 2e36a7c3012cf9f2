import type { Circuit } from '../model/circuit.ts';
import { deliveryCounts, type DeliveryCounts } from '../store/delivery-counts.ts';
import type { Database } from '../store/database.ts';
import type { Destination } from '../store/destinations.ts';
import type { DestinationEntry } from './schemas/destinations.ts';

/** Destinations as the API shows them, with their figures. */
export async function entriesOf(
  db: Database,
  destinations: readonly Destination[],
  organizationId: string | null,
): Promise<DestinationEntry[]> {
  const counts = new Map(
    (await deliveryCounts(db, organizationId)).map((count) => [count.destinationNo, count] as const),
  );
  return destinations.map((destination) => entryOf(destination, counts.get(destination.destinationNo)));
}

export async function shownEntry(db: Database, destination: Destination): Promise<DestinationEntry> {
  const [entry] = await entriesOf(db, [destination], destination.organizationId);
  return entry!;
}

function entryOf(destination: Destination, counts?: DeliveryCounts): DestinationEntry {
  const { id, organizationId, name, kind, settings, hasSecret, status, starts, fed, createdAt, changedAt } =
    destination;
  const { waiting = 0, owed = 0, claimed = 0, dead = 0, delivered = 0, answered = 0 } = counts ?? {};
  const lastMinute = { delivered: counts?.lastMinute ?? 0, averageMs: counts?.lastMinuteMs ?? null };
  return {
    ...({ id, organizationId, name, kind, settings, hasSecret, status, starts, fed } as DestinationEntry),
    circuit: circuitOf(destination.circuit),
    health: healthOf(destination),
    ...{ waiting, owed, sending: claimed, dead, delivered, answered },
    oldestOwedAt: counts?.oldestOwedAt ?? null,
    lastMinute,
    ...{ createdAt, changedAt },
  };
}

const healthOf = ({ health, healthAt }: Destination): DestinationEntry['health'] =>
  health && healthAt !== null
    ? { healthy: health.healthy, detail: health.detail, latencyMs: health.latencyMs ?? null, checkedAt: healthAt }
    : null;

function circuitOf(circuit: Circuit | null): DestinationEntry['circuit'] {
  if (circuit === null) return { state: 'closed', failures: 0, since: null, until: null };
  if (circuit.state === 'closed') return { ...circuit, since: null, until: null };
  const { state, since, until } = circuit;
  return { state, failures: 0, since: new Date(since).toISOString(), until: new Date(until).toISOString() };
}
