import type { ScanFilters } from '../model/scan.ts';
import { query, type Database } from './database.ts';
import type { MailboxName } from './mailbox-memory.ts';
import type { Organization } from './organizations.ts';
import { lastNumber, tally } from './told.ts';

/** What a reader needs to know of the session that it reads for. */
export interface LiveSession {
  readonly sessionNo: number;
  readonly sessionId: string;
  /** Under which the session sees messages. */
  readonly scanNo: number;
  readonly filters: ScanFilters;
  readonly onlyUnread: boolean;
  /** Whether to mark what it stores as read: it is wanted, and Graph has not refused it. */
  readonly markAsRead: boolean;
}

/** A message that a notification named. */
export interface Hint {
  readonly hintNo: number;
  readonly messageId: string;
  /** Since it was named last, ms. */
  readonly ageMs: number;
}

/** What there is to do for a mailbox of an open session. */
export interface LiveWork {
  readonly session: LiveSession;
  /** Oldest first. */
  readonly hints: readonly Hint[];
  /** Since the first of the hints was named, ms; 0 without any. */
  readonly sinceFirstMs: number;
  /** Since when a delta round is due; null: none is. */
  readonly deltaWantedAt: string | null;
  /** The number of the newest message of the organization: what is stored from now on has a greater one. */
  readonly lastNo: number;
}

/** Hints taken at a time. */
const HINTS_AT_ONCE = 2_000;

const age = (at: string): string => `floor(extract(epoch FROM clock_timestamp() - ${at}) * 1000)::bigint`;

/**
 * What a session wants of a mailbox: undefined where no session of the organization is open, or where it does not follow
 * the mailbox. One statement.
 */
export async function liveWork(
  db: Database,
  { organizationId, schema }: Organization,
  mailboxId: string,
): Promise<LiveWork | undefined> {
  const [work] = await query<LiveSession & Omit<LiveWork, 'session'>>(db, {
    text: `WITH session AS MATERIALIZED (
        SELECT s.*, c.filters FROM outhaul.sessions s JOIN outhaul.scans c USING (scan_no)
        WHERE s.organization_id = $1 AND s.ended_at IS NULL ORDER BY s.status = 'starting', s.session_no LIMIT 1
      ), taken AS MATERIALIZED (
        SELECT hint_no, message_id, first_at, last_at FROM outhaul.hints
        WHERE organization_id = $1 AND mailbox_id = $2 ORDER BY hint_no LIMIT ${HINTS_AT_ONCE}
      )
      SELECT session.session_no AS "sessionNo", session_id AS "sessionId", scan_no AS "scanNo", filters,
        only_unread AS "onlyUnread", mark_as_read AND mark_as_read_refused IS NULL AS "markAsRead",
        coalesce((SELECT json_agg(json_build_object('hintNo', hint_no, 'messageId', message_id, 'ageMs', ${age('last_at')})
          ORDER BY hint_no) FROM taken), '[]') AS hints,
        coalesce((SELECT ${age('min(first_at)')} FROM taken), 0) AS "sinceFirstMs",
        m.delta_wanted_at AS "deltaWantedAt", ${lastNumber(schema)} AS "lastNo"
      FROM session JOIN outhaul.session_mailboxes m ON m.session_no = session.session_no AND m.mailbox_id = $2
      WHERE m.state = 'followed'`,
    values: [organizationId, mailboxId],
    prepared: true,
  });
  if (!work) return undefined;
  const { hints, sinceFirstMs, deltaWantedAt, lastNo, ...session } = work;
  return { session, hints, sinceFirstMs, deltaWantedAt, lastNo };
}

/** Forgets what was named in a mailbox that nobody follows. */
export async function dropHints(db: Database, { organizationId, mailboxId }: MailboxName): Promise<void> {
  await query(db, {
    text: 'DELETE FROM outhaul.hints WHERE organization_id = $1 AND mailbox_id = $2',
    values: [organizationId, mailboxId],
  });
}

/** A delta round of the mailbox is due; where one was due already, that stands. @returns since when */
export async function wantDelta(db: Database, sessionNo: number, mailboxId: string): Promise<string | undefined> {
  const [row] = await query<{ at: string }>(db, {
    text: `UPDATE outhaul.session_mailboxes SET delta_wanted_at = coalesce(delta_wanted_at, clock_timestamp())
      WHERE session_no = $1 AND mailbox_id = $2 RETURNING delta_wanted_at AS at`,
    values: [sessionNo, mailboxId],
  });
  return row?.at;
}

/** What has been done, all of it stored by now. */
export interface DoneWork {
  readonly session: Pick<LiveSession, 'sessionNo' | 'scanNo'>;
  readonly mailboxId: string;
  /** Of the `LiveWork`, or of the answer to the `finishWork` before. */
  readonly lastNo: number;
  readonly hintNos: readonly number[];
  /** The delta round that is done, by its `deltaWantedAt`: hints that came later stay. */
  readonly delta?: string | undefined;
}

/**
 * Counts the new messages, forgets the hints, and the wish for a delta round if nobody has wished for another since. What
 * was named again meanwhile has another number, and stays.
 *
 * Whoever writes hints asks no reader while others wait: look for more afterwards, in another statement. One that is being
 * written keeps those that wait locked, so that this one ends after it.
 * @returns the `lastNo` to count from next
 */
export async function finishWork(
  db: Database,
  organization: Organization,
  { session, mailboxId, lastNo, hintNos, delta }: DoneWork,
): Promise<number> {
  const [answer] = await query<{ lastNo: number }>(db, {
    text: `WITH named AS MATERIALIZED (
        SELECT hint_no, message_id FROM outhaul.hints WHERE organization_id = $1 AND mailbox_id = $2
      ), done AS (
        DELETE FROM outhaul.hints WHERE organization_id = $1 AND mailbox_id = $2 AND hint_no = ANY($5::bigint[])
          AND ($6::timestamptz IS NULL OR last_at <= $6) RETURNING message_id
      ), ${tally(organization, session.scanNo)}, mailbox AS (
        UPDATE outhaul.session_mailboxes m SET told = m.told + tally.told, missed = m.missed + tally.missed,
          delta_wanted_at = CASE WHEN delta_wanted_at IS DISTINCT FROM $6 THEN delta_wanted_at END,
          delta_read_at = CASE WHEN $6::timestamptz IS NULL THEN delta_read_at ELSE now() END
        FROM tally WHERE m.session_no = $3 AND m.mailbox_id = $2
      )
      SELECT ${lastNumber(organization.schema)} AS "lastNo"`,
    values: [organization.organizationId, mailboxId, session.sessionNo, lastNo, hintNos, delta],
    prepared: true,
  });
  return answer?.lastNo ?? lastNo;
}

/** Graph does not give the mailbox: nothing is due there until somebody wishes for it anew. */
export async function skipMailbox(
  db: Database,
  { organizationId }: Organization,
  { sessionNo, mailboxId, reason }: { readonly sessionNo: number; readonly mailboxId: string; readonly reason: string },
): Promise<void> {
  await query(db, {
    text: `WITH skipped AS (
        UPDATE outhaul.session_mailboxes SET state = 'skipped', reason = $4, delta_wanted_at = NULL
        WHERE session_no = $3 AND mailbox_id = $2)
      DELETE FROM outhaul.hints WHERE organization_id = $1 AND mailbox_id = $2`,
    values: [organizationId, mailboxId, sessionNo, reason],
  });
}

/** Messages were marked as read. */
export async function countMarked(db: Database, sessionNo: number, messages: number): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.sessions SET marked_as_read = marked_as_read + $2 WHERE session_no = $1',
    values: [sessionNo, messages],
  });
}

/** Graph refuses to mark messages as read; the first reason stands. */
export async function refuseMarking(db: Database, sessionNo: number, reason: string): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.sessions SET mark_as_read_refused = $2
      WHERE session_no = $1 AND mark_as_read_refused IS NULL`,
    values: [sessionNo, reason],
  });
}
