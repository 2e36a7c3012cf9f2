import type { MailboxReason, MailboxState } from '../model/scan.ts';
import { query, type Database } from './database.ts';
import { InvalidCursor } from './errors.ts';
import { organizationOf, type Organization } from './organizations.ts';
import { DIFFERENCES, NO_DIFFERENCES, type ScanDifferences } from './scan-differences.ts';
import type { FolderState } from './scan-folders.ts';
import { contentsByFolder, contentsOfScan, lacksContents, NO_CONTENTS, type ScanContents } from './scan-contents.ts';
import type { Scan } from './scans.ts';

/** What a scan knows of one folder: what Graph holds, what is stored, what is left out and why. */
export interface CoveredFolder extends ScanDifferences, ScanContents {
  /** The id in Graph, or the name asked for where the mailbox has no such folder. */
  readonly folderId: string;
  readonly path: string;
  readonly state: FolderState;
  /** Messages that Graph holds. Null, as the ones below, until the folder was reconciled. */
  readonly graph: number | null;
  readonly stored: number | null;
  readonly quarantined: number | null;
  /** Outside of the window of time that the scan asked for. */
  readonly leftOut: number | null;
  /** Messages that Graph names and nothing accounts for, or that are stored and Graph does not own up to. */
  readonly unexplained: number | null;
  /** Their ids, a hundred at most. */
  readonly unexplainedMessages: readonly string[];
  /** The folder's own counter, a hint: items that are no messages are in it. */
  readonly folderCounter: number | null;
  readonly reconciledAt: string | null;
  readonly errorCode: string | null;
  readonly requestId: string | null;
}

/** One mailbox of the tenant, read or not. */
export interface CoveredMailbox {
  readonly mailboxId: string;
  /** Its address, where it has one. */
  readonly address: string | null;
  readonly state: MailboxState;
  /** Why it was not read, or not wholly; `disabled`: an account that is switched off and has no mailbox. */
  readonly reason: MailboxReason | 'disabled' | null;
  readonly errorCode: string | null;
  readonly requestId: string | null;
  readonly folders: readonly CoveredFolder[];
}

export interface CoverageTotals extends ScanDifferences, ScanContents {
  readonly mailboxes: number;
  /** Mailboxes that were read to their end. */
  readonly mailboxesRead: number;
  /** The others, by state and reason. */
  readonly notRead: readonly {
    readonly state: MailboxState;
    readonly reason: string | null;
    readonly mailboxes: number;
  }[];
  /** Folders that were read and reconciled. */
  readonly folders: number;
  /** Folders that failed or were not read to their end. */
  readonly foldersNotRead: number;
  /** Folders asked for that a mailbox does not have. */
  readonly foldersMissing: number;
  readonly graph: number;
  readonly stored: number;
  readonly quarantined: number;
  readonly leftOut: number;
  readonly unexplained: number;
}

export interface CoveragePage {
  readonly mailboxes: readonly CoveredMailbox[];
  /** Where the next page begins; null on the last one. */
  readonly nextCursor: string | null;
}

/** Of a mailbox row `m` beside its line `s` in the scan. */
const REASON = `CASE WHEN s.reason = 'no_mailbox' AND m.account_enabled = false THEN 'disabled' ELSE s.reason END`;

/** The sums over all mailboxes of a scan. */
export async function coverageTotals(db: Database, { scanNo, organizationId }: Scan): Promise<CoverageTotals> {
  const organization = await organizationOf(db, organizationId);
  const { schema } = organization;
  const [folders] = await query<Omit<CoverageTotals, 'mailboxes' | 'mailboxesRead' | 'notRead' | keyof ScanContents>>(
    db,
    {
      text: `SELECT count(reconciled_at) FILTER (WHERE state = 'completed') AS folders,
        count(*) FILTER (WHERE state IN ('failed', 'running') OR state = 'completed' AND reconciled_at IS NULL) AS "foldersNotRead",
        count(*) FILTER (WHERE state = 'missing') AS "foldersMissing",
        coalesce(sum(graph_messages), 0) AS graph, coalesce(sum(stored), 0) AS stored,
        coalesce(sum(quarantined), 0) AS quarantined, coalesce(sum(left_out), 0) AS "leftOut",
        coalesce(sum(unexplained), 0) AS unexplained, ${DIFFERENCES}
      FROM outhaul.scan_folders WHERE scan_no = $1`,
      values: [scanNo],
    },
  );
  const states = await query<{ state: MailboxState; reason: string | null; mailboxes: number }>(db, {
    text: `SELECT s.state, ${REASON} AS reason, count(*) AS mailboxes
      FROM outhaul.scan_mailboxes s LEFT JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id
      WHERE s.scan_no = $1 GROUP BY 1, 2 ORDER BY 1, 2`,
    values: [scanNo],
  });
  const sum = (of: typeof states): number => of.reduce((total, { mailboxes }) => total + mailboxes, 0);
  return {
    mailboxes: sum(states),
    mailboxesRead: sum(states.filter(({ state }) => state === 'completed')),
    notRead: states.filter(({ state }) => state !== 'completed'),
    ...(folders ?? NO_FOLDERS),
    ...(await contentsOfScan(db, organization, scanNo)),
  };
}

const NO_FOLDERS = {
  folders: 0,
  foldersNotRead: 0,
  foldersMissing: 0,
  graph: 0,
  stored: 0,
  quarantined: 0,
  leftOut: 0,
  unexplained: 0,
  ...NO_DIFFERENCES,
};

export interface CoverageRequest {
  /** Mailboxes to answer. */
  readonly limit: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
  /** Only mailboxes in which something is missing: not read for a reason that is a fault, in quarantine or unexplained. */
  readonly incomplete?: boolean | undefined;
  /** Reasons that are no fault. */
  readonly harmless: readonly string[];
}

/** The mailboxes of a scan, in the order of its list, each with its folders by path. */
export async function coveragePage(
  db: Database,
  { scanNo, organizationId }: Scan,
  { limit, cursor, incomplete = false, harmless }: CoverageRequest,
): Promise<CoveragePage> {
  const organization = await organizationOf(db, organizationId);
  const { schema } = organization;
  const found = await query<Omit<CoveredMailbox, 'folders'> & { position: number }>(db, {
    text: `SELECT s.position, s.mailbox_id AS "mailboxId", coalesce(m.mail, m.user_principal_name) AS address, s.state,
        ${REASON} AS reason, s.error_code AS "errorCode", s.request_id AS "requestId"
      FROM outhaul.scan_mailboxes s LEFT JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id
      WHERE s.scan_no = $1 AND s.position > $2 AND (NOT $4 OR ${INCOMPLETE} OR ${lacksContents(organization, '$1')})
      ORDER BY s.position LIMIT $3 + 1`,
    values: [scanNo, positionIn(cursor), limit, incomplete, harmless],
  });
  const mailboxes = found.slice(0, limit);
  const folders = await foldersOf(
    db,
    organization,
    scanNo,
    mailboxes.map(({ mailboxId }) => mailboxId),
  );
  const last = mailboxes.at(-1);
  return {
    mailboxes: mailboxes.map(({ position: _position, ...mailbox }) => ({
      ...mailbox,
      folders: folders.get(mailbox.mailboxId) ?? [],
    })),
    nextCursor: last && found.length > limit ? Buffer.from(`coverage:${last.position}`).toString('base64url') : null,
  };
}

const INCOMPLETE = `(s.state <> 'completed' AND NOT (s.state = 'skipped' AND s.reason = ANY($5))
  OR EXISTS (SELECT FROM outhaul.scan_folders f WHERE f.scan_no = $1 AND f.mailbox_id = s.mailbox_id
    AND (f.state IN ('failed', 'running') OR f.quarantined > 0 OR f.unexplained > 0)))`;

function positionIn(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const position = /^coverage:(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1];
  if (position === undefined) throw new InvalidCursor();
  return Number(position);
}

async function foldersOf(
  db: Database,
  organization: Organization,
  scanNo: number,
  mailboxIds: readonly string[],
): Promise<Map<string, CoveredFolder[]>> {
  const rows = await query<Omit<CoveredFolder, keyof ScanContents> & { mailboxId: string }>(db, {
    text: `SELECT f.mailbox_id AS "mailboxId", f.folder_id AS "folderId", f.path, f.state, f.graph_messages AS graph,
        f.stored, f.quarantined, f.left_out AS "leftOut",
        CASE WHEN f.reconciled_at IS NOT NULL THEN coalesce(f.unexplained, 0) END AS unexplained,
        ARRAY(SELECT u.message_id FROM outhaul.unexplained_messages u WHERE u.scan_no = f.scan_no
          AND u.mailbox_id = f.mailbox_id AND u.folder_id = f.folder_id ORDER BY u.message_key LIMIT 100)
          AS "unexplainedMessages",
        f.added, f.changed, f.moved, f.deleted, f.restored,
        f.graph_count AS "folderCounter", f.reconciled_at AS "reconciledAt", f.error_code AS "errorCode",
        f.request_id AS "requestId"
      FROM outhaul.scan_folders f WHERE f.scan_no = $1 AND f.mailbox_id = ANY($2) ORDER BY f.mailbox_id, f.path, f.folder_id`,
    values: [scanNo, mailboxIds],
  });
  const contents = await contentsByFolder(db, organization, { scanNo, mailboxIds });
  const folders = new Map<string, CoveredFolder[]>();
  for (const { mailboxId, ...row } of rows) {
    const folder = { ...row, ...(contents.get(mailboxId)?.get(row.folderId) ?? NO_CONTENTS) };
    folders.set(mailboxId, [...(folders.get(mailboxId) ?? []), folder]);
  }
  return folders;
}
