import type { Connection } from '../model/connection.ts';
import type { ScanFilters } from '../model/scan.ts';
import type { NotificationState, PollingMode, SessionSettings, SessionStatus } from '../model/session.ts';
import { newClientStateKey, openClientStateKey } from './client-state-key.ts';
import { addCandidate } from './connections.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownOrganization, UnknownSession, sqlState } from './errors.ts';
import { addPartition, dropPartition } from './partitions.ts';

/** A session as its row holds it. Times are ISO 8601 in UTC. */
export interface SessionRow {
  /** What the store calls it; unique over all organizations. */
  readonly sessionNo: number;
  /** What its organization calls it. */
  readonly sessionId: string;
  readonly organizationId: string;
  /** Under which it sees messages: a row of `scans` of the kind `session`, whose `scan_id` is the session's id. */
  readonly scanNo: number;
  readonly scanId: string;
  readonly filters: ScanFilters;
  readonly status: SessionStatus;
  readonly pollingMode: PollingMode;
  readonly pollingSeconds: number;
  /** Between two sweeps as they are now; null where none come by themselves. */
  readonly sweepSeconds: number | null;
  readonly notifications: NotificationState;
  readonly notificationsReason: string | null;
  readonly notificationUrl: string | null;
  readonly markAsRead: boolean;
  readonly markAsReadRefused: string | null;
  readonly onlyUnread: boolean;
  readonly startedAt: string;
  readonly stoppingAt: string | null;
  readonly endedAt: string | null;
  readonly stopReason: string | null;
  /** What keeps it from doing all that it should, in words. */
  readonly trouble: string | null;
  readonly lastDiscoveryAt: string | null;
  readonly lastSweepAt: string | null;
  readonly lastSweepMs: number | null;
  readonly lastSweepChanged: number | null;
  readonly lastPollAt: string | null;
  readonly lastNotificationAt: string | null;
  readonly notificationsTaken: number;
  readonly notificationsJoined: number;
  readonly notificationsRefused: number;
  readonly markedAsRead: number;
  /** Mailboxes that it followed. This and the next three are null until it has ended; `session-figures.ts` counts before. */
  readonly mailboxes: number | null;
  /** Messages that it has seen. */
  readonly messages: number | null;
  readonly told: number | null;
  readonly missed: number | null;
}

/** The columns of a `SessionRow`, of `outhaul.sessions s JOIN outhaul.scans c USING (scan_no)`. */
const SESSION = `s.session_no AS "sessionNo", s.session_id AS "sessionId", s.organization_id AS "organizationId",
  s.scan_no AS "scanNo", s.session_id AS "scanId", c.filters, s.status, s.polling_mode AS "pollingMode",
  s.polling_seconds AS "pollingSeconds", s.sweep_seconds AS "sweepSeconds", s.notifications,
  s.notifications_reason AS "notificationsReason", s.notification_url AS "notificationUrl",
  s.mark_as_read AS "markAsRead", s.mark_as_read_refused AS "markAsReadRefused", s.only_unread AS "onlyUnread",
  s.started_at AS "startedAt", s.stopping_at AS "stoppingAt", s.ended_at AS "endedAt", s.stop_reason AS "stopReason",
  s.trouble, s.last_discovery_at AS "lastDiscoveryAt", s.last_sweep_at AS "lastSweepAt",
  s.last_sweep_ms AS "lastSweepMs", s.last_sweep_changed AS "lastSweepChanged", s.last_poll_at AS "lastPollAt",
  s.last_notification_at AS "lastNotificationAt", s.notifications_taken AS "notificationsTaken",
  s.notifications_joined AS "notificationsJoined", s.notifications_refused AS "notificationsRefused",
  s.marked_as_read AS "markedAsRead", s.mailboxes, s.messages, s.told, s.missed`;
const FROM = 'FROM outhaul.sessions s JOIN outhaul.scans c USING (scan_no)';

export interface NewSession extends SessionSettings {
  readonly organizationId: string;
  readonly sessionId: string;
  /** The credential that it brings, kept apart from the active one until it has worked. */
  readonly candidate?: Connection | undefined;
}

/**
 * Records a session that is to start, and the row of `scans` under which it sees messages. It has ended for whoever
 * looks at scans: a session takes no turn, and never crashes as one.
 * @throws {UnknownOrganization}
 */
export const addSession = (db: Database, session: NewSession): Promise<SessionRow> =>
  transaction(db, async (client) => {
    const { organizationId, sessionId, filters, candidate } = session;
    const [scan] = await run<{ scanNo: number }>(client, {
      text: `INSERT INTO outhaul.scans (organization_id, scan_id, kind, mode, filters, status, started_at, ended_at, records)
        VALUES ($1, $2, 'session', 'incremental', $3, 'completed', now(), now(), 0) RETURNING scan_no AS "scanNo"`,
      values: [organizationId, sessionId, JSON.stringify(filters)],
    }).catch((error: unknown) => {
      throw sqlState(error) === '23503' ? new UnknownOrganization(organizationId) : error;
    });
    const { scanNo } = scan!;
    await addPartition(client, scanNo);
    if (candidate) await addCandidate(db, client, { scanNo, organizationId, connection: candidate });
    return insertSession(db, client, scanNo, session);
  });

async function insertSession(db: Database, client: Client, scanNo: number, session: NewSession): Promise<SessionRow> {
  const { organizationId, sessionId, pollingMode, pollingSeconds, notifications, notificationUrl } = session;
  const [added] = await run<{ no: number }>(client, {
    text: `INSERT INTO outhaul.sessions (organization_id, session_id, scan_no, status, polling_mode,
        polling_seconds, sweep_seconds, notifications, notification_url, sealed_client_state_key, mark_as_read, only_unread)
      VALUES ($1, $2, $3, 'starting', $4, $5, CASE WHEN $4 = 'scheduled' THEN $5::int END, $6, $7, $8, $9, $10)
      RETURNING session_no AS no`,
    values: [
      ...[organizationId, sessionId, scanNo, pollingMode, pollingSeconds, notifications ? 'starting' : 'off'],
      ...[notificationUrl, notifications ? newClientStateKey(db.sealer, session) : null],
      ...[session.markAsRead, session.onlyUnread],
    ],
  });
  const [row] = await run<SessionRow>(client, {
    text: `SELECT ${SESSION} ${FROM} WHERE s.session_no = $1`,
    values: [added!.no],
  });
  return row!;
}

/**
 * The key from which the client states of the session's subscriptions are derived; undefined where it has none (any
 * more).
 * @throws {SealError} when the key ring does not open it.
 */
export async function clientStateKeyOf(db: Database, sessionNo: number): Promise<Buffer | undefined> {
  const [row] = await query<{ organizationId: string; sessionId: string; sealed: Buffer | null }>(db, {
    text: `SELECT organization_id AS "organizationId", session_id AS "sessionId", sealed_client_state_key AS sealed
      FROM outhaul.sessions WHERE session_no = $1`,
    values: [sessionNo],
  });
  return row?.sealed ? openClientStateKey(db.sealer, row.sealed, row) : undefined;
}

/**
 * The session of an organization that has not ended. Where a second one is just being recorded, which Temporal is going
 * to turn down, it is the one that came first.
 */
export async function openSession(db: Database, organizationId: string): Promise<SessionRow | undefined> {
  const [session] = await query<SessionRow>(db, {
    text: `SELECT ${SESSION} ${FROM} WHERE s.organization_id = $1 AND s.ended_at IS NULL
      ORDER BY s.status = 'starting', s.session_no LIMIT 1`,
    values: [organizationId],
  });
  return session;
}

/** The sessions of an organization, or of all (`null`), that have not ended, oldest first. */
export const openSessions = (db: Database, organizationId: string | null): Promise<SessionRow[]> =>
  query<SessionRow>(db, {
    text: `SELECT ${SESSION} ${FROM} WHERE s.ended_at IS NULL AND ($1::text IS NULL OR s.organization_id = $1)
      ORDER BY s.session_no`,
    values: [organizationId],
  });

/** @throws {UnknownSession} */
export async function sessionByNo(db: Database, sessionNo: number): Promise<SessionRow> {
  const [session] = await query<SessionRow>(db, {
    text: `SELECT ${SESSION} ${FROM} WHERE s.session_no = $1`,
    values: [sessionNo],
  });
  if (!session) throw new UnknownSession(sessionNo);
  return session;
}

/** The ended sessions of an organization, newest first. */
export const sessionHistory = (
  db: Database,
  organizationId: string,
  { limit }: { readonly limit: number },
): Promise<SessionRow[]> =>
  query<SessionRow>(db, {
    text: `SELECT ${SESSION} ${FROM} WHERE s.organization_id = $1 AND s.ended_at IS NOT NULL
      ORDER BY s.session_no DESC LIMIT $2`,
    values: [organizationId, limit],
  });

/**
 * Forgets a session that was turned down, and whatever it has recorded. What is not there (any more) needs no
 * forgetting.
 */
export async function discardSession(db: Database, sessionNo: number): Promise<void> {
  const [gone] = await query<{ scanNo: number }>(db, {
    text: `WITH gone AS (DELETE FROM outhaul.sessions WHERE session_no = $1 RETURNING scan_no)
      SELECT scan_no AS "scanNo" FROM gone`,
    values: [sessionNo],
  });
  if (!gone) return;
  await query(db, { text: `DELETE FROM outhaul.scans WHERE scan_no = $1`, values: [gone.scanNo] });
  await dropPartition(db, gone.scanNo);
}
