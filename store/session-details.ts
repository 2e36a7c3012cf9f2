import { query, type Database } from './database.ts';
import { BEING_READ } from './leases.ts';
import type { Organization } from './organizations.ts';

/** A mailbox that a session does not read, or is not told of, and why. */
export interface MailboxRefusal {
  readonly mailboxId: string;
  readonly reason: string | null;
}

/** What a session leaves out: how much for which reason, and the first mailboxes of each kind. */
export interface SessionDetails {
  readonly skippedFor: readonly { readonly reason: string | null; readonly mailboxes: number }[];
  /** Those that Graph refuses come first. */
  readonly skipped: readonly MailboxRefusal[];
  /** Mailboxes of which Graph refuses to notify. */
  readonly subscriptionsRefused: readonly (MailboxRefusal & { readonly errorCode: string | null })[];
}

/** Reasons of our own to leave a mailbox out: nobody has to do anything about it. */
const OURS = ['guest', 'excluded', 'not_included'];

/** @param limit how many mailboxes of each kind are named */
export async function sessionDetails(db: Database, sessionNo: number, limit: number): Promise<SessionDetails> {
  const [skippedFor, skipped, subscriptionsRefused] = await Promise.all([
    query<SessionDetails['skippedFor'][number]>(db, {
      text: `SELECT reason, count(*) AS mailboxes FROM outhaul.session_mailboxes
        WHERE session_no = $1 AND state = 'skipped' GROUP BY reason ORDER BY mailboxes DESC, reason`,
      values: [sessionNo],
    }),
    query<MailboxRefusal>(db, {
      text: `SELECT mailbox_id AS "mailboxId", reason FROM outhaul.session_mailboxes
        WHERE session_no = $1 AND state = 'skipped' ORDER BY reason = ANY($3), mailbox_id LIMIT $2`,
      values: [sessionNo, limit, OURS],
    }),
    query<SessionDetails['subscriptionsRefused'][number]>(db, {
      text: `SELECT mailbox_id AS "mailboxId", error_code AS "errorCode", reason FROM outhaul.subscriptions
        WHERE session_no = $1 AND state = 'refused' ORDER BY mailbox_id LIMIT $2`,
      values: [sessionNo, limit],
    }),
  ]);
  return { skippedFor, skipped, subscriptionsRefused };
}

/** What readers are at, at this moment. */
export interface WorkFigures {
  /** Mailboxes that are being read, by whomever. */
  readonly mailboxes: number;
  /** Messages that a notification named, in mailboxes that are being read. */
  readonly hints: number;
}

export async function workFigures(db: Database, { organizationId, schema }: Organization): Promise<WorkFigures> {
  const [row] = await query<WorkFigures>(db, {
    text: `WITH reading AS MATERIALIZED (
        SELECT id FROM ${schema}.mailboxes WHERE ${BEING_READ})
      SELECT (SELECT count(*) FROM reading) AS mailboxes,
        (SELECT count(*) FROM reading CROSS JOIN LATERAL (
          SELECT FROM outhaul.hints h WHERE h.organization_id = $1 AND h.mailbox_id = reading.id) hinted) AS hints`,
    values: [organizationId],
  });
  return row ?? { mailboxes: 0, hints: 0 };
}

/** Somebody has asked for a poll: the organization's session, where one runs, remembers it. */
export async function recordPoll(db: Database, organizationId: string): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.sessions SET last_poll_at = now() WHERE organization_id = $1 AND ended_at IS NULL',
    values: [organizationId],
  });
}
