import { randomUUID } from 'node:crypto';
import type { Circuit } from '../model/circuit.ts';
import {
  KIND_TRAITS,
  withDefaults,
  type DestinationKind,
  type DestinationSecret,
  type DestinationStart,
  type DestinationStatus,
  type KindSettings,
} from '../model/destination.ts';
import { query, run, transaction, type Database } from './database.ts';
import type { DestinationHealth } from './attendance.ts';
import { openSecret, sealSecret } from './destination-secrets.ts';
import { DestinationExists, UnknownOrganization, sqlState } from './errors.ts';
import type { Organization } from './organizations.ts';
import { REMOVED, countOwing, finishRemoval } from './removed-destinations.ts';
import { lastNumber } from './told.ts';

/** A destination as people may see it: all but its secret. */
export type Destination = KindSettings & {
  readonly destinationNo: number;
  /** In paths, in the workflow's id and in idempotency keys. */
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly status: DestinationStatus;
  readonly starts: DestinationStart;
  /** Whether what was stored before, or while it was made, has been looked at. */
  readonly fed: boolean;
  /** Null: closed, and nothing has failed. */
  readonly circuit: Circuit | null;
  readonly hasSecret: boolean;
  /** How it was when it was last tried or asked; null: nobody has. */
  readonly health: DestinationHealth | null;
  /** When that was. */
  readonly healthAt: string | null;
  readonly createdAt: string;
  readonly changedAt: string;
};

export type NewDestination = KindSettings & {
  readonly name: string;
  readonly starts: DestinationStart;
  readonly secret?: DestinationSecret | undefined;
};

const COLUMNS = `destination_no AS "destinationNo", destination_id AS id, organization_id AS "organizationId", name, kind,
  settings, status, starts, fed_at IS NOT NULL AS fed, circuit, sealed_secret IS NOT NULL AS "hasSecret",
  health, health_at AS "healthAt", created_at AS "createdAt", changed_at AS "changedAt"`;

/** It is not being removed: nobody is to see such a one, or to use it. */
const STANDS = `status <> '${REMOVED}'`;

/** Settings that were stored before there was one more have that one's default. */
const shown = (row: Destination): Destination =>
  ({ ...row, settings: withDefaults<DestinationKind>(row.kind, row.settings) }) as Destination;

/**
 * Adds a destination. Whoever stores mail owes it what comes as soon as it is known there; `feedDestination` does so for
 * what is stored until then, and before, if it `starts` with that.
 * @throws {DestinationExists}
 */
export async function createDestination(
  db: Database,
  { organizationId, schema }: Organization,
  { name, kind, settings, starts, secret }: NewDestination,
): Promise<Destination> {
  const id = randomUUID();
  const sealed = secret && sealSecret(db.sealer, { organizationId, id }, secret);
  const { ordered } = KIND_TRAITS[kind];
  const [made] = await query<Destination>(db, {
    text: `INSERT INTO outhaul.destinations
        (destination_id, organization_id, name, kind, ordered, settings, sealed_secret, starts, feed_after)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text, CASE $8::text WHEN 'stored' THEN 0 ELSE ${lastNumber(schema)} END)
      RETURNING ${COLUMNS}`,
    values: [id, organizationId, name, kind, ordered, JSON.stringify(settings), sealed ?? null, starts],
  }).catch(nameTaken);
  if (!made) throw new UnknownOrganization(organizationId);
  return shown(made);
}

/** The destinations of an organization, or of all (`null`), in the order in which they were made. */
export async function listDestinations(db: Database, organizationId: string | null): Promise<Destination[]> {
  const rows = await query<Destination>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.destinations
      WHERE ($1::text IS NULL OR organization_id = $1) AND ${STANDS} ORDER BY destination_no`,
    values: [organizationId],
    prepared: true,
  });
  return rows.map(shown);
}

/** One destination, of an organization or of any (`null`). */
export async function destinationById(
  db: Database,
  id: string,
  organizationId: string | null,
): Promise<Destination | undefined> {
  const [row] = await query<Destination>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.destinations
      WHERE destination_id::text = lower($1) AND ($2::text IS NULL OR organization_id = $2) AND ${STANDS}`,
    values: [id, organizationId],
  });
  return row && shown(row);
}

/** When destinations were changed last; of one that is removed nothing. */
export const destinationChanges = (
  db: Pick<Database, 'pool'>,
  destinationNos: readonly number[],
): Promise<Pick<Destination, 'destinationNo' | 'changedAt'>[]> =>
  query(db, {
    text: `SELECT destination_no AS "destinationNo", changed_at AS "changedAt" FROM outhaul.destinations
      WHERE destination_no = ANY($1::int[]) AND ${STANDS}`,
    values: [destinationNos],
    prepared: true,
  });

/**
 * A destination as whoever sends to it needs it.
 * @throws {SealError} when the key ring does not open its secret
 */
export async function loadDestination(
  db: Database,
  id: string,
): Promise<{ readonly destination: Destination; readonly secret: DestinationSecret } | undefined> {
  const [row] = await query<Destination & { sealed: Buffer | null }>(db, {
    text: `SELECT ${COLUMNS}, sealed_secret AS sealed FROM outhaul.destinations
      WHERE destination_id::text = lower($1) AND ${STANDS}`,
    values: [id],
  });
  if (!row) return undefined;
  const { sealed, ...destination } = row;
  return { destination: shown(destination), secret: sealed ? openSecret(db.sealer, row, sealed) : {} };
}

export interface DestinationChange {
  readonly name?: string | undefined;
  /** All of them, of the kind that the destination has. What is owed already stays owed. */
  readonly settings?: KindSettings['settings'] | undefined;
  /** Replaces the whole secret; null: there is none any more. */
  readonly secret?: DestinationSecret | null | undefined;
}

/**
 * With other settings, or another secret, its circuit is closed: it may be another one now.
 * @returns the destination as it is now; undefined where there is none
 * @throws {DestinationExists}
 */
export const changeDestination = (
  db: Database,
  destination: Pick<Destination, 'id' | 'organizationId'>,
  { name, settings, secret }: DestinationChange,
): Promise<Destination | undefined> =>
  update(db, destination, {
    set: `name = coalesce($2, name), settings = coalesce($3::json, settings),
      sealed_secret = CASE WHEN $4 THEN $5::bytea ELSE sealed_secret END,
      circuit = CASE WHEN $3 IS NOT NULL OR $4 THEN NULL ELSE circuit END`,
    values: [
      name ?? null,
      settings === undefined ? null : JSON.stringify(settings),
      secret !== undefined,
      secret ? sealSecret(db.sealer, destination, secret) : null,
    ],
  });

/** A paused destination is owed what comes, and gets nothing: nobody claims its deliveries any more. */
export const pauseDestination = (
  db: Database,
  destination: Pick<Destination, 'id'>,
): Promise<Destination | undefined> => update(db, destination, { set: `status = 'paused'`, values: [] });

/** It gets what it is owed again, at once: its circuit is closed. */
export const resumeDestination = (
  db: Database,
  destination: Pick<Destination, 'id'>,
): Promise<Destination | undefined> =>
  update(db, destination, { set: `status = 'active', circuit = NULL`, values: [] });

async function update(
  db: Database,
  { id }: Pick<Destination, 'id'>,
  { set, values }: { readonly set: string; readonly values: readonly unknown[] },
): Promise<Destination | undefined> {
  const [row] = await query<Destination>(db, {
    text: `UPDATE outhaul.destinations SET ${set}, changed_at = now(), attended_until = NULL
      WHERE destination_id = $1 AND ${STANDS} RETURNING ${COLUMNS}`,
    values: [id, ...values],
  }).catch(nameTaken);
  return row && shown(row);
}

/** How a removal went. `owing`: so many deliveries have not been made, or are dead letters; nothing was removed. */
export type DestinationRemoval =
  | { readonly status: 'removed'; readonly dropped: number }
  | { readonly status: 'owing'; readonly owing: number }
  | { readonly status: 'unknown' };

/**
 * Removes a destination and all that is known of what it was sent. Where something is owed still, or lies in the dead
 * letters, only with `drop`, for that is gone then: a dead letter without a destination could never be sent. Pages that
 * are being written are waited for. From then on nobody knows it, its name is free, its secret is gone, and the rest goes
 * in stretches: pages that still owe to it are not kept waiting, and upkeep goes on where this is interrupted.
 */
export async function removeDestination(
  db: Database,
  { id }: Pick<Destination, 'id'>,
  { drop }: { readonly drop: boolean },
): Promise<DestinationRemoval> {
  const [found] = await query<{ no: number }>(db, {
    text: `SELECT destination_no AS no FROM outhaul.destinations WHERE destination_id = $1 AND ${STANDS}`,
    values: [id],
  });
  if (!found) return { status: 'unknown' };
  const { no } = found;
  const patient = { ...db, pool: db.patientPool };
  // Without a lock, for there may be millions.
  const owing = await transaction(patient, (client) => countOwing(client, no));
  if (owing > 0 && !drop) return { status: 'owing', owing };
  const marked = await transaction(patient, async (client): Promise<DestinationRemoval> => {
    const [row] = await run(client, {
      text: `SELECT FROM outhaul.destinations WHERE destination_no = $1 AND ${STANDS} FOR UPDATE`,
      values: [no],
    });
    if (!row) return { status: 'unknown' };
    const late = drop ? 0 : await countOwing(client, no);
    if (late > 0) return { status: 'owing', owing: late };
    await run(client, {
      text: `UPDATE outhaul.destinations SET status = '${REMOVED}', name = gen_random_uuid()::text, sealed_secret = NULL,
          changed_at = now() WHERE destination_no = $1`,
      values: [no],
    });
    return { status: 'removed', dropped: owing };
  });
  if (marked.status === 'removed') await finishRemoval(db, no);
  return marked;
}

function nameTaken(error: unknown): never {
  if (sqlState(error) === '23505') throw new DestinationExists();
  throw error;
}
