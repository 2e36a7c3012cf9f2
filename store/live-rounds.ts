import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/** Where the reading of a folder stands, for a session that wants its delta. */
export interface LiveRound {
  readonly folderId: string;
  /**
   * A scan that is not done with the mailbox is in the middle of the folder, or has read it from nothing and not settled
   * yet what vanished from it: a new round would spoil both.
   */
  readonly ofScan: boolean;
  /** The session has read it to the end in a round that began after the delta was wanted. */
  readonly read: boolean;
  /** The session has read it from nothing, and has perhaps not settled what vanished from it. */
  readonly unsettled: boolean;
}

/** Where the reading of those folders stands that were read before. */
export async function liveRounds(
  db: Database,
  { schema }: Organization,
  {
    mailboxId,
    scanNo,
    folderIds,
    wantedAt,
  }: {
    readonly mailboxId: string;
    /** The session's. */
    readonly scanNo: number;
    readonly folderIds: readonly string[];
    readonly wantedAt: string;
  },
): Promise<Map<string, LiveRound>> {
  const storedIds = new Map(folderIds.map((id) => [storableText(id), id]));
  const rows = await query<LiveRound>(db, {
    text: `SELECT f.id AS "folderId",
        (s.round_ended_at IS NULL OR s.from_nothing AND s.round_no > 1) AND EXISTS (
          SELECT FROM unnest(s.round_scans) round_scan CROSS JOIN LATERAL (
              SELECT kind, ended_at FROM outhaul.scans WHERE scan_no = round_scan OFFSET 0) c
            CROSS JOIN LATERAL (
              SELECT state FROM outhaul.scan_mailboxes m
              WHERE m.scan_no = round_scan AND m.mailbox_id = $1 OFFSET 0) m
          WHERE c.kind = 'scan' AND c.ended_at IS NULL AND m.state IN ('waiting', 'running')) AS "ofScan",
        own AND s.round_ended_at IS NOT NULL AND s.round_started_at >= $4 AS read,
        own AND s.round_ended_at IS NOT NULL AND s.from_nothing AND s.round_no > 1 AS unsettled
      FROM ${schema}.mailboxes b CROSS JOIN unnest($3::text[]) wanted
        JOIN ${schema}.mail_folders f ON f.mailbox_no = b.mailbox_no AND f.id = wanted
        JOIN ${schema}.sync_state s ON s.folder_no = f.folder_no
        CROSS JOIN LATERAL (SELECT coalesce(s.round_scans @> ARRAY[$2::int], false) AS own) o
      WHERE b.id = $1`,
    values: [mailboxId, scanNo, [...storedIds.keys()], wantedAt],
    prepared: true,
  });
  return new Map(rows.map((row) => [storedIds.get(row.folderId) ?? row.folderId, row]));
}
