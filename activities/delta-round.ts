import pLimit from 'p-limit';
import { saveFolders } from '../store/folders.ts';
import { liveRounds } from '../store/live-rounds.ts';
import { noteVanished } from '../store/settlement.ts';
import { openRounds, roundOf } from '../store/sync-state.ts';
import { attemptFolder } from './folder-attempt.ts';
import { planFolders } from './folder-plan.ts';
import { FOLDERS_AT_ONCE, readFolder, type FolderToRead, type ReadingContext } from './folder-reader.ts';
import { noteAbsentFolders } from './gone-folders.ts';
import type { LiveReading } from './live-reading.ts';
import { lookAgain, retryQuarantined } from './quarantine.ts';
import { settleMailbox } from './settlement.ts';

/**
 * `finished`: all that the session wants has been asked what changed since the delta was wanted. `partly`: some folders
 * failed, or are a scan's for now. `unfinished`: time was up.
 */
export type DeltaEnd = 'finished' | 'partly' | 'unfinished';

/**
 * Asks every folder that the session wants what has changed, each once since `wantedAt`, however many turns that takes: a
 * folder that a turn has read is not read again in the next. A folder that a scan is reading is left to it.
 * @param turnMs how long, after which what is left is for the next turn
 * @throws {GraphError} of a kind that concerns the mailbox or the connection, or that another attempt may mend
 */
export async function readDelta(
  live: LiveReading,
  { wantedAt, turnMs }: { readonly wantedAt: string; readonly turnMs: number },
): Promise<DeltaEnd> {
  const { folders, left } = await dueFolders(live, wantedAt);
  const endsAt = performance.now() + turnMs;
  const context: ReadingContext = {
    ...live.context,
    timeIsUp: () => performance.now() > endsAt || live.context.timeIsUp(),
  };
  await retryQuarantined(context, folders);
  const ends = await readAll(live, context, folders);
  if (ends.includes('unfinished')) return 'unfinished';
  await lookAgain(context, folders);
  if (folders.some(isAnew)) await settleVanished(live);
  await settleMailbox(context, { readBefore: false });
  return left > 0 || ends.includes('failed') ? 'partly' : 'finished';
}

/** Read from nothing although it was read before: Graph had lost its state, or does not give a delta of it. */
const isAnew = ({ round }: FolderToRead): boolean => round.fromNothing && round.round > 1;

const settleVanished = ({ context, session: { scanNo } }: LiveReading): Promise<number> => {
  const { db, organization, mailbox, leaseToken } = context;
  return noteVanished(db, organization, { mailboxId: mailbox.id, leaseToken, scanNo });
};

/** The folders to read, each with its open round, and how many are left to a scan. */
async function dueFolders(
  live: LiveReading,
  wantedAt: string,
): Promise<{ readonly folders: readonly FolderToRead[]; readonly left: number }> {
  const { context, session } = live;
  const { db, organization, mailbox, leaseToken, scanNos, scanId, content, signal } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const plan = await planFolders(mailbox, session.filters.folders, signal);
  await saveFolders(db, organization, { ...held, scanId, folders: [...plan.tree] });
  if (plan.isWhole) await noteAbsentFolders(context, plan.tree);
  const folderIds = plan.folders.map(({ id }) => id);
  const rounds = await liveRounds(db, organization, { ...held, scanNo: session.scanNo, folderIds, wantedAt });
  const due = plan.folders.filter(({ id }) => !rounds.get(id)?.ofScan && !rounds.get(id)?.read);
  // A reader was lost between the end of such a round and its settlement; another round would forget about it.
  if ([...rounds.values()].some(({ unsettled }) => unsettled)) await settleVanished(live);
  const left = plan.folders.filter(({ id }) => rounds.get(id)?.ofScan).length;
  if (due.length === 0) return { folders: [], left };
  const request = { ...held, folders: due, scanNos, mode: 'incremental', method: 'delta', content } as const;
  const opened = await openRounds(db, organization, request);
  return { folders: due.map((folder) => ({ ...folder, round: roundOf(opened, folder) })), left };
}

type FolderEnd = Awaited<ReturnType<typeof readFolder>> | 'failed';

/** One failing folder does not stop the others. */
async function readAll(
  { givesUp }: LiveReading,
  context: ReadingContext,
  folders: readonly FolderToRead[],
): Promise<FolderEnd[]> {
  const limit = pLimit(FOLDERS_AT_ONCE);
  // However late it is, each turn gets on.
  let begun = 0;
  const read = (folder: FolderToRead): Promise<FolderEnd> =>
    attemptFolder(context, folder, { work: () => readFolder(context, folder), givesUp });
  const settled = await Promise.allSettled(
    folders.map((folder) =>
      limit(() => {
        context.signal.throwIfAborted();
        return begun++ >= FOLDERS_AT_ONCE && context.timeIsUp() ? 'unfinished' : read(folder);
      }),
    ),
  );
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}
