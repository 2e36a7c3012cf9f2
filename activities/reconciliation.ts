import pLimit from 'p-limit';
import { GraphError } from '../graph/errors.ts';
import type { FoundMessage } from '../graph/graph.ts';
import { storableText } from '../model/text.ts';
import { isBounded, isWithin } from '../model/time-window.ts';
import {
  provenFolders,
  reconcileFolders,
  recordUnexplained,
  unnamedIds,
  type CountsToReconcile,
  type FolderCount,
} from '../store/reconciliation.ts';
import { noteUnsettled } from '../store/settlement.ts';
import { folderPlaces, openRounds, roundOf, walkAgain, type FolderPlace } from '../store/sync-state.ts';
import {
  FOLDERS_AT_ONCE,
  readFolder,
  type FolderEnd,
  type FolderToRead,
  type ReadingContext,
} from './folder-reader.ts';
import { loseFolder } from './gone-folders.ts';
import { lookAgain } from './quarantine.ts';
import { settleMailbox } from './settlement.ts';

/** A folder whose reading is done. */
export type ReadFolder = Omit<FolderToRead, 'round'>;

/** Does something about one folder; where that fails for a reason that is the folder's own, the folder has failed. */
export type FolderAttempt = (folder: ReadFolder, work: () => Promise<unknown>) => Promise<unknown>;

/** Folders counted between two writes: what is proven of a mailbox with very many is not counted again. */
const FOLDERS_A_COUNT = 500;
/** Ids of stored messages looked through at a time. */
const ROWS_A_LOOK = 10_000;

export interface Reconciling {
  readonly attempt: FolderAttempt;
  /** Aborts when what runs is to be handed back: no further folder is begun. */
  readonly stopping: AbortSignal;
}

/**
 * The proof of a read: what Graph counts in each folder is what is stored, in quarantine, or left out by the scan's own
 * window. A folder for which that does not add up may have changed since it was read, its messages may have moved, or
 * Graph may count what it does not name. So, only as far as needed:
 *
 * 1. the delta of all folders is asked what has changed since: where one has changed another may have, to the same number;
 * 2. the folder is walked again by ids alone, unless that is how it was read: what is missing is read by id, and what is
 *    there too much is asked for. What has arrived meanwhile the delta tells, asked once more;
 * 3. what is stored of the folder and that walk has not named is asked for by id. What the walk has named takes the place
 *    of the count; what Graph does not own up to is unexplained, by id.
 *
 * These readings are rounds like any others: where the slice's time is up, the next one goes on at their next link.
 * @returns `unfinished` when another slice has to bring them to their end, and then to compare
 */
export async function reconcile(
  context: ReadingContext,
  all: readonly ReadFolder[],
  { attempt, stopping }: Reconciling,
): Promise<FolderEnd> {
  const folders = all.length > FOLDERS_A_COUNT ? await unproven(context, all) : all;
  const read = (rounds: readonly FolderToRead[], how: ReadingContext): Promise<FolderEnd> =>
    readAll(how, rounds, { attempt, stopping });
  const { mode } = context;
  let open = await differing(context, folders, mode === 'full' ? 'seen' : 'rows');
  if (open.length === 0) return 'finished';
  const walked = await walkedBefore(context, folders);
  if (open.some(({ id }) => !walked.has(id))) {
    const others = folders.filter(({ id }) => !walked.has(id));
    if ((await read(await changesOf(context, others), { ...context, mode: 'incremental' })) === 'unfinished')
      return 'unfinished';
    open = await differing(context, folders, 'rows');
    const byNow = await walkedBefore(context, open);
    const unwalked = open.filter(({ id }) => !byNow.has(id));
    if ((await read(await walksOf(context, unwalked), { ...context, mode: 'full' })) === 'unfinished')
      return 'unfinished';
    open = await differing(context, open, 'rows');
  }
  // A round of changes takes the place of the walk, which must not be forgotten before it has been compared.
  const unhurried = { ...context, mode: 'incremental', timeIsUp: () => false } as const;
  if ((await read(await changesOf(context, open), unhurried)) === 'unfinished') return 'unfinished';
  for (const folder of await differing(context, open, 'rows')) await attempt(folder, () => compare(context, folder));
  return 'finished';
}

interface DifferingFolder extends ReadFolder {
  readonly count: FolderCount;
}

/** Without the folders that an earlier attempt has compared since they were last read. */
async function unproven(
  { db, organization, mailbox, scanNos }: ReadingContext,
  folders: readonly ReadFolder[],
): Promise<readonly ReadFolder[]> {
  const proven = new Set(await provenFolders(db, organization, { mailboxId: mailbox.id, scanNos }));
  return folders.filter(({ id }) => !proven.has(storableText(id)));
}

/** Counts the folders anew; returns those for which it does not add up. */
async function differing(
  context: ReadingContext,
  folders: readonly ReadFolder[],
  stored: CountsToReconcile['stored'],
): Promise<DifferingFolder[]> {
  const found: DifferingFolder[] = [];
  if (context.scanNos.length === 0) return found;
  for (let at = 0; at < folders.length; at += FOLDERS_A_COUNT) {
    found.push(...(await differingOf(context, folders.slice(at, at + FOLDERS_A_COUNT), stored)));
  }
  return found;
}

/** A folder that has gone meanwhile holds nothing. */
async function differingOf(
  context: ReadingContext,
  folders: readonly ReadFolder[],
  stored: CountsToReconcile['stored'],
): Promise<DifferingFolder[]> {
  const { db, organization, mailbox, leaseToken, scanNos, since, until, signal } = context;
  const ids = folders.map(({ id }) => id);
  const all = await mailbox.messageCounts(ids, {}, signal);
  const within = isBounded(context) ? await mailbox.messageCounts(ids, { since, until }, signal) : all;
  const counts = ids.map((folderId) => {
    const graph = all.get(folderId) ?? 0;
    return { folderId, graph, wanted: Math.min(graph, within.get(folderId) ?? 0) };
  });
  for (const folder of folders) if (!all.has(folder.id)) await loseFolder(context, folder);
  const read = { scanNos, mailboxId: mailbox.id, leaseToken };
  const unequal = new Set(await reconcileFolders(db, organization, { ...read, folders: counts, stored, since, until }));
  const countOf = new Map(counts.map((count) => [count.folderId, count]));
  return folders.flatMap((folder) => {
    const count = unequal.has(folder.id) ? countOf.get(folder.id) : undefined;
    return count ? { ...folder, count } : [];
  });
}

const placesOf = (
  { db, organization, mailbox, scanNos }: ReadingContext,
  folders: readonly ReadFolder[],
): Promise<readonly FolderPlace[]> =>
  folderPlaces(db, organization, { mailboxId: mailbox.id, folderIds: folders.map(({ id }) => id), scanNos });

/** Folders whose last round was a walk by ids for these scans. */
async function walkedBefore(context: ReadingContext, folders: readonly ReadFolder[]): Promise<ReadonlySet<string>> {
  const places = await placesOf(context, folders);
  return new Set(places.filter(({ walked }) => walked).map(({ folderId }) => folderId));
}

/** Rounds that ask the folders' delta what has changed. A window of time has no delta, nor has a folder that was listed. */
async function changesOf(context: ReadingContext, folders: readonly ReadFolder[]): Promise<FolderToRead[]> {
  if (folders.length === 0 || isBounded(context)) return [];
  const { db, organization, mailbox, leaseToken, scanNos, content } = context;
  const places = await placesOf(context, folders);
  const withDelta = new Set(places.filter(({ hasDelta }) => hasDelta).map(({ folderId }) => folderId));
  const asked = folders.filter(({ id }) => withDelta.has(id));
  const held = { mailboxId: mailbox.id, leaseToken };
  const round = { scanNos, mode: 'incremental', method: 'delta', content } as const;
  const rounds = await openRounds(db, organization, { ...held, folders: asked, ...round });
  return asked.map((folder) => ({ ...folder, round: roundOf(rounds, folder) }));
}

/** Rounds that walk the folders from nothing by ids alone; their saved delta links stay. */
async function walksOf(context: ReadingContext, folders: readonly ReadFolder[]): Promise<FolderToRead[]> {
  if (folders.length === 0) return [];
  const { db, organization, mailbox, leaseToken, scanNos, content } = context;
  const rounds = await walkAgain(db, organization, { mailboxId: mailbox.id, leaseToken, folders, scanNos, content });
  return folders.map((folder) => ({ ...folder, round: roundOf(rounds, folder) }));
}

async function readAll(
  context: ReadingContext,
  folders: readonly FolderToRead[],
  { attempt, stopping }: Reconciling,
): Promise<FolderEnd> {
  if (folders.length === 0) return 'finished';
  const limit = pLimit(FOLDERS_AT_ONCE);
  const read = (folder: FolderToRead): Promise<unknown> =>
    stopping.aborted ? Promise.resolve('unfinished') : attempt(folder, () => readFolder(context, folder));
  const ends = await Promise.all(folders.map((folder) => limit(() => read(folder))));
  if (ends.includes('unfinished')) return 'unfinished';
  await lookAgain(context, folders);
  await settleMailbox(context, { readBefore: true });
  return 'finished';
}

/** A folder that was walked by ids: what is stored of it and was not named is asked for, and what remains recorded. */
async function compare(context: ReadingContext, folder: DifferingFolder): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos, since, until } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const unexplained: string[] = [];
  const left: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const place = { scanNos, mailboxId: mailbox.id, folderId: folder.id, since, until };
    const ids: string[] = await unnamedIds(db, organization, { ...place, after, limit: ROWS_A_LOOK });
    const found = await whereabouts(context, folder, ids);
    left.push(...found.left);
    unexplained.push(...found.unclear);
    after = ids.at(-1);
  }
  if (left.length > 0) {
    await noteUnsettled(db, organization, { ...held, ids: left });
    await settleMailbox(context, { readBefore: true });
  }
  const read = { ...held, scanNos };
  await reconcileFolders(db, organization, { ...read, folders: [folder.count], stored: 'rows', since, until });
  await recordUnexplained(db, organization, { ...read, folderId: folder.id, unexplained });
}

interface Whereabouts {
  readonly here: readonly string[];
  /** Gone, or in another folder. */
  readonly left: readonly string[];
  /** Graph does not say, or names a time of arrival that is outside of the window. */
  readonly unclear: readonly string[];
}

/** Asks Graph by id where messages are. */
async function whereabouts(context: ReadingContext, folder: ReadFolder, ids: readonly string[]): Promise<Whereabouts> {
  const select = ['id', 'parentFolderId', 'receivedDateTime'];
  const answers = await context.mailbox.messagesById(ids, { select }, context.signal);
  const found: Record<keyof Whereabouts, string[]> = { here: [], left: [], unclear: [] };
  for (const id of ids) found[whereIs(context, folder, answers.get(id))].push(id);
  return found;
}

function whereIs(context: ReadingContext, folder: ReadFolder, answer: FoundMessage | undefined): keyof Whereabouts {
  if (answer === 'missing') return 'left';
  if (answer === undefined || answer instanceof GraphError) return 'unclear';
  if (answer['parentFolderId'] !== folder.id) return 'left';
  return isWithin(context, answer['receivedDateTime']) ? 'here' : 'unclear';
}
