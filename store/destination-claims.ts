import { circuitAfter, CLOSED, type Circuit, type CircuitEvent, type CircuitLimits } from '../model/circuit.ts';
import { query, run, transaction, type Database } from './database.ts';
import { ClaimLost, UnknownDestination } from './errors.ts';

/** The right to be the only one who sends to a destination. */
export interface DestinationClaim {
  readonly destinationNo: number;
  /** Says who has it: `claimToken`. */
  readonly token: string;
  /** How long it lasts from now, unless it is renewed. */
  readonly seconds: number;
}

/**
 * Of an attempt of an activity. A later attempt takes the claim from an earlier one at once, and not the other way round:
 * Temporal makes another when it has not heard of one for a while, and that one may still be there.
 */
export const claimToken = (activity: string, attempt: number): string => `${activity}#${attempt}`;

export type ClaimAnswer =
  | { readonly acquired: true }
  | { readonly acquired: false; /** Until the other's claim ends. */ readonly waitMs: number };

/**
 * Claims an ordered destination, if it is free, the claim ran out, or is held under the same token or by an earlier attempt;
 * by the database's clock. Waits for what the one before is just settling: after this, that one settles nothing any more.
 * @throws {UnknownDestination}
 */
export async function claimDestination(
  db: Database,
  { destinationNo, token, seconds }: DestinationClaim,
): Promise<ClaimAnswer> {
  const [taken] = await query<{ one: number }>(db, {
    text: `UPDATE outhaul.destinations
      SET claim_token = $2, claim_ends_at = clock_timestamp() + make_interval(secs => $3)
      WHERE destination_no = $1
        AND (claim_token IS NULL OR claim_token = $2 OR claim_ends_at <= clock_timestamp()
          OR split_part(claim_token, '#', 1) = split_part($2, '#', 1)
            AND nullif(split_part(claim_token, '#', 2), '')::int < nullif(split_part($2, '#', 2), '')::int)
      RETURNING 1 AS one`,
    values: [destinationNo, token, seconds],
    prepared: true,
  });
  if (taken) return { acquired: true };
  const [held] = await query<{ waitMs: number | null }>(db, {
    text: `SELECT greatest(0, ceil(extract(epoch FROM claim_ends_at - clock_timestamp()) * 1000)) AS "waitMs"
      FROM outhaul.destinations WHERE destination_no = $1`,
    values: [destinationNo],
  });
  if (!held) throw new UnknownDestination(destinationNo);
  return { acquired: false, waitMs: held.waitMs ?? 0 };
}

/**
 * Prolongs the claim. One that ran out is prolonged too, as long as nobody else has taken it.
 * @throws {ClaimLost}
 */
export async function renewDestination(
  db: Database,
  { destinationNo, token, seconds }: DestinationClaim,
): Promise<void> {
  const [renewed] = await query(db, {
    text: `UPDATE outhaul.destinations SET claim_ends_at = clock_timestamp() + make_interval(secs => $3)
      WHERE destination_no = $1 AND claim_token = $2 RETURNING 1 AS one`,
    values: [destinationNo, token, seconds],
  });
  if (!renewed) throw new ClaimLost(destinationNo);
}

/** Gives the claim back, if it is still held. */
export async function releaseDestination(
  db: Database,
  { destinationNo, token }: Omit<DestinationClaim, 'seconds'>,
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.destinations SET claim_token = NULL, claim_ends_at = NULL
      WHERE destination_no = $1 AND claim_token = $2`,
    values: [destinationNo, token],
  });
}

/** A destination's circuit, and the time by the database's clock to ask it with, ms since 1970. */
export interface CircuitNow {
  readonly circuit: Circuit;
  readonly now: number;
}

const CIRCUIT = 'circuit, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now';

/** @throws {UnknownDestination} */
export async function circuitOf(db: Database, destinationNo: number): Promise<CircuitNow> {
  const [row] = await query<{ circuit: Circuit | null; now: number }>(db, {
    text: `SELECT ${CIRCUIT} FROM outhaul.destinations WHERE destination_no = $1`,
    values: [destinationNo],
    prepared: true,
  });
  if (!row) throw new UnknownDestination(destinationNo);
  return { circuit: row.circuit ?? CLOSED, now: row.now };
}

/**
 * Tells a destination's circuit what has happened, one after the other. Whoever is told `half_open` after `probing`, and
 * was not before, has the one attempt.
 * @returns the circuit before and after
 * @throws {UnknownDestination}
 */
export const tellCircuit = (
  db: Database,
  destinationNo: number,
  events: readonly CircuitEvent[],
  limits?: CircuitLimits,
): Promise<{ readonly before: Circuit; readonly after: Circuit; readonly now: number }> =>
  transaction(db, async (client) => {
    const [row] = await run<{ circuit: Circuit | null; now: number }>(client, {
      text: `SELECT ${CIRCUIT} FROM outhaul.destinations WHERE destination_no = $1 FOR NO KEY UPDATE`,
      values: [destinationNo],
    });
    if (!row) throw new UnknownDestination(destinationNo);
    const { now } = row;
    const before = row.circuit ?? CLOSED;
    const after = events.reduce((circuit, event) => circuitAfter(circuit, event, now, limits), before);
    if (JSON.stringify(after) !== JSON.stringify(before)) {
      const stored = after.state === 'closed' && after.failures === 0 ? null : JSON.stringify(after);
      await run(client, {
        text: 'UPDATE outhaul.destinations SET circuit = $2 WHERE destination_no = $1',
        values: [destinationNo, stored],
      });
    }
    return { before, after, now };
  });
