import { healthOf } from '../destinations/health-of.ts';
import { openSender } from '../destinations/open-sender.ts';
import type { Health } from '../destinations/sender.ts';
import { recordAudit } from '../store/audit.ts';
import { destinationById, loadDestination, type Destination } from '../store/destinations.ts';
import { shownEntry } from './destination-form.ts';
import { notFound } from './errors.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';

interface CallOfOne extends Caller {
  readonly params: { readonly id: string };
}

/** @throws {HttpError} 404 where the caller sees none */
export async function find({ db }: ApiParts, { params: { id }, principal }: CallOfOne): Promise<Destination> {
  const destination = await destinationById(db, id, principal.organizationId);
  if (!destination) throw unknown(id);
  return destination;
}

export const unknown = (id: string) => notFound(`Destination ${id} is not known`);

export async function answer({ db }: ApiParts, destination: Destination, what: string) {
  const entry = await shownEntry(db, destination);
  return { success: true as const, message: `Destination ${destination.name} ${what}`, destination: entry };
}

type Details = Parameters<typeof recordAudit>[1]['details'];

export async function record(
  { db }: ApiParts,
  { id, organizationId }: Destination,
  { principal: { actor }, log }: Caller,
  action: string,
  details?: Details,
): Promise<void> {
  await recordAudit(db, { actor, organizationId, action: `destination.${action}`, target: id, details });
  log.info({ organizationId, destinationId: id, action }, 'Destination changed');
}

/** Longer than senders themselves wait. */
const TEST_MS = 20_000;

/**
 * How a destination is, asked from here.
 * @throws {SealError} when the key ring does not open its secret
 */
export async function tested({ db, closing }: ApiParts, id: string): Promise<Health> {
  const loaded = await loadDestination(db, id);
  if (!loaded) throw unknown(id);
  const { destination, secret } = loaded;
  return healthOf(() => openSender(destination, secret), { signal: closing, patienceMs: TEST_MS });
}
