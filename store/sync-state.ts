import { CONTENTS, DEFAULT_CONTENT, type Content } from '../model/content.ts';
import type { ScanMode } from '../model/scan.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { UnknownFolder } from './errors.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/**
 * How a folder is read: by its delta, or by listing it where Graph refuses the delta or the filters need it. `_ids`: the
 * pages name messages and their versions only, because a message of the folder is in the way of more.
 */
export type ReadMethod = 'delta' | 'list' | 'delta_ids' | 'list_ids';

export interface RoundsRequest extends HeldMailbox {
  readonly folders: readonly { readonly id: string }[];
  /** The scans that the rounds are to serve. */
  readonly scanNos: readonly number[];
  /** `incremental` goes on from the saved delta link, where there is one. */
  readonly mode: ScanMode;
  readonly method: ReadMethod;
  /** What is to be kept of messages. Default: `full`. */
  readonly content?: Content | undefined;
}

/**
 * One reading of a folder from a beginning to an end: from nothing, or from the delta link that an earlier round has
 * left. Its next link is stored with every page, so that it can be gone on with after any interruption.
 */
export interface Round {
  readonly round: number;
  /** As the round was begun, which may differ from what is asked for now. */
  readonly method: ReadMethod;
  readonly fromNothing: boolean;
  /** Where to go on; null: at the beginning of a round from nothing. */
  readonly link: string | null;
  /** Messages asked for in one page so far. */
  readonly pageSize: number | null;
  /** Whether it was open already. */
  readonly resumed: boolean;
  readonly startedAt: string;
}

const ANSWER = `round_no AS round, method, from_nothing AS "fromNothing", page_size AS "pageSize",
  coalesce(next_link, CASE WHEN NOT from_nothing THEN delta_link END) AS link,
  round_started_at < now() AS resumed, round_started_at AS "startedAt"`;

/** SQL: how much a content is; the more, the greater. */
const muchOf = (content: string): string => `array_position('{${CONTENTS.join(',')}}', ${content})`;

/**
 * For each folder its open round, if that serves all of these scans; otherwise a new one takes its place. A link goes on
 * with what its round has asked Graph for, and what was read along it was kept so: where more is to be kept than of the
 * messages up to the delta link, the round begins from nothing. The folders must have been saved before.
 * @returns the rounds by folder id
 * @throws {LeaseLost}
 * @throws {UnknownFolder}
 */
export const openRounds = (
  db: Database,
  organization: Organization,
  request: RoundsRequest,
): Promise<ReadonlyMap<string, Round>> =>
  begin(db, organization, request, 'state.round_ended_at IS NULL AND state.round_scans @> excluded.round_scans');

/**
 * A new round from nothing, after Graph has refused to go on with the open one (410). The saved delta link, which grew
 * on the same lost state, is forgotten, and so is what the scans have seen in the folder: what the new round does not
 * name has left it since.
 * @throws {LeaseLost}
 * @throws {UnknownFolder}
 */
export async function resetRound(
  db: Database,
  organization: Organization,
  { folder, ...request }: Omit<RoundsRequest, 'folders'> & { readonly folder: { readonly id: string } },
): Promise<Round> {
  const anew = { ...request, folders: [folder], mode: 'full' } as const;
  return roundOf(
    await begin(db, organization, anew, 'false', { deltaLink: 'NULL', before: unseen(organization) }),
    folder,
  );
}

/**
 * New rounds that walk the folders from nothing by ids alone, and forget what the scans have seen in them. Where the next
 * incremental round begins stays.
 * @throws {LeaseLost}
 */
export const walkAgain = (
  db: Database,
  organization: Organization,
  request: Omit<RoundsRequest, 'mode' | 'method'>,
): Promise<ReadonlyMap<string, Round>> => {
  const anew = { ...request, mode: 'full', method: 'list_ids' } as const;
  return begin(db, organization, anew, 'false', { before: unseen(organization) });
};

/** @throws {UnknownFolder} */
export function roundOf(rounds: ReadonlyMap<string, Round>, folder: { readonly id: string }): Round {
  const round = rounds.get(folder.id);
  if (!round) throw new UnknownFolder(folder.id);
  return round;
}

/** Takes what the scans have seen in the folders out of their lists and counters. Parameters as in `begin`. */
const unseen = ({ schema }: Organization): string => `forgotten AS (
      DELETE FROM outhaul.scan_messages WHERE scan_no = ANY($4::int[]) AND email_no IN (
        SELECT e._no FROM lease JOIN ${schema}.mail_folders f ON f.mailbox_no = lease.mailbox_no AND f.id = ANY($3::text[])
          JOIN ${schema}.emails e ON e._mailbox_no = lease.mailbox_no AND e._folder_no = f.folder_no)
      RETURNING scan_no
    ), tally AS MATERIALIZED (
      SELECT scan_no, count(*) AS count FROM forgotten GROUP BY scan_no
    ), folder_records AS (
      UPDATE outhaul.scan_folders f SET records = greatest(0, f.records - tally.count) FROM tally
      WHERE f.scan_no = tally.scan_no AND f.mailbox_id = $1 AND f.folder_id = ANY($3::text[])
    ), mailbox_records AS (
      UPDATE outhaul.scan_mailboxes m SET records = greatest(0, m.records - tally.count) FROM tally
      WHERE m.scan_no = tally.scan_no AND m.mailbox_id = $1
    ), `;

/**
 * `goesOn`: when the open round is kept. `deltaLink`: what a new round keeps of the saved link. `before`: what else the
 * statement does.
 */
async function begin(
  db: Database,
  organization: Organization,
  { folders, scanNos, mode, method, content = DEFAULT_CONTENT, ...held }: RoundsRequest,
  goesOn: string,
  { deltaLink = 'state.delta_link', before = '' } = {},
): Promise<Map<string, Round>> {
  const { schema } = organization;
  const kept = (column: string, anew: string): string =>
    `${column} = CASE WHEN ${goesOn} THEN state.${column} ELSE ${anew} END`;
  const storedIds = new Map(folders.map(({ id }) => [storableText(id), id]));
  const rows = await queryHeld<{ folderId: string | null } & Round>(db, organization, held, {
    text: `${before}opened AS (
      INSERT INTO ${schema}.sync_state AS state (folder_no, round_no, round_scans, method, content, from_nothing,
        round_started_at)
      SELECT f.folder_no, 1, $4::int[], $5::text, $7::text, true, now()
      FROM lease JOIN ${schema}.mail_folders f ON f.mailbox_no = lease.mailbox_no AND f.id = ANY($3::text[])
      ON CONFLICT (folder_no) DO UPDATE SET
        ${kept('round_no', 'state.round_no + 1')},
        ${kept('round_scans', 'excluded.round_scans')},
        ${kept('method', 'excluded.method')},
        ${kept('content', 'excluded.content')},
        ${kept(
          'from_nothing',
          `$6::text = 'full' OR excluded.method LIKE 'list%' OR ${deltaLink} IS NULL
          OR ${muchOf('excluded.content')} > ${muchOf('state.delta_content')}`,
        )},
        ${kept('next_link', 'NULL')},
        ${kept('page_size', 'NULL')},
        ${kept('delta_link', deltaLink)},
        ${kept('round_started_at', 'now()')},
        ${kept('round_ended_at', 'NULL')}
      RETURNING folder_no, ${ANSWER}
    ), answer AS (
      SELECT f.id AS "folderId", opened.* FROM opened JOIN ${schema}.mail_folders f USING (folder_no)
    )`,
    values: [[...storedIds.keys()], scanNos, method, mode, content],
    prepared: before === '',
  });
  const rounds = new Map<string, Round>();
  for (const { folderId, ...round } of rows) {
    const id = folderId === null ? undefined : storedIds.get(folderId);
    if (id !== undefined) rounds.set(id, round);
  }
  return rounds;
}

/** What the last round has left of a folder. */
export interface FolderPlace {
  readonly folderId: string;
  /** It was a walk by ids, from nothing to its end, for all of these scans. */
  readonly walked: boolean;
  /** An incremental round would go on from a delta link. */
  readonly hasDelta: boolean;
}

/** Where the readings of folders stand; of folders that were never read, nothing. */
export async function folderPlaces(
  db: Database,
  { schema }: Organization,
  {
    mailboxId,
    folderIds,
    scanNos,
  }: { readonly mailboxId: string; readonly folderIds: readonly string[]; readonly scanNos: readonly number[] },
): Promise<FolderPlace[]> {
  const storedIds = new Map(folderIds.map((id) => [storableText(id), id]));
  const rows = await query<FolderPlace>(db, {
    text: `SELECT f.id AS "folderId", s.delta_link IS NOT NULL AS "hasDelta",
        s.method = 'list_ids' AND s.round_ended_at IS NOT NULL AND s.round_scans @> $3::int[] AS walked
      FROM ${schema}.mailboxes m JOIN ${schema}.mail_folders f ON f.mailbox_no = m.mailbox_no AND f.id = ANY($2::text[])
        JOIN ${schema}.sync_state s USING (folder_no) WHERE m.id = $1`,
    values: [mailboxId, [...storedIds.keys()], scanNos],
  });
  return rows.map((row) => ({ ...row, folderId: storedIds.get(row.folderId) ?? row.folderId }));
}

/** Where an incremental round of the folder would begin. */
export async function deltaLinkOf(
  db: Database,
  { schema }: Organization,
  { mailboxId, folderId }: { readonly mailboxId: string; readonly folderId: string },
): Promise<string | undefined> {
  const [row] = await query<{ delta_link: string | null }>(db, {
    text: `SELECT delta_link FROM ${schema}.sync_state JOIN ${schema}.mail_folders f USING (folder_no)
      JOIN ${schema}.mailboxes m USING (mailbox_no) WHERE m.id = $1 AND f.id = $2`,
    values: [mailboxId, storableText(folderId)],
  });
  return row?.delta_link ?? undefined;
}
