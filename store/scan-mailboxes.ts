import type { GraphUser } from '../model/mail.ts';
import type { MailboxOutcome, MailboxReason } from '../model/scan.ts';
import { storableText } from '../model/text.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownScan } from './errors.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/** A user of the tenant, and why the scan leaves the mailbox out, if it does. */
export interface FoundUser {
  readonly user: GraphUser;
  readonly skip?: MailboxReason | undefined;
}

/** Some scans' view of one mailbox. */
export interface ScannedMailbox {
  readonly scanNos: readonly number[];
  readonly mailboxId: string;
}

/** How a mailbox ended, for the scans that read it. */
export interface MailboxEnd extends ScannedMailbox {
  readonly outcome: MailboxOutcome;
  readonly reason?: MailboxReason | undefined;
  /** Graph's error code and request id, where an error of Graph's was the reason. */
  readonly errorCode?: string | undefined;
  readonly requestId?: string | undefined;
}

/**
 * Records users of the tenant: as mailboxes of the organization, and as mailboxes of the scan, waiting or skipped, at
 * the end of its list. Users that the scan knows already keep their place and state.
 * @returns how many of these users wait, and how many are skipped
 * @throws {UnknownScan}
 */
export const recordUsers = (
  db: Database,
  organization: Organization,
  { scanNo, tenantId, users }: { scanNo: number; tenantId: string; users: readonly FoundUser[] },
): Promise<{ readonly waiting: number; readonly skipped: number }> =>
  transaction(db, async (client) => {
    // Two attempts of one discovery take turns here, so that positions stay unique.
    const [scan] = await run<{ scan_id: string }>(client, {
      text: 'SELECT scan_id FROM outhaul.scans WHERE scan_no = $1 FOR NO KEY UPDATE',
      values: [scanNo],
    });
    if (!scan) throw new UnknownScan(scanNo);
    await saveUsers(client, organization, { users, tenantId, scanId: scan.scan_id });
    const [counts] = await run<{ waiting: number; skipped: number }>(client, {
      text: `WITH listed AS (
          SELECT id, skip, no FROM json_to_recordset($2::json) AS u(id text, skip text, no int)
        ), added AS (
          INSERT INTO outhaul.scan_mailboxes (scan_no, mailbox_id, position, state, reason, ended_at)
          SELECT $1, id, row_number() OVER (ORDER BY no)
              + (SELECT coalesce(max(position), 0) FROM outhaul.scan_mailboxes WHERE scan_no = $1),
            CASE WHEN skip IS NULL THEN 'waiting' ELSE 'skipped' END, skip, CASE WHEN skip IS NOT NULL THEN now() END
          FROM listed WHERE NOT EXISTS (
            SELECT FROM outhaul.scan_mailboxes known WHERE known.scan_no = $1 AND known.mailbox_id = listed.id)
          ON CONFLICT (scan_no, mailbox_id) DO NOTHING
        )
        SELECT count(*) FILTER (WHERE skip IS NULL) AS waiting, count(skip) AS skipped FROM listed`,
      values: [scanNo, rowsOf(users)],
    });
    return counts ?? { waiting: 0, skipped: 0 };
  });

/** As JSON; of several with one id the last stays. */
function rowsOf(users: readonly FoundUser[]): string {
  const found = new Map(users.map((each) => [storableText(each.user.id), each]));
  return JSON.stringify([...found.values()].map(toRow));
}

function toRow({ user, skip }: FoundUser, no: number): object {
  const text = (value: string | null): string | null => (value === null ? null : storableText(value));
  return {
    no,
    skip,
    id: storableText(user.id),
    mail: text(user.mail),
    display_name: text(user.displayName),
    user_principal_name: text(user.userPrincipalName),
    account_enabled: user.accountEnabled,
    user_type: text(user.userType),
  };
}

/** Records users as mailboxes of the organization, found by that scan or session. One that has not changed is not rewritten. */
export async function saveUsers(
  client: Client,
  { schema }: Organization,
  { users, tenantId, scanId }: { users: readonly FoundUser[]; tenantId: string; scanId: string },
): Promise<void> {
  const columns = ['mail', 'display_name', 'user_principal_name', 'account_enabled', 'user_type', '_tenant_id'];
  await run(client, {
    text: `INSERT INTO ${schema}.mailboxes AS m (id, mail, display_name, user_principal_name, account_enabled,
        user_type, _extracted_at, _scan_id, _tenant_id, _user_email, _user_id, _user_display_name, _extraction_type)
      SELECT id, mail, display_name, user_principal_name, account_enabled,
        user_type, now(), $2, $3, coalesce(mail, user_principal_name), id, display_name, 'mailbox'
      FROM json_to_recordset($1::json) AS u(id text, mail text, display_name text, user_principal_name text,
        account_enabled boolean, user_type text)
      ON CONFLICT (id) DO UPDATE SET ${columns.map((name) => `${name} = excluded.${name}`).join(', ')},
        _user_email = excluded._user_email, _user_display_name = excluded._user_display_name,
        _extracted_at = excluded._extracted_at, _scan_id = excluded._scan_id, _deleted_at = NULL
      WHERE (${columns.map((name) => `m.${name}`).join(', ')}, m._deleted_at)
        IS DISTINCT FROM (${columns.map((name) => `excluded.${name}`).join(', ')}, NULL)`,
    values: [rowsOf(users), scanId, tenantId],
  });
}

/**
 * The next mailboxes that the scan has not ended with, in the order of its list. Start after 0; an empty answer is the
 * end. One that is `running` here was interrupted by a pause and begun once more before its reader heard of that.
 */
export async function nextMailboxes(
  db: Database,
  scanNo: number,
  after: number,
  limit: number,
): Promise<{ readonly mailboxIds: readonly string[]; readonly after: number }> {
  const rows = await query<{ mailbox_id: string; position: number }>(db, {
    text: `SELECT mailbox_id, position FROM outhaul.scan_mailboxes
      WHERE scan_no = $1 AND position > $2 AND state IN ('waiting', 'running') ORDER BY position LIMIT $3`,
    values: [scanNo, after, limit],
  });
  return { mailboxIds: rows.map(({ mailbox_id: id }) => id), after: rows.at(-1)?.position ?? after };
}

/** Of the mailboxes given, those that the scan has not ended with, in the order given. */
export async function unfinishedMailboxes(
  db: Database,
  scanNo: number,
  mailboxIds: readonly string[],
): Promise<string[]> {
  const rows = await query<{ mailbox_id: string }>(db, {
    text: `SELECT mailbox_id FROM outhaul.scan_mailboxes
      WHERE scan_no = $1 AND mailbox_id = ANY($2) AND state IN ('waiting', 'running')`,
    values: [scanNo, mailboxIds],
  });
  const unfinished = new Set(rows.map(({ mailbox_id: id }) => id));
  return mailboxIds.filter((id) => unfinished.has(id));
}

/**
 * The mailbox has ended, as a reader says under its lease. The first end stays; only `cancelled` gives way to what came of
 * it after all.
 * @throws {LeaseLost}
 */
export async function finishReading(
  db: Database,
  organization: Organization,
  { leaseToken, ...end }: MailboxEnd & HeldMailbox,
): Promise<void> {
  const held = { mailboxId: end.mailboxId, leaseToken };
  const text = `answer AS (${endStatement(3, 'FROM lease')} RETURNING scan_no)`;
  await queryHeld(db, organization, held, { text, values: endValues(end), prepared: true });
}

/** The same where nobody reads the mailbox any more. */
export async function finishMailbox(db: Database, end: MailboxEnd): Promise<void> {
  await query(db, { text: endStatement(2), values: [end.mailboxId, ...endValues(end)] });
}

/** Parameter 1 is the mailbox; `endValues` stand from `first` on. */
function endStatement(first: number, from = ''): string {
  const [scanNos, state, reason, errorCode, requestId] = [0, 1, 2, 3, 4].map((at) => `$${first + at}`);
  return `UPDATE outhaul.scan_mailboxes SET state = ${state}, reason = ${reason}, error_code = ${errorCode},
      request_id = ${requestId}, current_folder = NULL, ended_at = now(), updated_at = now()
    ${from} WHERE scan_no = ANY(${scanNos}) AND mailbox_id = $1 AND state IN ('waiting', 'running', 'cancelled')`;
}

const endValues = ({ scanNos, outcome, reason, errorCode, requestId }: MailboxEnd): unknown[] => [
  ...[scanNos, outcome, reason],
  ...[errorCode, requestId],
];
