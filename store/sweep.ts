import type { MailboxReason } from '../model/scan.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** A mailbox that Graph does not let be read is asked about again after so long. */
const SKIPPED_FOR = '1 hour';
/** Changes that a folder's counters do not show are found by a delta round at least this often. */
const DELTA_EVERY = '1 day';

/** A mailbox of the session, and the delta link of its folder tree; null: it has none yet. */
export interface SweptMailbox {
  readonly mailboxId: string;
  readonly link: string | null;
  /** Its reader was lost a short while ago, and no other has taken over. */
  readonly lost: boolean;
}

/** What is known of a mailbox after a probe, or without one: then there is no new link. */
export type ProbeOutcome = { readonly mailboxId: string } & (
  | { readonly changed: boolean; readonly link: string | null }
  | { readonly skip: Extract<MailboxReason, 'no_mailbox' | 'denied'> }
);

/**
 * The next mailboxes to probe, by id. Start after ''; fewer than `limit` are the last.
 * @param lostForMs how long a lost reader's requests may go on at Graph
 */
export const mailboxesToProbe = (
  db: Database,
  { schema }: Organization,
  {
    sessionNo,
    after,
    limit,
    lostForMs,
  }: { readonly sessionNo: number; readonly after: string; readonly limit: number; readonly lostForMs: number },
): Promise<SweptMailbox[]> =>
  query(db, {
    text: `SELECT s.mailbox_id AS "mailboxId", m._tree_link AS link, m._lease_token IS NOT NULL
        AND m._lease_ends_at BETWEEN clock_timestamp() - $4 * interval '1 millisecond' AND clock_timestamp() AS lost
      FROM outhaul.session_mailboxes s JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id
      WHERE s.session_no = $1 AND s.mailbox_id > $2 AND (s.state = 'followed' OR (s.state = 'skipped'
        AND s.reason IN ('no_mailbox', 'denied')
        AND (m._probed_at IS NULL OR m._probed_at < now() - interval '${SKIPPED_FOR}')))
      ORDER BY s.mailbox_id LIMIT $3`,
    values: [sessionNo, after, limit, lostForMs],
  });

/**
 * Saves what probes told, in one statement: a link that has gone on past a change, and that a delta round is due, are
 * never there one without the other. A round is due, too, where none was read for a day.
 * @returns the mailboxes whose readers are to be asked: those of which a round is due, since now or since before
 */
export async function saveProbes(
  db: Database,
  { schema }: Organization,
  { sessionNo, outcomes }: { readonly sessionNo: number; readonly outcomes: readonly ProbeOutcome[] },
): Promise<string[]> {
  const rows = await query<{ mailbox_id: string }>(db, {
    // The second update takes its rows from the first: mailboxes are locked before what belongs to them, as readers do.
    text: `WITH probed AS (
        SELECT * FROM json_to_recordset($2::json) AS p("mailboxId" text, link text, changed boolean, skip text)
      ), linked AS (
        UPDATE ${schema}.mailboxes m SET _tree_link = coalesce(p.link, m._tree_link), _probed_at = now()
        FROM probed p WHERE m.id = p."mailboxId" RETURNING m.id, p.changed, p.skip
      ), marked AS (
        UPDATE outhaul.session_mailboxes s SET
          state = CASE WHEN p.skip IS NULL THEN 'followed' ELSE 'skipped' END,
          reason = p.skip,
          delta_wanted_at = CASE
            WHEN p.skip IS NOT NULL THEN NULL
            WHEN p.changed THEN clock_timestamp()
            ELSE coalesce(s.delta_wanted_at, clock_timestamp()) END
        FROM linked p WHERE s.session_no = $1 AND s.mailbox_id = p.id AND s.state IN ('followed', 'skipped')
          AND (p.skip IS NOT NULL OR p.changed OR s.state = 'skipped' OR s.delta_wanted_at IS NOT NULL
            OR s.delta_read_at IS NULL OR s.delta_read_at < now() - interval '${DELTA_EVERY}')
        RETURNING s.mailbox_id, s.delta_wanted_at
      )
      SELECT mailbox_id FROM marked WHERE delta_wanted_at IS NOT NULL`,
    values: [sessionNo, JSON.stringify(outcomes)],
  });
  return rows.map(({ mailbox_id: id }) => id);
}

/** Records how the sweep went. */
export async function endSweep(
  db: Database,
  { sessionNo, ms, changed }: { readonly sessionNo: number; readonly ms: number; readonly changed: number },
): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.sessions SET last_sweep_at = now(), last_sweep_ms = $2, last_sweep_changed = $3
      WHERE session_no = $1`,
    values: [sessionNo, Math.round(ms), changed],
  });
}
