import { query, type Database } from './database.ts';
import { LeaseLost, UnknownMailbox } from './errors.ts';
import { memoryColumns, type MailboxMemory } from './mailbox-memory.ts';
import type { Organization } from './organizations.ts';

/** A lease as its holder names it. */
export interface LeaseClaim {
  readonly mailboxId: string;
  /** Chosen by the reader, unlike every other reader's. */
  readonly token: string;
  /** How long the lease lasts from now, unless it is renewed. */
  readonly seconds: number;
}

export interface LeaseEnd {
  /** By the database's clock. */
  readonly endsAt: string;
  /** The same, counted from the database's now: the holder's own clock need not agree with it. */
  readonly remainingMs: number;
}

/** A lease that ran out instead of being given back: its reader was lost, and may have left requests open at Graph. */
export interface LostLease {
  /** By the database's clock. */
  readonly endedAt: string;
  /** How long ago, counted to the database's now. */
  readonly agoMs: number;
}

export type LeaseAnswer =
  /** `lost`: what is taken over, where that was not given back. */
  | ({ readonly acquired: true; readonly memory: MailboxMemory; readonly lost?: LostLease } & LeaseEnd)
  /** `waitMs`: until the other's lease ends, if it is not renewed. */
  | { readonly acquired: false; readonly waitMs: number };

const REMAINING = `_lease_ends_at AS "endsAt",
  greatest(0, ceil(extract(epoch FROM _lease_ends_at - clock_timestamp()) * 1000)) AS "remainingMs"`;
/** Stands in a free mailbox, where the end is that of a lost reader's lease. */
const LOST_TOKEN = 'lost';
/** SQL: whether the mailbox is being read, by whomever. */
export const BEING_READ = `_lease_ends_at > clock_timestamp() AND _lease_token <> '${LOST_TOKEN}'`;

/**
 * Takes the right to read a mailbox, if it is free, ran out, or is held under the same token. Waits for page
 * transactions of the previous holder to end: after this, none of them commits any more. What earlier readers have left
 * behind comes with it.
 * @throws {UnknownMailbox}
 */
export async function acquireLease(
  db: Database,
  { organizationId, schema }: Organization,
  { mailboxId, token, seconds }: LeaseClaim,
): Promise<LeaseAnswer> {
  const [taken] = await query<LeaseEnd & MailboxMemory & { endedAt: string | null; agoMs: number | null }>(db, {
    text: `WITH free AS (
        SELECT mailbox_no, CASE WHEN _lease_token <> $2 THEN _lease_ends_at END AS ended_at FROM ${schema}.mailboxes
        WHERE id = $1 AND (_lease_token = $2 OR _lease_ends_at IS NULL OR _lease_ends_at <= clock_timestamp())
        FOR NO KEY UPDATE
      )
      UPDATE ${schema}.mailboxes
      SET _lease_token = $2, _lease_ends_at = clock_timestamp() + make_interval(secs => $3)
      FROM free WHERE mailboxes.mailbox_no = free.mailbox_no
      RETURNING ${REMAINING}, ${memoryColumns('$4', '$1')}, ended_at AS "endedAt",
        floor(extract(epoch FROM clock_timestamp() - ended_at) * 1000) AS "agoMs"`,
    values: [mailboxId, token, seconds, organizationId],
    prepared: true,
  });
  if (taken) {
    const { pageLimit, quarantined, address, endedAt, agoMs, ...end } = taken;
    const lost = endedAt === null || agoMs === null ? {} : { lost: { endedAt, agoMs } };
    return { acquired: true, memory: { pageLimit, quarantined, address }, ...lost, ...end };
  }
  const [held] = await query<{ remainingMs: number | null }>(db, {
    text: `SELECT ${REMAINING} FROM ${schema}.mailboxes WHERE id = $1`,
    values: [mailboxId],
  });
  if (!held) throw new UnknownMailbox(mailboxId);
  return { acquired: false, waitMs: held.remainingMs ?? 0 };
}

/**
 * Prolongs the lease. One that ran out is prolonged too, as long as nobody else has taken it.
 * @throws {LeaseLost}
 */
export async function renewLease(
  db: Database,
  { schema }: Organization,
  { mailboxId, token, seconds }: LeaseClaim,
): Promise<LeaseEnd> {
  const [renewed] = await query<LeaseEnd>(db, {
    text: `UPDATE ${schema}.mailboxes SET _lease_ends_at = clock_timestamp() + make_interval(secs => $3)
      WHERE id = $1 AND _lease_token = $2 RETURNING ${REMAINING}`,
    values: [mailboxId, token, seconds],
  });
  if (!renewed) throw new LeaseLost(mailboxId);
  return renewed;
}

/**
 * Gives the lease back, if it is still held. `lost`: what was taken over with it, where the next reader has to know of
 * that, too.
 */
export async function releaseLease(
  db: Database,
  { schema }: Organization,
  { mailboxId, token, lost }: Omit<LeaseClaim, 'seconds'> & { readonly lost?: LostLease | undefined },
): Promise<void> {
  await query(db, {
    text: `UPDATE ${schema}.mailboxes SET _lease_token = CASE WHEN $3::timestamptz IS NOT NULL THEN '${LOST_TOKEN}' END,
        _lease_ends_at = $3
      WHERE id = $1 AND _lease_token = $2`,
    values: [mailboxId, token, lost?.endedAt],
    prepared: true,
  });
}
