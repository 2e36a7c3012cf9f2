import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { messageKey } from './quarantine.ts';
import type { ScannedMailbox } from './scan-mailboxes.ts';

/** What Graph counts of a folder. */
export interface FolderCount {
  readonly folderId: string;
  /** Messages in it. */
  readonly graph: number;
  /** Of these, those that the scan asks for; the rest is left out. */
  readonly wanted: number;
}

export interface CountsToReconcile extends ScannedMailbox {
  readonly folders: readonly FolderCount[];
  /**
   * `seen`: what the scans have seen of a folder stands for what is stored of it, which is so after a read from nothing in
   * which nothing moved. `rows`: the rows are counted.
   */
  readonly stored: 'seen' | 'rows';
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * Puts Graph's counts of completed folders beside what is stored and what is in quarantine.
 * @returns the folders for which that does not add up
 */
export async function reconcileFolders(
  db: Database,
  organization: Organization,
  { scanNos, mailboxId, folders, stored, since, until }: CountsToReconcile,
): Promise<string[]> {
  const { organizationId, schema } = organization;
  const storedIds = new Map(folders.map(({ folderId }) => [storableText(folderId), folderId]));
  const rows = await query<{ id: string; difference: number }>(db, {
    text: `WITH counted AS (
        SELECT id, graph, wanted FROM json_to_recordset($3::json) AS c(id text, graph bigint, wanted bigint)
      ), held AS MATERIALIZED (
        SELECT c.id, count(q.entry_no) AS quarantined, count(q.entry_no) FILTER (WHERE q.stored) AS partly
        FROM counted c LEFT JOIN outhaul.quarantine q ON q.organization_id = $4 AND q.mailbox_id = $2
          AND q.folder_id = c.id AND q.resolved_at IS NULL
        GROUP BY c.id
      ), present AS MATERIALIZED (${stored === 'rows' ? rowsIn(schema) : 'SELECT NULL::text AS id, 0 AS stored WHERE $5::text || $6 IS NULL AND false'}
      ), reconciled AS (
        UPDATE outhaul.scan_folders f SET graph_messages = c.graph, left_out = c.graph - c.wanted,
          stored = ${stored === 'rows' ? 'coalesce(p.stored, 0)' : 'f.records'} - h.partly, quarantined = h.quarantined,
          unexplained = NULL, reconciled_at = now(), updated_at = now()
        FROM counted c JOIN held h USING (id) LEFT JOIN present p USING (id)
        WHERE f.scan_no = ANY($1) AND f.mailbox_id = $2 AND f.folder_id = c.id AND f.state = 'completed'
        RETURNING f.folder_id AS id, c.wanted - f.stored - f.quarantined AS difference
      ), settled AS (
        DELETE FROM outhaul.unexplained_messages u USING reconciled r
        WHERE u.scan_no = ANY($1) AND u.mailbox_id = $2 AND u.folder_id = r.id
      )
      SELECT id, max(abs(difference)) AS difference FROM reconciled GROUP BY id HAVING bool_or(difference <> 0)`,
    values: [
      scanNos,
      mailboxId,
      JSON.stringify(folders.map(({ folderId, graph, wanted }) => ({ id: storableText(folderId), graph, wanted }))),
      organizationId,
      since,
      until,
    ],
  });
  return rows.map(({ id }) => storedIds.get(id) ?? id);
}

/** Rows that lie in the folders now, within the window. */
const rowsIn = (schema: string): string => `
        SELECT f.id, count(e._no) AS stored FROM counted c JOIN ${schema}.mailboxes m ON m.id = $2
          JOIN ${schema}.mail_folders f ON f.mailbox_no = m.mailbox_no AND f.id = c.id
          JOIN ${schema}.emails e ON e._mailbox_no = m.mailbox_no AND e._folder_no = f.folder_no AND e._deleted_at IS NULL
            AND ($5::timestamptz IS NULL OR e.received_date_time >= $5)
            AND ($6::timestamptz IS NULL OR e.received_date_time < $6)
        GROUP BY f.id`;

/** Of messages that Graph names, those that are neither stored nor in quarantine. */
export async function unaccountedFor(
  db: Database,
  { organizationId, schema }: Organization,
  { mailboxId, ids }: { readonly mailboxId: string; readonly ids: readonly string[] },
): Promise<string[]> {
  const rows = await query<{ at: number }>(db, {
    text: `SELECT named.at::int AS at FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS named(id, key, at)
      WHERE NOT EXISTS (SELECT FROM ${schema}.mailboxes m JOIN ${schema}.emails e ON e._mailbox_no = m.mailbox_no
          WHERE m.id = $1 AND e.id = named.id AND e._deleted_at IS NULL)
        AND NOT EXISTS (SELECT FROM outhaul.quarantine q WHERE q.organization_id = $4 AND q.mailbox_id = $1
          AND q.message_key = named.key AND q.resolved_at IS NULL)
      ORDER BY at`,
    values: [mailboxId, ids.map(storableText), ids.map(messageKey), organizationId],
  });
  return rows.flatMap(({ at }) => ids[at - 1] ?? []);
}

/** What a walk of a folder's ids came to. */
export interface WalkedFolder extends ScannedMailbox {
  readonly folderId: string;
  /** Messages that the walk named, of those that the scan asks for. */
  readonly named: number;
  readonly unexplained: readonly string[];
}

/** Records a walk of ids: what it named takes the place of Graph's count, and what nothing explains is kept by id. */
export async function recordWalk(
  db: Database,
  { scanNos, mailboxId, folderId, named, unexplained }: WalkedFolder,
): Promise<void> {
  await query(db, {
    text: `WITH kept AS (
        INSERT INTO outhaul.unexplained_messages (scan_no, mailbox_id, folder_id, message_key, message_id)
        SELECT scan_no, $2, $3, key, id FROM unnest($1::int[]) scan_no CROSS JOIN unnest($5::text[], $6::bytea[]) AS m(id, key)
        ON CONFLICT DO NOTHING
      )
      UPDATE outhaul.scan_folders SET graph_messages = $4 + coalesce(left_out, 0), unexplained = cardinality($5::text[]),
        reconciled_at = now()
      WHERE scan_no = ANY($1) AND mailbox_id = $2 AND folder_id = $3`,
    values: [
      scanNos,
      mailboxId,
      storableText(folderId),
      named,
      unexplained.map(storableText),
      unexplained.map(messageKey),
    ],
  });
}
