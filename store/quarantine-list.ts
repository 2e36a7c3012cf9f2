import { query, type Database } from './database.ts';
import { InvalidCursor } from './errors.ts';
import { IS_NAMED, messageKey, type Resolution } from './quarantine.ts';

/** Which messages in quarantine; whatever is left out does not matter. */
export interface QuarantineFilter {
  readonly messageId?: string | undefined;
  readonly mailboxId?: string | undefined;
  /** The cause's code, exactly. */
  readonly cause?: string | undefined;
  /** Messages of the folders that this scan has read, whichever scan met them first. */
  readonly scanNo?: number | undefined;
}

/** A message in quarantine, or that was, as operators see it. */
export interface QuarantineEntry {
  readonly organizationId: string;
  readonly mailboxId: string;
  readonly folderId: string;
  readonly messageId: string;
  readonly cause: string;
  readonly httpStatus: number | null;
  readonly requestId: string | null;
  readonly unreadable: readonly string[];
  readonly stored: boolean;
  readonly attempts: number;
  /** Null where no scan met it, or the scan is gone. */
  readonly firstScanId: string | null;
  readonly lastScanId: string | null;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly retryRequestedAt: string | null;
  readonly resolvedAt: string | null;
  readonly resolution: Resolution | null;
}

export interface QuarantinePage {
  readonly entries: readonly QuarantineEntry[];
  /** Where the next page begins; null on the last one. */
  readonly nextCursor: string | null;
}

/** The condition on `q` as text, with only what was given in it, so that indexes serve; and its parameters, from $1. */
function conditionOf(
  organizationId: string | null,
  { messageId, mailboxId, cause, scanNo }: QuarantineFilter,
): { readonly text: string; readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  const given = (condition: string, value: unknown): string[] =>
    value == null ? [] : [condition.replaceAll('?', `$${values.push(value)}`)];
  const conditions = [
    ...given('q.organization_id = ?', organizationId),
    ...given('q.mailbox_id = ?', mailboxId),
    ...given('q.message_key = ?', messageId === undefined ? undefined : messageKey(messageId)),
    ...given('q.cause = ?', cause),
    ...given(
      `EXISTS (SELECT FROM outhaul.scan_folders f
        WHERE f.scan_no = ? AND f.mailbox_id = q.mailbox_id AND f.folder_id = q.folder_id)`,
      scanNo,
    ),
  ];
  return { text: ['true', ...conditions].join(' AND '), values };
}

/**
 * One page of the quarantine of an organization, or of all (`null`), in the order in which messages came into it.
 * @throws {InvalidCursor}
 */
export async function listQuarantine(
  db: Database,
  {
    organizationId,
    resolved,
    limit,
    cursor,
    ...filter
  }: QuarantineFilter & {
    readonly organizationId: string | null;
    /** Those that have left it, instead of those that are in it. */
    readonly resolved: boolean;
    readonly limit: number;
    readonly cursor?: string | undefined;
  },
): Promise<QuarantinePage> {
  const { text: condition, values } = conditionOf(organizationId, filter);
  const found = await query<QuarantineEntry & { entryNo: number }>(db, {
    text: `SELECT q.entry_no AS "entryNo", q.organization_id AS "organizationId", q.mailbox_id AS "mailboxId",
        q.folder_id AS "folderId", q.message_id AS "messageId", q.cause, q.http_status AS "httpStatus",
        q.request_id AS "requestId", q.unreadable, q.stored, q.attempts, first.scan_id AS "firstScanId",
        last.scan_id AS "lastScanId", q.first_at AS "firstAt", q.last_at AS "lastAt",
        q.retry_requested_at AS "retryRequestedAt", q.resolved_at AS "resolvedAt", q.resolution
      FROM outhaul.quarantine q LEFT JOIN outhaul.scans first ON first.scan_no = q.first_scan_no
        LEFT JOIN outhaul.scans last ON last.scan_no = q.last_scan_no
      WHERE ${condition} AND q.resolved_at IS ${resolved ? 'NOT ' : ''}NULL
        AND q.entry_no > $${values.length + 1}
      ORDER BY q.entry_no LIMIT $${values.length + 2}`,
    values: [...values, cursor === undefined ? 0 : decodeCursor(cursor), limit + 1],
  });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    entries: page.map(({ entryNo: _, ...entry }) => entry),
    nextCursor: found.length > limit && last ? encodeCursor(last.entryNo) : null,
  };
}

/**
 * Asks for messages to be tried again. Whoever reads their mailboxes next does so.
 * @returns how many messages, and how many mailboxes they lie in
 */
export async function requestRetries(
  db: Database,
  organizationId: string,
  filter: QuarantineFilter,
): Promise<{ readonly messages: number; readonly mailboxes: number }> {
  const { text: condition, values } = conditionOf(organizationId, filter);
  const [asked] = await query<{ messages: number; mailboxes: number }>(db, {
    text: `WITH asked AS (
        UPDATE outhaul.quarantine q SET retry_requested_at = now()
        WHERE ${condition} AND q.resolved_at IS NULL AND ${IS_NAMED}
        RETURNING q.mailbox_id
      ) SELECT count(*) AS messages, count(DISTINCT mailbox_id) AS mailboxes FROM asked`,
    values,
  });
  return asked ?? { messages: 0, mailboxes: 0 };
}

/** The next mailboxes of which messages are to be tried again, by id. Start after ''; an empty answer is the end. */
export async function mailboxesToRetry(
  db: Database,
  { organizationId, after, limit }: { readonly organizationId: string; readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await query<{ mailbox_id: string }>(db, {
    text: `SELECT DISTINCT mailbox_id FROM outhaul.quarantine
      WHERE organization_id = $1 AND mailbox_id > $2 AND resolved_at IS NULL AND retry_requested_at IS NOT NULL
      ORDER BY mailbox_id LIMIT $3`,
    values: [organizationId, after, limit],
  });
  return rows.map(({ mailbox_id: id }) => id);
}

/** From the messages `q` in quarantine that concern the scan of parameter 1: those of the folders it has read. */
export const QUARANTINED_IN_SCAN = `FROM outhaul.scans s JOIN outhaul.quarantine q
    ON q.organization_id = s.organization_id AND q.resolved_at IS NULL
  WHERE s.scan_no = $1 AND EXISTS (SELECT FROM outhaul.scan_folders f
    WHERE f.scan_no = $1 AND f.mailbox_id = q.mailbox_id AND f.folder_id = q.folder_id)`;

const encodeCursor = (entryNo: number): string => Buffer.from(`quarantine:${entryNo}`).toString('base64url');

function decodeCursor(cursor: string): number {
  const [, entryNo] = /^quarantine:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (entryNo === undefined || encodeCursor(Number(entryNo)) !== cursor) throw new InvalidCursor();
  return Number(entryNo);
}
