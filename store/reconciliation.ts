import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';
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

/** The first moment included, the last one not; absent: no bound. */
interface ReceivedWindow {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export interface CountsToReconcile extends ScannedMailbox, ReceivedWindow {
  readonly folders: readonly FolderCount[];
  /**
   * `seen`: what the scans have seen of a folder stands for what is stored of it, which is so after a read from nothing in
   * which nothing moved. `rows`: the rows are counted.
   */
  readonly stored: 'seen' | 'rows';
}

/**
 * Puts Graph's counts of completed folders beside what is stored and what is in quarantine.
 * @returns the folders for which that does not add up
 * @throws {LeaseLost}
 */
export async function reconcileFolders(
  db: Database,
  organization: Organization,
  { scanNos, mailboxId, leaseToken, folders, stored, since, until }: HeldMailbox & CountsToReconcile,
): Promise<string[]> {
  const { organizationId, schema } = organization;
  const storedIds = new Map(folders.map(({ folderId }) => [storableText(folderId), folderId]));
  const byRows = stored === 'rows';
  const rows = await queryHeld<{ id: string | null }>(
    db,
    organization,
    { mailboxId, leaseToken },
    {
      text: `counted AS (
        SELECT id, graph, wanted FROM json_to_recordset($4::json) AS c(id text, graph bigint, wanted bigint)
      ), quarantined AS MATERIALIZED (
        SELECT c.id, count(q.entry_no) AS messages, count(q.entry_no) FILTER (WHERE q.stored) AS partly
        FROM counted c LEFT JOIN outhaul.quarantine q ON q.organization_id = $5 AND q.mailbox_id = $1
          AND q.folder_id = c.id AND q.resolved_at IS NULL
        GROUP BY c.id
      ), ${byRows ? presentRows(schema) : ''}
      reconciled AS (
        UPDATE outhaul.scan_folders f SET graph_messages = c.graph, left_out = c.graph - c.wanted,
          stored = ${byRows ? 'coalesce(p.stored, 0)' : 'f.records'} - q.partly, quarantined = q.messages,
          unexplained = NULL, reconciled_at = now(), updated_at = now()
        FROM lease CROSS JOIN counted c JOIN quarantined q ON q.id = c.id ${byRows ? 'LEFT JOIN present p ON p.id = c.id' : ''}
        WHERE f.scan_no = ANY($3::int[]) AND f.mailbox_id = lease.id AND f.folder_id = c.id AND f.state = 'completed'
        RETURNING f.folder_id AS id, c.wanted - f.stored - f.quarantined AS difference
      ), settled AS (
        DELETE FROM outhaul.unexplained_messages u USING reconciled r
        WHERE u.scan_no = ANY($3) AND u.mailbox_id = $1 AND u.folder_id = r.id
      ), answer AS (
        SELECT id FROM reconciled GROUP BY id HAVING bool_or(difference <> 0)
      )`,
      values: [
        scanNos,
        JSON.stringify(folders.map(({ folderId, graph, wanted }) => ({ id: storableText(folderId), graph, wanted }))),
        organizationId,
        ...(byRows ? [since, until] : []),
      ],
      prepared: !byRows,
    },
  );
  return rows.flatMap(({ id }) => (id === null ? [] : (storedIds.get(id) ?? id)));
}

/**
 * Folders that were compared for all of these scans since their last round: what Graph counts is accounted for, or what
 * is not is named. As they are stored.
 */
export async function provenFolders(
  db: Database,
  { schema }: Organization,
  { scanNos, mailboxId }: ScannedMailbox,
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `SELECT f.folder_id AS id FROM ${schema}.mailboxes m
      JOIN ${schema}.mail_folders known ON known.mailbox_no = m.mailbox_no
      JOIN ${schema}.sync_state s ON s.folder_no = known.folder_no
      JOIN outhaul.scan_folders f ON f.scan_no = ANY($2::int[]) AND f.mailbox_id = m.id AND f.folder_id = known.id
      WHERE m.id = $1 AND f.state = 'completed' AND f.reconciled_at >= s.round_ended_at
        AND (f.unexplained IS NOT NULL OR f.graph_messages - f.left_out = f.stored + f.quarantined)
      GROUP BY f.folder_id HAVING count(*) = cardinality($2)`,
    values: [mailboxId, scanNos],
  });
  return rows.map(({ id }) => id);
}

/** Rows that lie in the folders now, within the window; what is unsettled lies nobody knows where. */
const presentRows = (schema: string): string => `present AS MATERIALIZED (
        SELECT f.id, count(e._no) AS stored FROM lease CROSS JOIN counted c
          JOIN ${schema}.mail_folders f ON f.mailbox_no = lease.mailbox_no AND f.id = c.id
          JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no AND e._folder_no = f.folder_no
            AND e._deleted_at IS NULL AND e._removed_at IS NULL
            AND ($6::timestamptz IS NULL OR e.received_date_time >= $6)
            AND ($7::timestamptz IS NULL OR e.received_date_time < $7)
        GROUP BY f.id
      ),`;

/**
 * Ids of messages that lie in a folder, within the window, and that its walk by ids for these scans has not named; in the
 * order of ids, after `after`. Of a window also those that were written since the walk began: one that was asked for by id
 * counts as seen, whatever time Graph says it arrived at.
 */
export async function unnamedIds(
  db: Database,
  { schema }: Organization,
  {
    scanNos,
    mailboxId,
    folderId,
    since,
    until,
    after,
    limit,
  }: ScannedMailbox & ReceivedWindow & { readonly folderId: string; readonly after: string; readonly limit: number },
): Promise<string[]> {
  const [scanNo = 0] = scanNos;
  const rows = await query<{ id: string }>(db, {
    text: `SELECT e.id FROM ${schema}.mailboxes m
      JOIN ${schema}.mail_folders f ON f.mailbox_no = m.mailbox_no AND f.id = $2
      JOIN ${schema}.sync_state s ON s.folder_no = f.folder_no
      JOIN ${schema}.emails e ON e._mailbox_no = m.mailbox_no AND e.id > $3 AND e._folder_no = f.folder_no
        AND e._deleted_at IS NULL AND e._removed_at IS NULL
        AND ($5::timestamptz IS NULL OR e.received_date_time >= $5)
        AND ($6::timestamptz IS NULL OR e.received_date_time < $6)
        AND (coalesce($5, $6) IS NOT NULL AND e._extracted_at >= s.round_started_at
          OR NOT EXISTS (SELECT FROM ${messagesOf(scanNo)} seen WHERE seen.email_no = e._no))
      WHERE m.id = $1 ORDER BY e.id LIMIT $4`,
    values: [mailboxId, storableText(folderId), after, limit, since, until],
  });
  return rows.map(({ id }) => id);
}

export interface UnexplainedMessages extends ScannedMailbox {
  readonly folderId: string;
  readonly unexplained: readonly string[];
}

/**
 * Keeps by id what nothing explains of a folder that was walked by ids and reconciled. What is accounted for takes the
 * place of Graph's count, for that is what Graph has named.
 * @throws {LeaseLost}
 */
export async function recordUnexplained(
  db: Database,
  organization: Organization,
  { scanNos, mailboxId, leaseToken, folderId, unexplained }: HeldMailbox & UnexplainedMessages,
): Promise<void> {
  const held = { mailboxId, leaseToken };
  await queryHeld(db, organization, held, {
    text: `kept AS (
        INSERT INTO outhaul.unexplained_messages (scan_no, mailbox_id, folder_id, message_key, message_id)
        SELECT scan_no, lease.id, $4, key, m.id FROM lease CROSS JOIN unnest($3::int[]) scan_no
          CROSS JOIN unnest($5::text[], $6::bytea[]) AS m(id, key)
        ON CONFLICT DO NOTHING
      ), answer AS (
        UPDATE outhaul.scan_folders f SET unexplained = cardinality($5::text[]),
          graph_messages = f.left_out + f.stored + f.quarantined - cardinality($5::text[])
        FROM lease WHERE f.scan_no = ANY($3) AND f.mailbox_id = lease.id AND f.folder_id = $4 RETURNING f.scan_no
      )`,
    values: [scanNos, storableText(folderId), unexplained.map(storableText), unexplained.map(messageKey)],
  });
}
