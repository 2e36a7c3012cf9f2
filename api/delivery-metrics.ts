import { circuitState, type DestinationFigures } from './delivery-figures.ts';
import type { Family, Sample } from './metric-family.ts';

const CIRCUIT = { closed: 0, half_open: 1, open: 2 } as const;

/** How long the oldest delivery is owed, s; 0: nothing is. */
const oldestAge = ({ counts }: DestinationFigures, now: number): number =>
  counts.oldestOwedAt === null ? 0 : Math.max(0, (now - Date.parse(counts.oldestOwedAt)) / 1000);

const averageSeconds = ({ counts }: DestinationFigures): number | null =>
  counts.lastMinuteMs === null ? null : counts.lastMinuteMs / 1000;

const toSeconds = (ms: number | null | undefined): number | null => (ms == null ? null : ms / 1000);

/** The share of attempts that failed lately; null where there were none. */
export const errorRate = ({ speed }: Pick<DestinationFigures, 'speed'>): number | null =>
  speed && speed.attempts > 0 ? speed.failed / speed.attempts : null;

/** The figures of destinations, as JSON. */
export const destinationsJson = (figures: readonly DestinationFigures[], now: number) =>
  figures.map((each) => {
    const { destination, counts } = each;
    return {
      destination_id: destination.id,
      kind: destination.kind,
      status: destination.status,
      circuit: circuitState(destination),
      healthy: destination.health?.healthy ?? null,
      ...{ waiting: counts.waiting, owed: counts.owed, sending: counts.claimed, dead: counts.dead },
      ...{ delivered: counts.delivered, answered: counts.answered },
      oldest_owed_seconds: oldestAge(each, now),
      delivered_last_minute: counts.lastMinute,
      average_seconds: averageSeconds(each),
      error_rate: errorRate(each),
      arrival_seconds: { p50: toSeconds(each.speed?.arrivalP50Ms), p99: toSeconds(each.speed?.arrivalP99Ms) },
    };
  });

type Value = (figures: DestinationFigures) => number | null | undefined;

const labelled = ({ destination }: DestinationFigures) => ({ destination: destination.id, kind: destination.kind });

const family = (name: string, help: string, value: Value, counts?: true): Family<readonly DestinationFigures[]> => ({
  name,
  help,
  labels: ['destination', 'kind'],
  ...(counts && { counts }),
  samples: (figures) => figures.map((each): Sample => [labelled(each), value(each)]),
});

/** What is told of each destination. */
export const DELIVERY_FAMILIES: readonly Family<readonly DestinationFigures[]>[] = [
  {
    name: 'outhaul_deliveries',
    help: 'Deliveries: waiting for attachments, owed, being sent (claimed), and dead letters',
    labels: ['destination', 'kind', 'state'],
    samples: (figures) =>
      figures.flatMap((each) => {
        const { waiting, owed, claimed, dead } = each.counts;
        return Object.entries({ waiting, owed, claimed, dead }).map(([state, count]): Sample => [
          { ...labelled(each), state },
          count,
        ]);
      }),
  },
  family('outhaul_delivered_total', 'Deliveries that were accepted', ({ counts }) => counts.delivered, true),
  family(
    'outhaul_delivered_with_error_total',
    'Of those: with the answer that something is wrong',
    ({ counts }) => counts.answered,
    true,
  ),
  family('outhaul_delivery_oldest_owed_age_seconds', 'Since when the oldest delivery is owed; 0: none is', (each) =>
    oldestAge(each, Date.now()),
  ),
  family('outhaul_delivered_last_minute', 'Deliveries accepted in the last minute', ({ counts }) => counts.lastMinute),
  family(
    'outhaul_delivery_seconds',
    'From being owed to being accepted, on average of the last minute',
    averageSeconds,
  ),
  family(
    'outhaul_delivery_error_ratio',
    'Failed attempts among those of the last hour, of the last 1,000 deliveries',
    errorRate,
  ),
  {
    name: 'outhaul_arrival_to_accepted_seconds',
    help: 'From the arrival of new mail in its mailbox to being accepted, of the last 1,000 deliveries of the last hour',
    labels: ['destination', 'kind', 'quantile'],
    samples: (figures) =>
      figures.flatMap((each): Sample[] => [
        [{ ...labelled(each), quantile: '0.5' }, toSeconds(each.speed?.arrivalP50Ms)],
        [{ ...labelled(each), quantile: '0.99' }, toSeconds(each.speed?.arrivalP99Ms)],
      ]),
  },
  family(
    'outhaul_destination_circuit',
    'Circuit of the destination: 0 closed, 1 half open, 2 open',
    ({ destination }) => CIRCUIT[circuitState(destination)],
  ),
  family(
    'outhaul_destination_healthy',
    'Whether the destination was well when it was last tried or asked',
    ({ destination: { health } }) => health && Number(health.healthy),
  ),
  family(
    'outhaul_destination_list_items',
    'Items in a Redis list when it was last asked',
    ({ destination: { health } }) => health?.length,
  ),
  family('outhaul_destination_active', 'Whether the destination gets what it is owed: it is not paused', (each) =>
    Number(each.destination.status === 'active'),
  ),
];
