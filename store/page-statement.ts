import { EMAIL_COLUMNS, EXTRACTION_COLUMNS, decodedRows } from './email-columns.ts';
import { mayHaveAttachments, wantedPart } from './attachment-reads.ts';
import type { Organization } from './organizations.ts';
import { originalsPart } from './originals.ts';
import { owedPart } from './owing.ts';
import { REMOVED } from './removed-destinations.ts';

const COLUMNS = [...EMAIL_COLUMNS, '_mailbox_no', '_folder_no', '_removed_at', ...EXTRACTION_COLUMNS, '_content'];

/**
 * How columns of a known message `e` are changed where that is not by what was read. Of a message that was read without
 * its body the one that is stored stays; it stands for the version that was read only where that is the stored one.
 */
const CHANGES: Readonly<Record<string, string>> = {
  body_content: `CASE excluded._content WHEN 'headers' THEN e.body_content ELSE excluded.body_content END`,
  body_content_type: `CASE excluded._content WHEN 'headers' THEN e.body_content_type ELSE excluded.body_content_type END`,
  record: `CASE WHEN excluded._content = 'headers' AND e.change_key = excluded.change_key THEN e.record ELSE excluded.record END`,
  _content: `CASE WHEN excluded._content = 'headers' AND e.change_key = excluded.change_key THEN e._content ELSE excluded._content END`,
};

/** The values of `COLUMNS` for a message of `source`. */
const values = (source: string): string => `${EMAIL_COLUMNS.map((column) => `${source}.${column}`).join(', ')},
    turn.mailbox_no, turn.folder_no, CASE WHEN ${source}.removed THEN now() END, now(), $12, turn._tenant_id,
    turn._user_email, turn.id, turn.display_name, $13, 'email', ${source}._content`;

/** What the statement answers: how often it found the lease and the round, and what became of the messages. */
export interface PageAnswer {
  readonly held: number;
  readonly open: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly restored: number;
  /** Whether there is a destination that whoever stores does not know of; nothing was written then. */
  readonly unknowing: boolean;
  /** Destinations to which something is owed now that can be sent; only of a page that owes. */
  readonly owed?: readonly number[] | null;
}

/** What else the statement does with the messages of a page. */
export interface PageKind {
  /** Some of them are owed to destinations. */
  readonly owes?: boolean;
  /** What is wanted of them beside themselves. */
  readonly keeps?: 'attachments' | 'mime' | undefined;
}

/**
 * A whole page in one statement, which is one transaction and one round trip. Every part of it hangs on `turn`, so that
 * without the lease or the open round nothing is written at all.
 *
 * - `lease` locks the mailbox's row against whoever wants the lease: a successor's acquisition waits for this page.
 * - `unknown` are destinations that whoever stores does not know of: without them it cannot be told what is owed, so nothing
 *   is written. What a destination is to be owed is known, that way, from the moment on at which it is there.
 * - `turn` is the folder's open round; `forward` says whether this page has not been written before. Messages that were
 *   read by id belong to no round (no number): they are stored, and the round stays as it is.
 * - `fresh` are the messages that were not stored yet. What conflicts, if anything does, is `rest`, and `known` where it is found; only
 *   what differs is rewritten. A message that another folder's page inserts at this very moment is neither: that page
 *   counts it, and if it lies here now, the other folder's delta will say that it left.
 * - `gone` are messages of which nobody knows where they are now: those that the page says to have left, also where they
 *   stand as deleted, for of a message that left and came back Graph says only that it left. And those that an incremental
 *   round has not named (`untold`) although they were put into its folder before, by id or from a list (`placed`): a delta
 *   does not say that a message has left where it never said that it came. Where such a message lies is not sure either
 *   when another folder says that it left.
 * - `marked` is what the scans have not seen before, so that counters count a message once, however often it comes; what is
 *   new nobody can have seen, so `marked_fresh` need not look.
 * - `owed`, of a page that owes (parameters 17 and 18): what is new is owed to the destinations named for it, and what was
 *   stored as a draft and is none any more (`sent`), which is rewritten whatever its change key says.
 * - `listed` and `originals`, of a page whose attachments, or originals, are to be kept: they are wanted now.
 * - `kinds` tells apart what is new, was changed, came from another folder, or is back though it was deleted. A page that
 *   is written again finds none of them.
 *
 * It is planned once and kept, at a time when the tables may be empty, so nothing in it is left to the planner: rows are
 * found by their keys one by one (`ON CONFLICT`, `LATERAL … OFFSET 0`, `ANY(ARRAY(…))`), never by a join that looks cheap
 * today.
 *
 * Parameters: 1 mailbox id, 2 lease token, 3 folder id, 4 round (null: none), 5 next link (null: the round ends), 6 delta link,
 * 7 page size, 8 and 9 rows and their key, 10 ids removed, 11 scan numbers, 12 scan id, 13 folder path, 14 messages
 * excluded, 15 organization id, 16 destinations that are known (null: nobody asks).
 */
export const pageStatement = (organization: Organization, { owes = false, keeps }: PageKind = {}): string => {
  const { schema } = organization;
  const seen = `(SELECT _no, id, change_key, may_have FROM fresh
    UNION ALL SELECT _no, id, change_key, ${mayHaveAttachments} FROM known)`;
  const isSent = 'e.is_draft IS TRUE AND rest.is_draft IS NOT TRUE';
  const mail = `(SELECT mail._no, mail.id, mailbox_no FROM turn
    CROSS JOIN (SELECT _no, id FROM fresh UNION ALL SELECT _no, id FROM known WHERE sent) AS mail) AS message`;
  return `
WITH lease AS MATERIALIZED (
  SELECT mailbox_no, id, _tenant_id, _user_email, display_name FROM ${schema}.mailboxes
  WHERE id = $1 AND _lease_token = $2 FOR SHARE
), unknown AS MATERIALIZED (
  SELECT destination_no FROM outhaul.destinations
  WHERE organization_id = $15 AND status <> '${REMOVED}' AND destination_no <> ALL($16::int[]) LIMIT 1
), turn AS MATERIALIZED (
  SELECT lease.*, s.folder_no, s.round_started_at, s.from_nothing,
    $4::int IS NOT NULL AND s.method LIKE 'delta%' AS by_delta,
    s.delta_link IS NOT NULL AS has_delta, $4::int IS NOT NULL AND s.round_ended_at IS NULL
    AND ($5::text IS NULL OR s.next_link IS DISTINCT FROM $5) AS forward
  FROM lease JOIN ${schema}.mail_folders f ON f.mailbox_no = lease.mailbox_no AND f.id = $3
    JOIN ${schema}.sync_state s ON s.folder_no = f.folder_no AND s.round_no = coalesce($4, s.round_no)
  WHERE NOT EXISTS (SELECT FROM unknown)
  FOR NO KEY UPDATE OF s
), page AS MATERIALIZED (
  ${decodedRows('$8', '$9')}
), fresh AS (
  INSERT INTO ${schema}.emails (${COLUMNS.join(', ')})
  SELECT ${values('page')} FROM page CROSS JOIN turn
  ON CONFLICT (_mailbox_no, id) DO NOTHING
  RETURNING _no, id${keeps ? `, change_key, ${mayHaveAttachments} AS may_have` : ''}
), rest AS MATERIALIZED (
  SELECT * FROM page
  WHERE (SELECT count(*) FROM fresh) < (SELECT count(*) FROM page) AND id NOT IN (SELECT id FROM fresh)
), known AS MATERIALIZED (
  SELECT rest.*, e._no, e._deleted_at IS NOT NULL AS deleted, e._folder_no IS DISTINCT FROM turn.folder_no AS moved,
    merged OR rest.change_key IS NULL OR e.change_key IS DISTINCT FROM rest.change_key AS edited,
    merged OR rest.change_key IS NULL OR e._deleted_at IS NOT NULL OR removed <> (e._removed_at IS NOT NULL)
      OR e._content = 'headers' AND rest._content = 'full' OR ${isSent}
      OR (e.change_key, e._folder_no, e._folder) IS DISTINCT FROM (rest.change_key, turn.folder_no, $13::text) AS differs,
    ${isSent} AS sent
  FROM rest CROSS JOIN turn CROSS JOIN LATERAL (
    SELECT _no, change_key, _folder_no, _folder, _removed_at, _deleted_at, _content, is_draft FROM ${schema}.emails
    WHERE _mailbox_no = turn.mailbox_no AND id = rest.id OFFSET 0) e
), changed AS (
  INSERT INTO ${schema}.emails AS e (${COLUMNS.join(', ')})
  SELECT ${values('known')} FROM known CROSS JOIN turn WHERE known.differs
  ON CONFLICT (_mailbox_no, id) DO UPDATE SET
    ${COLUMNS.map((column) => `${column} = ${CHANGES[column] ?? `excluded.${column}`}`).join(', ')}, _deleted_at = NULL
), left_folder AS MATERIALIZED (
  SELECT e._no FROM unnest($10::text[]) removed_id CROSS JOIN turn CROSS JOIN LATERAL (
    SELECT _no, _folder_no FROM ${schema}.emails WHERE _mailbox_no = turn.mailbox_no AND id = removed_id OFFSET 0) e
  WHERE e._folder_no = turn.folder_no OR EXISTS (SELECT FROM ${schema}.placed p WHERE p.email_no = e._no)
), untold AS MATERIALIZED (
  SELECT p.email_no AS _no FROM turn JOIN ${schema}.placed p ON p.folder_no = turn.folder_no
  WHERE turn.by_delta AND turn.forward AND NOT turn.from_nothing AND $5::text IS NULL
    AND p.placed_at < turn.round_started_at
    AND p.email_no NOT IN (SELECT _no FROM known)
), gone AS (
  UPDATE ${schema}.emails SET _removed_at = now()
  WHERE _no = ANY(ARRAY(SELECT _no FROM left_folder UNION SELECT _no FROM untold)) AND _removed_at IS NULL
), told AS (
  DELETE FROM ${schema}.placed WHERE email_no = ANY(ARRAY(SELECT _no FROM known CROSS JOIN turn WHERE turn.by_delta))
), placed AS (
  INSERT INTO ${schema}.placed (email_no, folder_no, placed_at)
  SELECT _no, turn.folder_no, now() FROM turn
    CROSS JOIN (SELECT _no FROM fresh UNION ALL SELECT _no FROM known WHERE moved OR deleted) put
  WHERE NOT turn.by_delta AND (turn.has_delta OR $4::int IS NULL)
  ON CONFLICT (email_no) DO UPDATE SET folder_no = excluded.folder_no, placed_at = excluded.placed_at
), marked_fresh AS (
  INSERT INTO outhaul.scan_messages (scan_no, email_no)
  SELECT scan_no, _no FROM unnest($11::int[]) scan_no CROSS JOIN fresh
), marked AS (
  INSERT INTO outhaul.scan_messages (scan_no, email_no)
  SELECT scan_no, _no FROM unnest($11::int[]) scan_no CROSS JOIN known
  ON CONFLICT DO NOTHING
  RETURNING scan_no
), tally AS MATERIALIZED (
  SELECT scan_no, (SELECT count(*) FROM fresh) + (SELECT count(*) FROM marked WHERE marked.scan_no = scans.scan_no) AS records
  FROM unnest($11::int[]) AS scans(scan_no)
), kinds AS MATERIALIZED (
  SELECT (SELECT count(*) FROM fresh) AS added, count(*) FILTER (WHERE edited AND NOT moved AND NOT deleted) AS changed,
    count(*) FILTER (WHERE moved AND NOT deleted) AS moved, count(*) FILTER (WHERE deleted) AS restored
  FROM known
), round AS (
  UPDATE ${schema}.sync_state s SET next_link = $5, page_size = $7, delta_link = coalesce($6, delta_link),
    delta_saved_at = CASE WHEN $6::text IS NULL THEN delta_saved_at ELSE now() END,
    delta_content = CASE WHEN $6::text IS NULL THEN delta_content ELSE content END,
    round_ended_at = CASE WHEN $5::text IS NULL THEN now() END
  FROM turn WHERE s.folder_no = turn.folder_no AND turn.forward
), folder AS (
  UPDATE outhaul.scan_folders f SET records = f.records + tally.records,
    excluded = f.excluded + CASE WHEN turn.forward THEN $14::int ELSE 0 END, pages = f.pages + turn.forward::int,
    state = CASE WHEN $4 IS NULL THEN f.state WHEN $5::text IS NULL THEN 'completed' ELSE 'running' END, updated_at = now(),
    added = f.added + kinds.added, changed = f.changed + kinds.changed, moved = f.moved + kinds.moved,
    restored = f.restored + kinds.restored
  FROM turn CROSS JOIN tally CROSS JOIN kinds WHERE f.scan_no = tally.scan_no AND f.mailbox_id = $1 AND f.folder_id = $3
), mailbox AS (
  UPDATE outhaul.scan_mailboxes m SET records = m.records + tally.records, current_folder = $13, updated_at = now()
  FROM turn CROSS JOIN tally WHERE m.scan_no = tally.scan_no AND m.mailbox_id = $1
)${owes ? owedPart(mail, '$17', '$18') : ''}
${keeps ? wantedPart(organization, seen, 'turn') : ''}${keeps === 'mime' ? originalsPart(organization, seen, 'turn', '$13') : ''}
SELECT (SELECT count(*) FROM lease) AS held, (SELECT count(*) FROM turn) AS open,
  EXISTS (SELECT FROM unknown) AS unknowing,
  (SELECT count(*) FROM fresh) AS inserted, count(*) FILTER (WHERE differs) AS updated,
  count(*) FILTER (WHERE NOT differs) AS unchanged, count(*) FILTER (WHERE deleted) AS restored
  ${owes ? ", (SELECT array_agg(DISTINCT destination_no) FROM owed WHERE status = 'owed') AS owed" : ''}
FROM known`;
};
