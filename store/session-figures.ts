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
  /** New messages that came while Graph was asked to notify, by how they were found: what the loss is measured by. */
  readonly found: Told;
  readonly subscriptions: { readonly wanted: number; readonly active: number; readonly refused: number };
  /** Messages that a notification named and that are not read yet, and since when the first of them waits. */
  readonly hints: { readonly waiting: number; readonly oldestAt: string | null };
  /** Messages of the organization in quarantine. */
  readonly quarantined: number;
}

/** Of a session that has ended there are no subscriptions any more; what was found stays. */
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
}

async function mailboxFigures(db: Database, sessionNo: number): Promise<Pick<SessionFigures, 'mailboxes' | 'found'>> {
  const [row] = await query<MailboxRow>(db, {
    text: `SELECT count(*) FILTER (WHERE m.state = 'followed') AS followed,
        count(*) FILTER (WHERE m.state = 'left') AS left, count(*) FILTER (WHERE m.state = 'skipped') AS skipped,
        count(*) FILTER (WHERE m.state = 'followed' AND m.delta_wanted_at IS NOT NULL) AS due,
        coalesce(sum(m.told), 0) AS told, coalesce(sum(m.missed), 0) AS missed
      FROM outhaul.session_mailboxes m WHERE m.session_no = $1`,
    values: [sessionNo],
  });
  const { followed = 0, left = 0, skipped = 0, due = 0, told = 0, missed = 0 } = row ?? {};
  return { mailboxes: { followed, left, skipped, due }, found: { told, missed } };
}

/** How the mailboxes of a session lose notifications, one by one. */
export interface MailboxLoss extends Told {
  readonly mailboxId: string;
}

/** Mailboxes that had new messages while Graph was asked to notify; those that lose most first. */
export const mailboxLosses = (
  db: Database,
  sessionNo: number,
  { limit }: { readonly limit: number },
): Promise<MailboxLoss[]> =>
  query<MailboxLoss>(db, {
    text: `SELECT mailbox_id AS "mailboxId", told, missed FROM outhaul.session_mailboxes
      WHERE session_no = $1 AND told + missed > 0 ORDER BY missed DESC, mailbox_id LIMIT $2`,
    values: [sessionNo, limit],
  });

/** How many messages a session has seen, by its `scanNo`. */
export async function messagesSeen(db: Database, scanNo: number): Promise<number> {
  const [row] = await query<{ count: number }>(db, {
    text: `SELECT count(*) AS count FROM ${messagesOf(scanNo)} seen`,
  });
  return row?.count ?? 0;
}
