import { createHash } from 'node:crypto';
import { storableText } from '../model/text.ts';
import { query, type Database, type Statement } from './database.ts';
import { heldStatement, queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/** A message that could not be read wholly, or that the database refused, and why. */
export interface UnreadableMessage {
  readonly id: string;
  /** Graph's error code, one of the Graph room's own (`Timeout`), or an SQLSTATE. */
  readonly cause: string;
  readonly httpStatus?: number | undefined;
  readonly requestId?: string | undefined;
  /** Members that could not be read; none where the message was read and the database refused it. */
  readonly unreadable: readonly string[];
  /** Whether a row holds what could be read now; one that holds an earlier version counts as well. */
  readonly stored: boolean;
}

/** Messages of one folder, and the scan that met them; null: none did. */
export interface MessagesToQuarantine {
  readonly folder: { readonly id: string };
  readonly scanNo: number | null;
  readonly messages: readonly UnreadableMessage[];
}

/** A message in quarantine, as whoever tries it again needs it. */
export interface QuarantinedMessage {
  readonly id: string;
  readonly folder: { readonly id: string; readonly path: string };
  readonly stored: boolean;
  /** What is kept of messages of its folder: it is to be read with as much. */
  readonly content: 'full' | 'headers';
}

/** How a message left the quarantine: it could be read after all, or Graph does not have it any more. */
export type Resolution = 'stored' | 'gone';

/** The cause of a message that a page named and that was not there when it was asked for. */
export const NOT_FOUND = 'ErrorItemNotFound';

/**
 * Begins what stands in the place of an id that nobody could find out: no page can hold the message, not even one of ids
 * alone. What follows is where it lies in its folder. Such messages cannot be asked for, only walked past.
 */
const UNNAMED = '?position=';
export const unnamedMessage = (position: number): string => `${UNNAMED}${position}`;
/** SQL: whether the message of `q` has a name. */
export const IS_NAMED = `NOT starts_with(q.message_id, '${UNNAMED}')`;

/** Ids of any length are found by this. */
export const messageKey = (id: string): Buffer => createHash('sha256').update(storableText(id)).digest();

/**
 * Puts messages into quarantine, or notes that they still belong there: one more attempt, which answers what was asked
 * for.
 * @throws {LeaseLost}
 */
export async function quarantineMessages(
  db: Database,
  organization: Organization,
  { mailboxId, leaseToken, ...entries }: HeldMailbox & MessagesToQuarantine,
): Promise<void> {
  await queryHeld(db, organization, { mailboxId, leaseToken }, insertion(organization, entries));
}

/** The same as a statement, for a transaction that holds the lease already. */
export const quarantineStatement = (
  organization: Organization,
  { mailboxId, leaseToken, ...entries }: HeldMailbox & MessagesToQuarantine,
): Statement => heldStatement(organization, { mailboxId, leaseToken }, insertion(organization, entries));

function insertion(
  { organizationId, schema }: Organization,
  { folder, scanNo, messages }: MessagesToQuarantine,
): Statement {
  const rows = messages.map((message) => ({
    ...message,
    id: storableText(message.id),
    key: messageKey(message.id).toString('hex'),
  }));
  return {
    text: `answer AS (
      INSERT INTO outhaul.quarantine AS q (organization_id, mailbox_id, folder_id, message_id, message_key, cause,
        http_status, request_id, unreadable, stored, first_scan_no, last_scan_no)
      SELECT $4::text, lease.id, $5::text, m.id, decode(key, 'hex'), cause, "httpStatus", "requestId",
        ARRAY(SELECT json_array_elements_text(unreadable)),
        stored OR EXISTS (SELECT FROM ${schema}.emails e
          WHERE e._mailbox_no = lease.mailbox_no AND e.id = m.id AND e._deleted_at IS NULL), $6::int, $6::int
      FROM lease CROSS JOIN json_to_recordset($3::json) AS m(id text, key text, cause text, "httpStatus" int,
        "requestId" text, unreadable json, stored boolean)
      ON CONFLICT (organization_id, mailbox_id, message_key) DO UPDATE SET
        folder_id = excluded.folder_id, cause = excluded.cause, http_status = excluded.http_status,
        request_id = excluded.request_id, unreadable = excluded.unreadable, stored = q.stored OR excluded.stored,
        attempts = CASE WHEN q.resolved_at IS NULL THEN q.attempts + 1 ELSE 1 END,
        first_at = CASE WHEN q.resolved_at IS NULL THEN q.first_at ELSE now() END,
        first_scan_no = CASE WHEN q.resolved_at IS NULL THEN q.first_scan_no ELSE excluded.first_scan_no END,
        last_at = now(), last_scan_no = coalesce(excluded.last_scan_no, q.last_scan_no),
        retry_requested_at = NULL, resolved_at = NULL, resolution = NULL
      RETURNING entry_no)`,
    values: [JSON.stringify(rows), organizationId, storableText(folder.id), scanNo],
  };
}

/**
 * Messages leave the quarantine; those that are not in it do no harm.
 * @throws {LeaseLost}
 */
export async function resolveMessages(
  db: Database,
  organization: Organization,
  { ids, resolution, ...held }: HeldMailbox & { readonly ids: readonly string[]; readonly resolution: Resolution },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `answer AS (
      UPDATE outhaul.quarantine q SET resolved_at = now(), resolution = $5, retry_requested_at = NULL
      FROM lease WHERE q.organization_id = $3 AND q.mailbox_id = lease.id AND q.message_key = ANY($4::bytea[])
        AND q.resolved_at IS NULL
      RETURNING q.entry_no)`,
    values: [organization.organizationId, ids.map(messageKey), resolution],
  });
}

/** Which messages of a mailbox to try again. */
export interface RetriesDue {
  readonly mailboxId: string;
  /** Those of these folders that none of these scans has tried yet. */
  readonly folderIds: readonly string[];
  readonly scanNos: readonly number[];
  readonly limit: number;
}

const ENTRY = `q.message_id AS id, q.stored, json_build_object('id', q.folder_id, 'path', coalesce(f.path, '')) AS folder,
  CASE WHEN s.content <> 'headers' OR s.delta_link IS NOT NULL AND s.delta_content <> 'headers' THEN 'full' ELSE 'headers' END
    AS content`;

const entriesOf = ({ schema }: Organization): string => `FROM outhaul.quarantine q
  LEFT JOIN ${schema}.mailboxes m ON m.id = q.mailbox_id
  LEFT JOIN ${schema}.mail_folders f ON f.mailbox_no = m.mailbox_no AND f.id = q.folder_id
  LEFT JOIN ${schema}.sync_state s ON s.folder_no = f.folder_no
  WHERE q.organization_id = $1 AND q.mailbox_id = $2 AND q.resolved_at IS NULL AND ${IS_NAMED}`;

/** What someone has asked to be tried again, and what a scan should try by itself; the longest in quarantine first. */
export const retriesDue = (
  db: Database,
  organization: Organization,
  { mailboxId, folderIds, scanNos, limit }: RetriesDue,
): Promise<QuarantinedMessage[]> =>
  query(db, {
    text: `SELECT ${ENTRY} ${entriesOf(organization)}
        AND (q.retry_requested_at IS NOT NULL
          OR q.folder_id = ANY($3) AND NOT coalesce(q.last_scan_no = ANY($4::int[]), false))
      ORDER BY q.entry_no LIMIT $5`,
    values: [organization.organizationId, mailboxId, folderIds.map(storableText), scanNos, limit],
  });

/** What a scan was told of by a page and did not find afterwards: moved or deleted in between, unless it is there now. */
export const notFoundBy = (
  db: Database,
  organization: Organization,
  { mailboxId, scanNos, limit }: Omit<RetriesDue, 'folderIds'>,
): Promise<QuarantinedMessage[]> =>
  query(db, {
    text: `SELECT ${ENTRY} ${entriesOf(organization)} AND q.cause = $3 AND q.last_scan_no = ANY($4::int[])
      ORDER BY q.entry_no LIMIT $5`,
    values: [organization.organizationId, mailboxId, NOT_FOUND, scanNos, limit],
  });

/**
 * After a walk of a whole folder: messages without a name that it did not come by any more have been read after all, or
 * have gone.
 * @throws {LeaseLost}
 */
export async function resolveUnnamed(
  db: Database,
  organization: Organization,
  { folder, since, ...held }: HeldMailbox & { readonly folder: { readonly id: string }; readonly since: string },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `answer AS (
      UPDATE outhaul.quarantine q SET resolved_at = now(), resolution = 'stored', retry_requested_at = NULL
      FROM lease WHERE q.organization_id = $3 AND q.mailbox_id = lease.id AND q.folder_id = $4 AND q.last_at < $5
        AND q.resolved_at IS NULL AND NOT (${IS_NAMED})
      RETURNING q.entry_no)`,
    values: [organization.organizationId, storableText(folder.id), since],
  });
}
