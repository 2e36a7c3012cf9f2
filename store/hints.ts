import { query, type Database } from './database.ts';

/** A message that a notification named: of which session's mailbox, and its id. */
export interface NewHint {
  readonly sessionNo: number;
  readonly mailboxId: string;
  readonly messageId: string;
}

export interface HintedMailbox {
  readonly organizationId: string;
  readonly mailboxId: string;
}

/** A mailbox for which hints were written. */
export interface WrittenHints extends HintedMailbox {
  readonly sessionNo: number;
  /** Whether hints were waiting already: then its reader has been asked, and looks again before it ends. */
  readonly waited: boolean;
  /** Hints for messages that none was waiting for. */
  readonly added: number;
}

/**
 * Writes hints, all in one statement; one for a message that has a hint already renews that. Those of a session that has
 * ended are left out. A mailbox of which a hint waits has that locked until the commit: whoever deletes hints deletes it
 * afterwards, and finds the new ones when it looks again.
 * @returns the mailboxes, each once
 */
export const addHints = (db: Pick<Database, 'pool'>, hints: readonly NewHint[]): Promise<WrittenHints[]> =>
  query<WrittenHints>(db, {
    text: `WITH named AS MATERIALIZED (
        SELECT session_no, organization_id, mailbox_id, ids
        FROM json_to_recordset($1::json) AS n(session_no int, mailbox_id text, ids json)
        JOIN outhaul.sessions s USING (session_no) WHERE s.ended_at IS NULL
        ORDER BY organization_id, mailbox_id
      ), met AS MATERIALIZED (
        SELECT n.*, one.message_id IS NOT NULL AS waited FROM named n LEFT JOIN LATERAL (
          SELECT message_id FROM outhaul.hints h
          WHERE h.organization_id = n.organization_id AND h.mailbox_id = n.mailbox_id
          ORDER BY message_id LIMIT 1 FOR KEY SHARE) one ON true
      ), written AS (
        INSERT INTO outhaul.hints AS h (organization_id, mailbox_id, message_id)
        SELECT DISTINCT organization_id, mailbox_id, id COLLATE "C"
        FROM met CROSS JOIN LATERAL json_array_elements_text(ids) AS id ORDER BY 1, 2, 3
        ON CONFLICT (organization_id, mailbox_id, message_id) DO UPDATE
          SET hint_no = DEFAULT, last_at = clock_timestamp()
        RETURNING organization_id, mailbox_id, xmax = 0 AS added
      )
      SELECT max(session_no) AS "sessionNo", organization_id AS "organizationId", mailbox_id AS "mailboxId",
        bool_or(waited) AS waited, sum(added)::int AS added
      FROM (SELECT session_no, organization_id, mailbox_id, waited, 0 AS added FROM met
        UNION ALL SELECT NULL, organization_id, mailbox_id, NULL, added::int FROM written) AS told
      GROUP BY organization_id, mailbox_id`,
    values: [JSON.stringify(byMailbox(hints))],
    prepared: true,
  });

function byMailbox(hints: readonly NewHint[]): object[] {
  const mailboxes = new Map<string, { session_no: number; mailbox_id: string; ids: Set<string> }>();
  for (const { sessionNo, mailboxId, messageId } of hints) {
    const key = `${sessionNo}/${mailboxId}`;
    const mailbox = mailboxes.get(key) ?? { session_no: sessionNo, mailbox_id: mailboxId, ids: new Set() };
    mailboxes.set(key, mailbox);
    mailbox.ids.add(messageId);
  }
  return [...mailboxes.values()].map(({ ids, ...mailbox }) => ({ ...mailbox, ids: [...ids] }));
}

/**
 * Mailboxes with a hint that has waited for so long and whose reader was not asked again since, those that wait longest
 * first. Each is marked as asked again now; of several callers one gets it.
 */
export const claimWaiting = (
  db: Pick<Database, 'pool'>,
  { waitedMs, againMs, limit }: { readonly waitedMs: number; readonly againMs: number; readonly limit: number },
): Promise<HintedMailbox[]> =>
  query<HintedMailbox>(db, {
    text: `WITH due AS MATERIALIZED (
        SELECT organization_id, mailbox_id FROM outhaul.hints
        WHERE first_at < clock_timestamp() - $1 * interval '1 millisecond'
        GROUP BY organization_id, mailbox_id
        HAVING coalesce(max(woken_at), '-infinity') < clock_timestamp() - $2 * interval '1 millisecond'
        ORDER BY min(first_at) LIMIT $3
      ), marked AS MATERIALIZED (
        SELECT d.*, one.message_id FROM (SELECT * FROM due ORDER BY organization_id, mailbox_id) d CROSS JOIN LATERAL (
          SELECT message_id FROM outhaul.hints h
          WHERE h.organization_id = d.organization_id AND h.mailbox_id = d.mailbox_id ORDER BY message_id LIMIT 1) one
      )
      UPDATE outhaul.hints h SET woken_at = clock_timestamp() FROM marked m
      WHERE h.organization_id = m.organization_id AND h.mailbox_id = m.mailbox_id AND h.message_id = m.message_id
        AND coalesce(h.woken_at, '-infinity') < clock_timestamp() - $2 * interval '1 millisecond'
      RETURNING h.organization_id AS "organizationId", h.mailbox_id AS "mailboxId"`,
    values: [waitedMs, againMs, limit],
    prepared: true,
  });

/** Their readers could not be asked after all: they are due again at once. */
export async function unclaim(db: Pick<Database, 'pool'>, mailboxes: readonly HintedMailbox[]): Promise<void> {
  await query(db, {
    text: `UPDATE outhaul.hints h SET woken_at = NULL
      FROM unnest($1::text[], $2::text[]) AS m(organization_id, mailbox_id)
      WHERE h.organization_id = m.organization_id AND h.mailbox_id = m.mailbox_id AND h.woken_at IS NOT NULL`,
    values: [mailboxes.map(({ organizationId }) => organizationId), mailboxes.map(({ mailboxId }) => mailboxId)],
  });
}
