import { CLOSED } from '../model/circuit.ts';
import type { Database } from '../store/database.ts';
import { deliveryCounts, type DeliveryCounts } from '../store/delivery-counts.ts';
import type { DeliverySpeed } from '../store/delivery-speed.ts';
import { listDestinations, type Destination } from '../store/destinations.ts';

/** A destination, and what is counted of it. */
export interface DestinationFigures {
  readonly destination: Destination;
  readonly counts: DeliveryCounts;
  /** Undefined where nothing was delivered lately, or given up. */
  readonly speed?: DeliverySpeed | undefined;
}

/** All destinations of an organization with their figures. */
export async function destinationFigures(db: Database, organizationId: string): Promise<DestinationFigures[]> {
  const [destinations, all] = await Promise.all([
    listDestinations(db, organizationId),
    deliveryCounts(db, organizationId),
  ]);
  const countsOf = new Map(all.map((counts) => [counts.destinationNo, counts]));
  return destinations.flatMap((destination) => {
    const counts = countsOf.get(destination.destinationNo);
    return counts ? { destination, counts } : [];
  });
}

export const circuitState = ({ circuit }: Destination) => (circuit ?? CLOSED).state;

/** Whether nothing, or not all, gets through to it at present. */
const isFailing = ({ destination }: DestinationFigures): boolean =>
  circuitState(destination) !== 'closed' || destination.health?.healthy === false;

/** What all destinations together are owed. */
export const totalsOf = (figures: readonly DestinationFigures[]) =>
  figures.reduce(
    (sum, { counts }) => ({
      waiting: sum.waiting + counts.waiting,
      owed: sum.owed + counts.owed,
      claimed: sum.claimed + counts.claimed,
      dead: sum.dead + counts.dead,
      delivered: sum.delivered + counts.delivered,
      oldestAt: earlier(sum.oldestAt, counts.oldestOwedAt),
    }),
    { waiting: 0, owed: 0, claimed: 0, dead: 0, delivered: 0, oldestAt: null as string | null },
  );

/** The earlier of two times, where there are two. */
export function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return Date.parse(one) <= Date.parse(other) ? one : other;
}

/** How the sending of mail to destinations stands, as `/session/status` words it. */
export function sendingOf(figures: readonly DestinationFigures[]) {
  const active = figures.filter(({ destination }) => destination.status === 'active');
  const failing = active.filter(isFailing);
  const { waiting, owed, claimed, dead, delivered } = totalsOf(figures);
  return {
    status: statusOf(figures.length, active.length, failing.length, owed + claimed),
    destinations: { active: active.length, paused: figures.length - active.length, failing: failing.length },
    deliveries: { waiting, owed, sending: claimed, dead, delivered },
  };
}

function statusOf(all: number, active: number, failing: number, owed: number) {
  if (all === 0) return 'not_configured';
  if (active === 0) return 'paused';
  if (failing > 0) return 'failing';
  return owed > 0 ? 'working' : 'idle';
}
