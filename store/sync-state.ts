import type { ScanMode } from '../model/scan.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { UnknownFolder } from './errors.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/** How a folder is read: by its delta, or by listing it where Graph refuses the delta or the filters need it. */
export type ReadMethod = 'delta' | 'list';

export interface RoundRequest extends HeldMailbox {
  readonly folder: { readonly id: string };
  /** The scans that the round is to serve. */
  readonly scanNos: readonly number[];
  /** `incremental` goes on from the saved delta link, where there is one. */
  readonly mode: ScanMode;
  readonly method: ReadMethod;
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

/**
 * The folder's open round, if it serves all of these scans; otherwise a new one takes its place. The folder must have
 * been saved before.
 * @throws {LeaseLost}
 * @throws {UnknownFolder}
 */
export const openRound = (db: Database, organization: Organization, request: RoundRequest): Promise<Round> =>
  begin(db, organization, request, 'state.round_ended_at IS NULL AND state.round_scans @> excluded.round_scans');

/**
 * A new round from nothing, after Graph has refused to go on with the open one (410). The saved delta link, which grew
 * on the same lost state, is forgotten.
 * @throws {LeaseLost}
 * @throws {UnknownFolder}
 */
export const resetRound = (db: Database, organization: Organization, request: RoundRequest): Promise<Round> =>
  begin(db, organization, { ...request, mode: 'full' }, 'false', 'NULL');

/** `goesOn`: when the open round is kept. `deltaLink`: what a new round keeps of the saved link. */
async function begin(
  db: Database,
  organization: Organization,
  { folder, scanNos, mode, method, ...held }: RoundRequest,
  goesOn: string,
  deltaLink = 'state.delta_link',
): Promise<Round> {
  const { schema } = organization;
  const kept = (column: string, anew: string): string =>
    `${column} = CASE WHEN ${goesOn} THEN state.${column} ELSE ${anew} END`;
  const [round] = await queryHeld<{ [Member in keyof Round]: Round[Member] | null }>(db, organization, held, {
    text: `answer AS (
      INSERT INTO ${schema}.sync_state AS state (folder_no, round_no, round_scans, method, from_nothing, round_started_at)
      SELECT f.folder_no, 1, $4::int[], $5::text, true, now()
      FROM lease JOIN ${schema}.mail_folders f ON f.mailbox_no = lease.mailbox_no AND f.id = $3
      ON CONFLICT (folder_no) DO UPDATE SET
        ${kept('round_no', 'state.round_no + 1')},
        ${kept('round_scans', 'excluded.round_scans')},
        ${kept('method', 'excluded.method')},
        ${kept('from_nothing', `$6::text = 'full' OR excluded.method = 'list' OR ${deltaLink} IS NULL`)},
        ${kept('next_link', 'NULL')},
        ${kept('page_size', 'NULL')},
        ${kept('delta_link', deltaLink)},
        ${kept('round_started_at', 'now()')},
        ${kept('round_ended_at', 'NULL')}
      RETURNING ${ANSWER})`,
    values: [storableText(folder.id), scanNos, method, mode],
  });
  if (round?.round == null) throw new UnknownFolder(folder.id);
  return round as Round;
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
