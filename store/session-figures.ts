import type { Told } from '../model/session.ts';
import { query, type Database } from './database.ts';
import { messagesOf } from './partitions.ts';
import type { SessionRow } from './sessions.ts';

/** How the parts of a session stand, in numbers. */
export interface SessionFigures {
  readonly mailboxes: {
    readonly followed: number;
    readonly left: number;
    readonly skipped: number;
    /** Of those followed, how many wait for a delta round, or are in one. */
    readonly due: number;
  };
  /** New messages that came while Graph was asked to notify, by how they were found. */
  readonly found: Told;
  /** Those of mailboxes whose notifications come: what the loss is measured by. */
  readonly subscribed: Told;
  readonly subscriptions: { readonly wanted: number; readonly active: number; readonly refused: number };
  /** Messages that a notification named and that are not read yet, and since when the first of them waits. */
  readonly hints: { readonly waiting: number; readonly oldestAt: string | null };
  /** Messages of the organization in quarantine. */
  readonly quarantined: number;
}

/** Those of a session that has not ended; afterwards its totals stand in its row. */
export async function sessionFigures(
  db: Database,
  { organizationId, sessionNo }: Pick<SessionRow, 'organizationId' | 'sessionNo'>,
): Promise<SessionFigures> {
  const [mailboxes, subscriptions, waiting] = await Promise.all([
    mailboxFigures(db, sessionNo),
    query<SessionFigures['subscriptions']>(db, {
      text: `SELECT count(*) FILTER (WHERE state = 'wanted') AS wanted, count(*) FILTER (WHERE state = 'active') AS active,
          count(*) FILTER (WHERE state = 'refused') AS refused
        FROM outhaul.subscriptions WHERE session_no = $1`,
      values: [sessionNo],
    }),
    query<{ waiting: number; oldestAt: string | null; quarantined: number }>(db, {
      text: `SELECT count(*) AS waiting, min(first_at) AS "oldestAt",
          (SELECT count(*) FROM outhaul.quarantine WHERE organization_id = $1 AND resolved_at IS NULL) AS quarantined
        FROM outhaul.hints WHERE organization_id = $1`,
      values: [organizationId],
    }),
  ]);
  const { waiting: hints = 0, oldestAt = null, quarantined = 0 } = waiting[0] ?? {};
  return {
    ...mailboxes,
    subscriptions: subscriptions[0] ?? { wanted: 0, active: 0, refused: 0 },
    hints: { waiting: hints, oldestAt },
    quarantined,
  };
}

interface MailboxRow extends Told {
  readonly followed: number;
  readonly left: number;
  readonly skipped: number;
  readonly due: number;
  readonly subscribedTold: number;
  readonly subscribedMissed: number;
}

async function mailboxFigures(
  db: Database,
  sessionNo: number,
): Promise<Pick<SessionFigures, 'mailboxes' | 'found' | 'subscribed'>> {
  const [row] = await query<MailboxRow>(db, {
    text: `SELECT count(*) FILTER (WHERE m.state = 'followed') AS followed,
        count(*) FILTER (WHERE m.state = 'left') AS left, count(*) FILTER (WHERE m.state = 'skipped') AS skipped,
        count(*) FILTER (WHERE m.state = 'followed' AND m.delta_wanted_at IS NOT NULL) AS due,
        coalesce(sum(m.told), 0) AS told, coalesce(sum(m.missed), 0) AS missed,
        coalesce(sum(m.told) FILTER (WHERE s.state = 'active'), 0) AS "subscribedTold",
        coalesce(sum(m.missed) FILTER (WHERE s.state = 'active'), 0) AS "subscribedMissed"
      FROM outhaul.session_mailboxes m LEFT JOIN outhaul.subscriptions s USING (session_no, mailbox_id)
      WHERE m.session_no = $1`,
    values: [sessionNo],
  });
  const { followed = 0, left = 0, skipped = 0, due = 0, told = 0, missed = 0 } = row ?? {};
  return {
    mailboxes: { followed, left, skipped, due },
    found: { told, missed },
    subscribed: { told: row?.subscribedTold ?? 0, missed: row?.subscribedMissed ?? 0 },
  };
}

/** How the followed mailboxes of a session lose notifications, one by one; those that lose most first. */
export interface MailboxLoss extends Told {
  readonly mailboxId: string;
}

/** Mailboxes with an active subscription that had new messages. */
export const mailboxLosses = (
  db: Database,
  sessionNo: number,
  { limit }: { readonly limit: number },
): Promise<MailboxLoss[]> =>
  query<MailboxLoss>(db, {
    text: `SELECT m.mailbox_id AS "mailboxId", m.told, m.missed
      FROM outhaul.session_mailboxes m JOIN outhaul.subscriptions s USING (session_no, mailbox_id)
      WHERE m.session_no = $1 AND s.state = 'active' AND m.told + m.missed > 0
      ORDER BY m.missed DESC, m.mailbox_id LIMIT $2`,
    values: [sessionNo, limit],
  });

/** How many messages a session has seen, by its `scanNo`. */
export async function messagesSeen(db: Database, scanNo: number): Promise<number> {
  const [row] = await query<{ count: number }>(db, {
    text: `SELECT count(*) AS count FROM ${messagesOf(scanNo)} seen`,
  });
  return row?.count ?? 0;
}
