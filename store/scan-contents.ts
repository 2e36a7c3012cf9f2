import { query, run, type Client, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import { NOT_FOUND } from './quarantine.ts';

/** What there is of attachments and originals of the messages that a scan has seen. */
export interface ScanContents {
  /** Attachments whose bytes are stored. */
  readonly attachments: number;
  /** Attachments that have no bytes, such as links. */
  readonly attachmentsLeftOut: number;
  /** Attachments that cannot be read, and messages whose attachments cannot be listed. */
  readonly attachmentsQuarantined: number;
  /** Messages whose original bytes are stored. */
  readonly originals: number;
  readonly originalsQuarantined: number;
}

export const NO_CONTENTS: ScanContents = {
  attachments: 0,
  attachmentsLeftOut: 0,
  attachmentsQuarantined: 0,
  originals: 0,
  originalsQuarantined: 0,
};

/**
 * Counts anew what there is of a mailbox for these scans, by folder; deleted messages apart.
 * @throws {LeaseLost}
 */
export async function countContents(
  db: Database,
  organization: Organization,
  { scanNos, ...held }: HeldMailbox & { readonly scanNos: readonly number[] },
): Promise<void> {
  const { schema } = organization;
  await queryHeld(db, organization, held, {
    text: `seen AS MATERIALIZED (
        SELECT s.scan_no, e._no, coalesce(e._folder_no, 0) AS folder_no
        FROM lease JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no AND e._deleted_at IS NULL
          JOIN outhaul.scan_messages s ON s.scan_no = ANY($3::int[]) AND s.email_no = e._no
      ), folders AS MATERIALIZED (
        SELECT DISTINCT scan_no, folder_no FROM seen
      ), parts AS (
        SELECT scan_no, folder_no, count(*) FILTER (WHERE a.state = 'stored') AS stored,
          count(*) FILTER (WHERE a.state = 'left_out') AS left_out,
          count(*) FILTER (WHERE a.state = 'quarantined') AS quarantined
        FROM seen JOIN ${schema}.attachments a ON a._email_no = seen._no GROUP BY scan_no, folder_no
      ), lists AS (
        SELECT scan_no, folder_no, count(*) AS quarantined
        FROM seen JOIN ${schema}.attachment_reads r ON r.email_no = seen._no AND r.state = 'quarantined'
        GROUP BY scan_no, folder_no
      ), wholes AS (
        SELECT scan_no, folder_no, count(*) FILTER (WHERE o.state = 'stored') AS stored,
          count(*) FILTER (WHERE o.state = 'quarantined') AS quarantined
        FROM seen JOIN ${schema}.originals o ON o._email_no = seen._no GROUP BY scan_no, folder_no
      ), left_behind AS (
        DELETE FROM ${schema}.scan_contents c USING lease
        WHERE c.scan_no = ANY($3) AND c.mailbox_no = lease.mailbox_no
          AND NOT EXISTS (SELECT FROM folders f WHERE f.scan_no = c.scan_no AND f.folder_no = c.folder_no)
      ), counted AS (
        INSERT INTO ${schema}.scan_contents (scan_no, mailbox_no, folder_no, attachments, attachments_left_out,
          attachments_quarantined, lists_quarantined, originals, originals_quarantined)
        SELECT scan_no, lease.mailbox_no, folder_no, coalesce(parts.stored, 0), coalesce(parts.left_out, 0),
          coalesce(parts.quarantined, 0), coalesce(lists.quarantined, 0), coalesce(wholes.stored, 0),
          coalesce(wholes.quarantined, 0)
        FROM lease CROSS JOIN folders LEFT JOIN parts USING (scan_no, folder_no)
          LEFT JOIN lists USING (scan_no, folder_no) LEFT JOIN wholes USING (scan_no, folder_no)
        ON CONFLICT (scan_no, mailbox_no, folder_no) DO UPDATE SET attachments = excluded.attachments,
          attachments_left_out = excluded.attachments_left_out,
          attachments_quarantined = excluded.attachments_quarantined, lists_quarantined = excluded.lists_quarantined,
          originals = excluded.originals, originals_quarantined = excluded.originals_quarantined, counted_at = now()
        RETURNING scan_no
      ), answer AS (SELECT count(*) AS counted FROM counted)`,
    values: [scanNos],
  });
}

const SUMS = `coalesce(sum(attachments), 0) AS attachments, coalesce(sum(attachments_left_out), 0) AS "attachmentsLeftOut",
  coalesce(sum(attachments_quarantined + lists_quarantined), 0) AS "attachmentsQuarantined",
  coalesce(sum(originals), 0) AS originals, coalesce(sum(originals_quarantined), 0) AS "originalsQuarantined"`;

const sumsOf = ({ schema }: Organization, scanNo: number) => ({
  text: `SELECT ${SUMS} FROM ${schema}.scan_contents WHERE scan_no = $1`,
  values: [scanNo],
});

/** Over all mailboxes of a scan, as far as they were counted. */
export async function contentsOfScan(db: Database, organization: Organization, scanNo: number): Promise<ScanContents> {
  const [sums] = await query<ScanContents>(db, sumsOf(organization, scanNo));
  return sums ?? NO_CONTENTS;
}

/** The same within a transaction. */
export async function contentsWithin(
  client: Client,
  organization: Organization,
  scanNo: number,
): Promise<ScanContents> {
  const [sums] = await run<ScanContents>(client, sumsOf(organization, scanNo));
  return sums ?? NO_CONTENTS;
}

/** By folder id, of some mailboxes by id. */
export async function contentsByFolder(
  db: Database,
  { schema }: Organization,
  { scanNo, mailboxIds }: { readonly scanNo: number; readonly mailboxIds: readonly string[] },
): Promise<Map<string, Map<string, ScanContents>>> {
  const rows = await query<ScanContents & { mailboxId: string; folderId: string }>(db, {
    text: `SELECT m.id AS "mailboxId", f.id AS "folderId", ${SUMS} FROM ${schema}.mailboxes m
        JOIN ${schema}.scan_contents c ON c.scan_no = $1 AND c.mailbox_no = m.mailbox_no
        JOIN ${schema}.mail_folders f ON f.folder_no = c.folder_no
      WHERE m.id = ANY($2) GROUP BY m.id, f.id`,
    values: [scanNo, mailboxIds],
  });
  const mailboxes = new Map<string, Map<string, ScanContents>>();
  for (const { mailboxId, folderId, ...contents } of rows) {
    mailboxes.set(mailboxId, (mailboxes.get(mailboxId) ?? new Map<string, ScanContents>()).set(folderId, contents));
  }
  return mailboxes;
}

/** SQL: whether something of what a scan was to keep of the mailbox `m` cannot be read. */
export const lacksContents = ({ schema }: Organization, scanNo: string): string =>
  `EXISTS (SELECT FROM ${schema}.scan_contents c WHERE c.scan_no = ${scanNo} AND c.mailbox_no = m.mailbox_no
    AND c.attachments_quarantined + c.lists_quarantined + c.originals_quarantined > 0)`;

/**
 * Messages that scans have seen in a mailbox and that Graph did not have any more when their attachments or originals were
 * asked for.
 */
export async function missedMessages(
  db: Database,
  { schema }: Organization,
  { mailboxId, scanNos }: { readonly mailboxId: string; readonly scanNos: readonly number[] },
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `WITH missed AS MATERIALIZED (
        SELECT r.email_no FROM ${schema}.mailboxes m JOIN ${schema}.attachment_reads r ON r.mailbox_no = m.mailbox_no
        WHERE m.id = $1 AND r.state = 'quarantined' AND r.reason = $3
        UNION SELECT o._email_no FROM ${schema}.mailboxes m JOIN ${schema}.originals o ON o._mailbox_no = m.mailbox_no
        WHERE m.id = $1 AND o.state = 'quarantined' AND o.reason = $3
      )
      SELECT e.id FROM missed JOIN ${schema}.emails e ON e._no = missed.email_no AND e._deleted_at IS NULL
      WHERE EXISTS (SELECT FROM outhaul.scan_messages s WHERE s.scan_no = ANY($2::int[]) AND s.email_no = e._no)`,
    values: [mailboxId, scanNos, NOT_FOUND],
  });
  return rows.map(({ id }) => id);
}
