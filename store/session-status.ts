import type { NotificationState, SessionStatus } from '../model/session.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownSession } from './errors.ts';
import { BEING_READ } from './leases.ts';
import type { Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';
import { sessionByNo, type SessionRow } from './sessions.ts';

/** How a session ends, and why, as people are shown. */
export interface SessionEnd {
  readonly status: 'stopped' | 'failed';
  readonly reason: string;
}

/**
 * The session is the organization's only one from now on: its workflow runs, and there is but one of that id. Others
 * that have not ended were left behind by an API that died before it started their workflow, or by a workflow that was
 * terminated; they end here.
 * @throws {UnknownSession}
 */
export async function beginSession(db: Database, sessionNo: number): Promise<SessionRow> {
  const session = await sessionByNo(db, sessionNo);
  const left = await query<{ sessionNo: number }>(db, {
    text: `SELECT session_no AS "sessionNo" FROM outhaul.sessions
      WHERE organization_id = $1 AND session_no < $2 AND ended_at IS NULL`,
    values: [session.organizationId, sessionNo],
  });
  for (const each of left) await endSession(db, each.sessionNo, { status: 'failed', reason: 'was left behind' });
  return session;
}

/** It does what it is for. One that stops, or has ended, stays so. */
export const markRunning = (db: Database, sessionNo: number): Promise<SessionStatus> =>
  move(db, sessionNo, `status = 'running'`, `status = 'starting'`);

/** It is being stopped. One that has ended stays so, and the first reason stands. */
export const markStopping = (db: Database, sessionNo: number, reason: string): Promise<SessionStatus> =>
  move(
    db,
    sessionNo,
    `status = 'stopping', stopping_at = coalesce(stopping_at, now()), stop_reason = coalesce(stop_reason, $2)`,
    `status IN ('starting', 'running', 'stopping')`,
    [reason],
  );

async function move(
  db: Database,
  sessionNo: number,
  set: string,
  where: string,
  values: readonly string[] = [],
): Promise<SessionStatus> {
  const [moved] = await query<{ status: SessionStatus }>(db, {
    text: `UPDATE outhaul.sessions SET ${set} WHERE session_no = $1 AND ${where} RETURNING status`,
    values: [sessionNo, ...values],
  });
  return moved?.status ?? (await sessionByNo(db, sessionNo)).status;
}

/**
 * The session has ended. The first end stays. Its totals are kept, the rest of what only a session that runs needs is
 * forgotten: the key of its client states, its subscriptions, the messages that may still be told, and, as there is no
 * other session that could want them, the organization's hints.
 * @throws {UnknownSession}
 */
export const endSession = (db: Database, sessionNo: number, { status, reason }: SessionEnd): Promise<SessionStatus> =>
  transaction(db, async (client) => {
    const [session] = await run<{ status: SessionStatus; scanNo: number; ended: boolean }>(client, {
      text: `SELECT status, scan_no AS "scanNo", ended_at IS NOT NULL AS ended FROM outhaul.sessions
        WHERE session_no = $1 FOR NO KEY UPDATE`,
      values: [sessionNo],
    });
    if (!session) throw new UnknownSession(sessionNo);
    if (session.ended) return session.status;
    await run(client, {
      text: `UPDATE outhaul.sessions s SET status = $2, ended_at = now(), stop_reason = coalesce(stop_reason, $3),
          sealed_client_state_key = NULL, trouble = NULL,
          (mailboxes, told, missed) = (
            SELECT count(*) FILTER (WHERE state <> 'skipped'), coalesce(sum(told), 0), coalesce(sum(missed), 0)
            FROM outhaul.session_mailboxes m WHERE m.session_no = s.session_no),
          messages = (SELECT count(*) FROM ${messagesOf(session.scanNo)} seen)
        WHERE session_no = $1`,
      values: [sessionNo, status, reason],
    });
    await forget(client, sessionNo, session.scanNo);
    return status;
  });

async function forget(client: Client, sessionNo: number, scanNo: number): Promise<void> {
  for (const table of ['subscriptions', 'missed_messages']) {
    await run(client, { text: `DELETE FROM outhaul.${table} WHERE session_no = $1`, values: [sessionNo] });
  }
  await run(client, {
    text: `DELETE FROM outhaul.hints WHERE organization_id = (
        SELECT organization_id FROM outhaul.sessions s WHERE session_no = $1 AND NOT EXISTS (
          SELECT FROM outhaul.sessions o WHERE o.organization_id = s.organization_id AND o.ended_at IS NULL))`,
    values: [sessionNo],
  });
  await run(client, { text: 'DELETE FROM outhaul.connections WHERE scan_no = $1', values: [scanNo] });
}

/** How Graph's notifications stand, and why where they do not come. */
export async function setNotifications(
  db: Database,
  sessionNo: number,
  {
    notifications,
    reason = null,
  }: { readonly notifications: NotificationState; readonly reason?: string | null | undefined },
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.sessions SET notifications = $2, notifications_reason = $3
      WHERE session_no = $1 AND (notifications, notifications_reason) IS DISTINCT FROM ($2, $3)`,
    values: [sessionNo, notifications, reason],
  });
}

/** How often sweeps come from now on; null where none come by themselves. */
export async function setSweepSeconds(db: Database, sessionNo: number, seconds: number | null): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.sessions SET sweep_seconds = $2 WHERE session_no = $1 AND sweep_seconds IS DISTINCT FROM $2',
    values: [sessionNo, seconds],
  });
}

/** What keeps the session from doing all that it should, in words without personal data; null: nothing does. */
export async function setTrouble(db: Database, sessionNo: number, trouble: string | null): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.sessions SET trouble = $2 WHERE session_no = $1 AND trouble IS DISTINCT FROM $2',
    values: [sessionNo, trouble],
  });
}

/** Whether messages that notifications named wait for their readers, or a mailbox of the session is being read. */
export async function workWaits(
  db: Database,
  { organizationId, schema }: Organization,
  sessionNo: number,
): Promise<boolean> {
  const [row] = await query<{ waits: boolean }>(db, {
    text: `SELECT EXISTS (SELECT FROM outhaul.hints WHERE organization_id = $1)
        OR EXISTS (SELECT FROM ${schema}.mailboxes m JOIN outhaul.session_mailboxes s ON s.mailbox_id = m.id
          WHERE s.session_no = $2 AND s.state = 'followed' AND ${BEING_READ}) AS waits`,
    values: [organizationId, sessionNo],
  });
  return row?.waits ?? false;
}
