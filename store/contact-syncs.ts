import type { ContactDifference, SyncCause, SyncCounts, SyncProgress, SyncStatus } from '../model/contact-sync.ts';
import { query, run, transaction, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** Syncs of an organization that are remembered. */
const KEPT = 100;

/** One run over an organization's contacts. */
export interface ContactSync {
  readonly syncNo: number;
  /** In paths. */
  readonly syncId: string;
  readonly organizationId: string;
  readonly dryRun: boolean;
  readonly startedBy: SyncCause;
  readonly status: SyncStatus;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Once it has completed. */
  readonly counts: SyncCounts | null;
  /** Why it failed, in words. */
  readonly reason: string | null;
}

const COLUMNS = `sync_no AS "syncNo", sync_id AS "syncId", organization_id AS "organizationId", dry_run AS "dryRun",
  started_by AS "startedBy", status, requested_at AS "requestedAt", started_at AS "startedAt", ended_at AS "endedAt",
  counts, reason`;

/** Records a sync that is to be run. Old ones are forgotten. */
export async function addContactSync(
  db: Database,
  organizationId: string,
  { dryRun, startedBy }: { readonly dryRun: boolean; readonly startedBy: SyncCause },
): Promise<ContactSync> {
  const [sync] = await query<ContactSync>(db, {
    text: `WITH old AS (
        DELETE FROM outhaul.contact_syncs WHERE organization_id = $1 AND ended_at IS NOT NULL AND sync_no <= (
          SELECT sync_no FROM outhaul.contact_syncs WHERE organization_id = $1 ORDER BY sync_no DESC OFFSET ${KEPT} LIMIT 1)
      )
      INSERT INTO outhaul.contact_syncs (organization_id, dry_run, started_by) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
    values: [organizationId, dryRun, startedBy],
  });
  return sync!;
}

/** One that never began: whoever was to run it could not be told. */
export async function forgetContactSync(db: Database, syncNo: number): Promise<void> {
  await query(db, {
    text: `DELETE FROM outhaul.contact_syncs WHERE sync_no = $1 AND status = 'pending'`,
    values: [syncNo],
  });
}

/** The latest syncs of an organization, newest first. */
export const latestContactSyncs = (db: Database, organizationId: string, limit: number): Promise<ContactSync[]> =>
  query<ContactSync>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.contact_syncs WHERE organization_id = $1 ORDER BY sync_no DESC LIMIT $2`,
    values: [organizationId, limit],
  });

/** A sync by the id in paths; `organizationId` null: whosever it is. */
export async function contactSyncById(
  db: Database,
  syncId: string,
  organizationId: string | null,
): Promise<ContactSync | undefined> {
  const [sync] = await query<ContactSync>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.contact_syncs
      WHERE sync_id::text = lower($1) AND ($2::text IS NULL OR organization_id = $2)`,
    values: [syncId, organizationId],
  });
  return sync;
}

/**
 * The sync begins, or begins once more after an attempt that was lost. Those that were asked for before and have not ended
 * never will: one runs at a time, in order.
 * @returns undefined where it has ended already, or is gone
 */
export const beginContactSync = (db: Database, syncNo: number): Promise<ContactSync | undefined> =>
  transaction(db, async (client) => {
    const [sync] = await run<ContactSync>(client, {
      text: `UPDATE outhaul.contact_syncs SET status = 'running', started_at = coalesce(started_at, now())
        WHERE sync_no = $1 AND ended_at IS NULL RETURNING ${COLUMNS}`,
      values: [syncNo],
    });
    if (!sync) return undefined;
    await run(client, {
      text: `UPDATE outhaul.contact_syncs SET status = 'failed', ended_at = now(), reason = 'It was interrupted'
        WHERE organization_id = $1 AND sync_no < $2 
          AND (status = 'running' OR requested_at < now() - interval '1 day')`,
      values: [sync.organizationId, syncNo],
    });
    return sync;
  });

/** How the sync goes on; with its end, how it ended. */
export async function noteSyncProgress(db: Database, syncNo: number, progress: SyncProgress): Promise<void> {
  const { phase, message, counts } = progress;
  const ended = phase === 'completed' || phase === 'failed';
  await query(db, {
    text: `WITH sync AS (
        UPDATE outhaul.contact_syncs SET status = CASE WHEN $3 THEN $4 ELSE status END,
          ended_at = CASE WHEN $3 THEN now() END, counts = $5::json, reason = CASE WHEN $4 = 'failed' THEN $6 END
        WHERE sync_no = $1 AND ended_at IS NULL RETURNING sync_no
      )
      INSERT INTO outhaul.contact_sync_events (sync_no, event_no, event)
      SELECT sync_no, coalesce((SELECT max(event_no) FROM outhaul.contact_sync_events WHERE sync_no = $1), 0) + 1, $2
      FROM sync`,
    values: [syncNo, JSON.stringify(progress), ended, phase, counts ? JSON.stringify(counts) : null, message],
  });
}

export interface SyncEvent {
  readonly eventNo: number;
  readonly at: string;
  readonly event: SyncProgress;
}

/** What has happened since the event of that number; 0: since the beginning. */
export const syncEvents = (db: Database, syncNo: number, after: number): Promise<SyncEvent[]> =>
  query<SyncEvent>(db, {
    text: `SELECT event_no AS "eventNo", at, event FROM outhaul.contact_sync_events
      WHERE sync_no = $1 AND event_no > $2 ORDER BY event_no`,
    values: [syncNo, after],
  });

/** Keeps what a dry run would have written, in place of what one before it would have. */
export const saveDifferences = (
  db: Database,
  { schema }: Organization,
  syncNo: number,
  differences: readonly ContactDifference[],
): Promise<void> =>
  transaction(db, async (client) => {
    await run(client, { text: `DELETE FROM ${schema}.contact_differences` });
    await run(client, {
      text: `INSERT INTO ${schema}.contact_differences (sync_no, position, change, address, before, after)
        SELECT $1, position, value ->> 'change', value ->> 'address', value -> 'before', value -> 'after'
        FROM json_array_elements($2::json) WITH ORDINALITY AS d(value, position)`,
      values: [syncNo, JSON.stringify(differences)],
    });
  });

export const listDifferences = (db: Database, { schema }: Organization, syncNo: number): Promise<ContactDifference[]> =>
  query<ContactDifference>(db, {
    text: `SELECT change, address, before, after FROM ${schema}.contact_differences WHERE sync_no = $1 ORDER BY position`,
    values: [syncNo],
  });
