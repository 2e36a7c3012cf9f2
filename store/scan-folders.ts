import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import type { ScannedMailbox } from './scan-mailboxes.ts';
import { byId } from './values.ts';

/** Some scans' view of a mailbox that is being read under its lease. */
export type ReadMailbox = ScannedMailbox & HeldMailbox;

/** Where a folder stands in a scan; `missing`: the mailbox has none such, which is no fault. */
export type FolderState = 'running' | 'completed' | 'failed' | 'missing';

export interface StartedFolder {
  readonly folderId: string;
  /** It was read to its end for all of these scans before. */
  readonly completed: boolean;
  /** Pages stored so far, for the scan that has seen the most. */
  readonly pages: number;
}

/** What a scan knows of one folder: what Graph holds, what is stored, what is left out and why. */
export interface FolderCoverage {
  /** The id in Graph, or the name asked for where the mailbox has no such folder. */
  readonly folderId: string;
  readonly path: string;
  readonly state: FolderState;
  /** As Graph counts, items that are no messages included. */
  readonly graphCount: number | null;
  readonly records: number;
  /** Messages that the filters left out. */
  readonly excluded: number;
  readonly pages: number;
  readonly errorCode: string | null;
  readonly requestId: string | null;
  readonly updatedAt: string;
}

/**
 * The mailbox is being read now: all of its wanted folders at once, whose counts make up what the mailbox is expected to
 * come to. A folder that was completed stays so, one that was begun and is not wanted any more is missing; a mailbox
 * that has ended stays so, too, unless it was cancelled.
 * @throws {LeaseLost}
 */
export async function startFolders(
  db: Database,
  organization: Organization,
  {
    scanNos,
    folders,
    ...held
  }: ReadMailbox & {
    readonly folders: readonly { readonly id: string; readonly path: string; readonly graphCount: number }[];
  },
): Promise<StartedFolder[]> {
  const rows = await queryHeld<{ folderId: string | null } & StartedFolder>(db, organization, held, {
    text: `wanted AS (
        SELECT id, path, count FROM json_to_recordset($4::json) AS f(id text, path text, count bigint)
      ), started AS (
        INSERT INTO outhaul.scan_folders AS f (scan_no, mailbox_id, folder_id, path, state, graph_count)
        SELECT scan_no, lease.id, wanted.id, path, 'running', count
        FROM lease CROSS JOIN unnest($3::int[]) scan_no CROSS JOIN wanted
        ON CONFLICT (scan_no, mailbox_id, folder_id) DO UPDATE SET path = excluded.path,
          graph_count = excluded.graph_count, error_code = NULL, request_id = NULL, updated_at = now(),
          state = CASE f.state WHEN 'completed' THEN 'completed' ELSE 'running' END
        RETURNING folder_id, state, pages
      ), absent AS (
        UPDATE outhaul.scan_folders f SET state = 'missing', updated_at = now() FROM lease
        WHERE f.scan_no = ANY($3) AND f.mailbox_id = lease.id AND f.reconciled_at IS NULL
          AND f.state IN ('running', 'completed') AND f.folder_id NOT IN (SELECT id FROM wanted)
      ), expected AS (
        UPDATE outhaul.scan_mailboxes SET expected = (SELECT coalesce(sum(count), 0) FROM wanted), updated_at = now(),
          started_at = coalesce(started_at, now()),
          state = CASE WHEN state IN ('waiting', 'cancelled') THEN 'running' ELSE state END,
          ended_at = CASE WHEN state IN ('waiting', 'cancelled') THEN NULL ELSE ended_at END
        FROM lease WHERE scan_no = ANY($3) AND mailbox_id = lease.id
      ), answer AS (
        SELECT folder_id AS "folderId", bool_and(state = 'completed') AS completed, max(pages) AS pages
        FROM started GROUP BY folder_id
      )`,
    values: [scanNos, JSON.stringify([...byId(folders).values()].map(toRow))],
    prepared: true,
  });
  return rows.flatMap(({ folderId, completed, pages }) => (folderId === null ? [] : { folderId, completed, pages }));
}

const toRow = ({ id, path, graphCount }: { id: string; path: string; graphCount: number }): object => ({
  id: storableText(id),
  path: storableText(path),
  count: graphCount,
});

/**
 * The folder could not be read to its end; Graph's error code and request id say why.
 * @throws {LeaseLost}
 */
export async function failFolder(
  db: Database,
  organization: Organization,
  {
    scanNos,
    folder,
    errorCode,
    requestId,
    ...held
  }: ReadMailbox & {
    readonly folder: { readonly id: string; readonly path: string };
    readonly errorCode: string;
    readonly requestId?: string | undefined;
  },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `answer AS (
        INSERT INTO outhaul.scan_folders (scan_no, mailbox_id, folder_id, path, state, error_code, request_id)
        SELECT scan_no, lease.id, $4, $5, 'failed', $6, $7 FROM lease CROSS JOIN unnest($3::int[]) scan_no
        ON CONFLICT (scan_no, mailbox_id, folder_id) DO UPDATE
          SET state = 'failed', error_code = $6, request_id = $7, updated_at = now()
        RETURNING scan_no)`,
    values: [scanNos, storableText(folder.id), storableText(folder.path), errorCode, requestId],
  });
}

/**
 * The mailbox has no folder of that name or path, or has it no more. One that was completed before stays completed.
 * @throws {LeaseLost}
 */
export async function missingFolder(
  db: Database,
  organization: Organization,
  { scanNos, name, ...held }: ReadMailbox & { readonly name: string },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `known AS (
        UPDATE outhaul.scan_folders SET updated_at = now(),
          state = CASE state WHEN 'completed' THEN 'completed' ELSE 'missing' END
        FROM lease WHERE scan_no = ANY($3) AND mailbox_id = lease.id AND path = $4 RETURNING scan_no
      ), answer AS (
        INSERT INTO outhaul.scan_folders (scan_no, mailbox_id, folder_id, path, state)
        SELECT scan_no, lease.id, $4, $4, 'missing' FROM lease CROSS JOIN unnest($3::int[]) scan_no
        WHERE scan_no NOT IN (SELECT scan_no FROM known)
        ON CONFLICT DO NOTHING RETURNING scan_no)`,
    values: [scanNos, storableText(name)],
  });
}

/** How the folders of a mailbox stand in a scan, by path. */
export const folderCoverage = (db: Database, scanNo: number, mailboxId: string): Promise<FolderCoverage[]> =>
  query(db, {
    text: `SELECT folder_id AS "folderId", path, state, graph_count AS "graphCount", records, excluded, pages,
        error_code AS "errorCode", request_id AS "requestId", updated_at AS "updatedAt"
      FROM outhaul.scan_folders WHERE scan_no = $1 AND mailbox_id = $2 ORDER BY path, folder_id`,
    values: [scanNo, mailboxId],
  });
