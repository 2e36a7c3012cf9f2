import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';

/** A stored message of which nobody knows where it is now, and the folder it was last seen in. */
export interface UnsettledEmail {
  readonly no: number;
  readonly id: string;
  readonly folderId: string | null;
  /** The version that is stored; null where only a part of the message is. */
  readonly changeKey: string | null;
  /** Whether it is stored with its body. */
  readonly content: 'full' | 'headers';
}

/**
 * After rounds from nothing: messages stored in those folders before their round began, and not seen by the scan, are
 * unsettled from now on; of a round within a window of time, those of that window. Without `folderId` this holds for every
 * folder whose round for the scan has ended, whichever slice has read it. A folder in its first round has nothing to lose
 * and costs nothing.
 * @returns how many became unsettled
 * @throws {LeaseLost}
 */
export async function noteVanished(
  db: Database,
  organization: Organization,
  {
    scanNo,
    folderId,
    since,
    until,
    ...held
  }: HeldMailbox & {
    readonly scanNo: number;
    readonly folderId?: string;
    readonly since?: string | undefined;
    readonly until?: string | undefined;
  },
): Promise<number> {
  const { schema } = organization;
  const [answer] = await queryHeld<{ noted: number }>(db, organization, held, {
    text: `noted AS (
        UPDATE ${schema}.emails e SET _removed_at = now()
        FROM lease JOIN ${schema}.mail_folders f USING (mailbox_no) JOIN ${schema}.sync_state s USING (folder_no)
        WHERE ($4::text IS NULL OR f.id = $4) AND s.round_no > 1 AND s.from_nothing AND s.round_ended_at IS NOT NULL
          AND s.round_scans @> ARRAY[$3::int]
          AND e._mailbox_no = lease.mailbox_no AND e._folder_no = f.folder_no AND e._extracted_at < s.round_started_at
          AND e._removed_at IS NULL AND e._deleted_at IS NULL
          AND ($5::timestamptz IS NULL OR e.received_date_time >= $5)
          AND ($6::timestamptz IS NULL OR e.received_date_time < $6)
          AND NOT EXISTS (SELECT FROM ${messagesOf(scanNo)} seen WHERE seen.email_no = e._no)
        RETURNING e._no
      ), answer AS (SELECT count(*) AS noted FROM noted)`,
    values: [scanNo, folderId === undefined ? null : storableText(folderId), since, until],
  });
  return answer?.noted ?? 0;
}

/**
 * These messages are unsettled from now on.
 * @throws {LeaseLost}
 */
export async function noteUnsettled(
  db: Database,
  organization: Organization,
  { ids, ...held }: HeldMailbox & { readonly ids: readonly string[] },
): Promise<void> {
  await queryHeld(db, organization, held, {
    text: `answer AS (
        UPDATE ${organization.schema}.emails e SET _removed_at = now() FROM lease
        WHERE e._mailbox_no = lease.mailbox_no AND e.id = ANY($3::text[])
          AND e._removed_at IS NULL AND e._deleted_at IS NULL RETURNING e._no)`,
    values: [ids.map(storableText)],
  });
}

/**
 * Messages of a mailbox that are said to have left their folder, or were not seen there, after the one with the number
 * `after`, if that is given: ask Graph where they are.
 */
export const unsettledEmails = (
  db: Database,
  { schema }: Organization,
  { mailboxId, after = 0, limit }: { readonly mailboxId: string; readonly after?: number; readonly limit: number },
): Promise<UnsettledEmail[]> =>
  query(db, {
    text: `SELECT e._no AS no, e.id, f.id AS "folderId", e.change_key AS "changeKey", e._content AS content
      FROM ${schema}.emails e
      JOIN ${schema}.mailboxes m ON m.mailbox_no = e._mailbox_no
      LEFT JOIN ${schema}.mail_folders f ON f.folder_no = e._folder_no
      WHERE m.id = $1 AND e._removed_at IS NOT NULL AND e._no > $2 ORDER BY e._no LIMIT $3`,
    values: [mailboxId, after, limit],
    prepared: true,
  });

/**
 * Messages turned out to lie in this folder, which may be the one that was known. Where the folder was never saved they
 * stay unsettled. Those of the scans, or the session, that read this folder have seen them there, as far as they lie within
 * their window.
 * @returns how many of them are settled now
 * @throws {LeaseLost}
 */
export const moveEmails = (
  db: Database,
  organization: Organization,
  {
    scanId,
    scanNos = [],
    folder,
    ids,
    stale = false,
    since,
    until,
    ...held
  }: HeldMailbox & {
    readonly scanId: string | null;
    /** Default: none. */
    readonly scanNos?: readonly number[];
    readonly folder: { readonly id: string; readonly path: string };
    readonly ids: readonly string[];
    /** What is stored of them is not what Graph holds: they stay unsettled until that is written. Default: false. */
    readonly stale?: boolean;
    readonly since?: string | undefined;
    readonly until?: string | undefined;
  },
): Promise<number> => {
  const { schema } = organization;
  return settle(db, organization, held, {
    // A folder that has messages needs a sync state: its first round is then known not to be the first to store any.
    before: `target AS (
        SELECT f.folder_no FROM lease JOIN ${schema}.mail_folders f USING (mailbox_no) WHERE f.id = $5
      ), state AS (
        INSERT INTO ${schema}.sync_state (folder_no, round_no, round_ended_at) SELECT folder_no, 1, now() FROM target
        ON CONFLICT DO NOTHING
      ), came AS MATERIALIZED (
        SELECT e._no, e._deleted_at IS NOT NULL AS deleted
        FROM target CROSS JOIN lease JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no
        WHERE e.id = ANY($3::text[]) AND (e._deleted_at IS NOT NULL OR e._folder_no IS DISTINCT FROM target.folder_no)
      ),`,
    change: `parent_folder_id = $5, _folder_no = target.folder_no, _folder = $6, _deleted_at = NULL,
      _removed_at = CASE WHEN $10::boolean THEN e._removed_at END`,
    from: 'CROSS JOIN target',
    after: `told AS (
        DELETE FROM ${schema}.placed WHERE email_no = ANY(ARRAY(SELECT _no FROM settled EXCEPT SELECT _no FROM came))
      ), placed AS (
        INSERT INTO ${schema}.placed (email_no, folder_no, placed_at)
        SELECT came._no, folder_no, now() FROM came CROSS JOIN target
        ON CONFLICT (email_no) DO UPDATE SET folder_no = excluded.folder_no, placed_at = excluded.placed_at
      ), marked AS (
        INSERT INTO outhaul.scan_messages (scan_no, email_no)
        SELECT reading.scan_no, settled._no FROM settled CROSS JOIN (
          SELECT scan_no FROM outhaul.scan_folders f
          WHERE f.scan_no = ANY($7::int[]) AND f.mailbox_id = $1 AND f.folder_id = $5 AND f.state <> 'missing'
          UNION SELECT scan_no FROM target JOIN ${schema}.sync_state s USING (folder_no)
            CROSS JOIN unnest(s.round_scans) AS scan_no WHERE scan_no = ANY($7::int[])
        ) reading
        WHERE ($8::timestamptz IS NULL OR settled.received_date_time >= $8)
          AND ($9::timestamptz IS NULL OR settled.received_date_time < $9)
        ON CONFLICT DO NOTHING
        RETURNING scan_no, email_no
      ), tally AS MATERIALIZED (
        SELECT scan_no, count(*) AS count, count(*) FILTER (WHERE came.deleted) AS restored
        FROM marked LEFT JOIN came ON came._no = email_no GROUP BY scan_no
      ), folder_records AS (
        UPDATE outhaul.scan_folders f SET records = f.records + tally.count, restored = f.restored + tally.restored
        FROM tally
        WHERE f.scan_no = tally.scan_no AND f.mailbox_id = $1 AND f.folder_id = $5
      ), mailbox_records AS (
        UPDATE outhaul.scan_mailboxes m SET records = m.records + tally.count FROM tally
        WHERE m.scan_no = tally.scan_no AND m.mailbox_id = $1
      ),`,
    // Where they lie now, the page of a round counts them; here the folder that they have left does.
    count: { column: 'moved', scanNos: 7, others: 5 },
    values: [ids, scanId, storableText(folder.id), storableText(folder.path), scanNos, since, until, stale],
  });
};

/**
 * Messages turned out to be gone. The folder in which each lay last counts it, for those of the scans that read it.
 * @returns how many of them are stored
 * @throws {LeaseLost}
 */
export const markDeleted = (
  db: Database,
  organization: Organization,
  {
    scanId,
    scanNos = [],
    ids,
    ...held
  }: HeldMailbox & {
    readonly scanId: string | null;
    /** Default: none. */
    readonly scanNos?: readonly number[];
    readonly ids: readonly string[];
  },
): Promise<number> => {
  const { schema } = organization;
  return settle(db, organization, held, {
    // One that is asked for again, and still not there, is not asked for a third time.
    before: `again AS MATERIALIZED (
        SELECT e._no FROM lease JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no
        WHERE e.id = ANY($3::text[]) AND e._deleted_at IS NOT NULL
      ), told AS (
        DELETE FROM ${schema}.placed WHERE email_no = ANY(ARRAY(SELECT _no FROM again))
      ),`,
    change: '_deleted_at = coalesce(e._deleted_at, now()), _removed_at = NULL',
    count: { column: 'deleted', scanNos: 5 },
    values: [ids, scanId, scanNos],
  });
};

interface Settling {
  readonly change: string;
  /** Tables beside the mailbox's that `change` needs. */
  readonly from?: string;
  /** Parts of the statement before and after the change, which is `settled`. */
  readonly before?: string;
  readonly after?: string;
  /**
   * The column of `scan_folders` that counts what was unsettled: for the scans of the parameter `scanNos`, and not in the
   * folder of the parameter `others`.
   */
  readonly count: { readonly column: 'moved' | 'deleted'; readonly scanNos: number; readonly others?: number };
  /** From parameter 3 on: the ids, the scan that rows are said to have been changed by, and what the parts need. */
  readonly values: readonly unknown[];
}

async function settle(
  db: Database,
  organization: Organization,
  held: HeldMailbox,
  { change, from = '', before = '', after = '', count, values }: Settling,
): Promise<number> {
  const { schema } = organization;
  const { column, scanNos, others } = count;
  const [answer] = await queryHeld<{ settled: number }>(db, organization, held, {
    text: `${before} lay AS MATERIALIZED (
        SELECT e._no, f.id AS folder_id FROM lease JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no
          JOIN ${schema}.mail_folders f ON f.folder_no = e._folder_no
        WHERE e.id = ANY($3::text[]) AND e._removed_at IS NOT NULL AND e._deleted_at IS NULL
      ), settled AS (
        UPDATE ${schema}.emails e SET ${change}, _extracted_at = now(), _scan_id = $4
        FROM lease ${from} WHERE e._mailbox_no = lease.mailbox_no AND e.id = ANY($3::text[])
        RETURNING e._no, e.received_date_time
      ), counted AS (
        UPDATE outhaul.scan_folders f SET ${column} = f.${column} + left_it.count
        FROM (SELECT folder_id, count(*) FROM lay JOIN settled USING (_no) GROUP BY folder_id) left_it
        WHERE f.scan_no = ANY($${scanNos}::int[]) AND f.mailbox_id = $1 AND f.folder_id = left_it.folder_id
          ${others === undefined ? '' : `AND f.folder_id <> $${others}`}
      ), ${after} answer AS (SELECT count(*) AS settled FROM settled)`,
    values,
  });
  return answer?.settled ?? 0;
}
