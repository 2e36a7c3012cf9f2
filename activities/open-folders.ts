import { isBounded } from '../model/time-window.ts';
import { saveFolders } from '../store/folders.ts';
import { missingFolder, startFolders } from '../store/scan-folders.ts';
import { openRounds, roundOf } from '../store/sync-state.ts';
import { planFolders } from './folder-plan.ts';
import type { FolderToRead, ReadingContext } from './folder-reader.ts';
import { noteAbsentFolders } from './gone-folders.ts';
import type { ReadFolder } from './reconciliation.ts';

export interface OpenedFolders {
  /** All that the scans ask for. */
  readonly wanted: readonly ReadFolder[];
  /** What is left to read for these scans, each with its open round. */
  readonly folders: readonly FolderToRead[];
  /** Whether an earlier slice has read some of the wanted folders for these scans already. */
  readonly begun: boolean;
}

/**
 * Plans the folders of a mailbox with Graph and opens a round for each that was not finished for these scans before.
 * However many folders there are, that is one statement for the folders, one for their coverage and one for the rounds.
 */
export async function openFolders(context: ReadingContext, wanted: readonly string[]): Promise<OpenedFolders> {
  const { db, organization, scanNos, leaseToken, scanId, mailbox, mode, content, signal } = context;
  const { id: mailboxId } = mailbox;
  const read = { scanNos, mailboxId, leaseToken };
  const plan = await planFolders(mailbox, wanted, signal);
  await saveFolders(db, organization, { mailboxId, leaseToken, scanId, folders: [...plan.tree] });
  if (plan.isWhole) await noteAbsentFolders(context, plan.tree);
  for (const name of plan.missing) await missingFolder(db, organization, { ...read, name });
  const started = await startFolders(db, organization, {
    ...read,
    folders: plan.folders.map(({ id, path, totalItemCount }) => ({ id, path, graphCount: totalItemCount })),
  });
  const finished = new Set(started.filter(({ completed }) => completed).map(({ folderId }) => folderId));
  const folders = plan.folders.filter(({ id }) => !finished.has(id));
  if (folders.length === 0) return { wanted: plan.folders, folders: [], begun: true };
  const method = isBounded(context) ? 'list' : 'delta';
  const rounds = await openRounds(db, organization, {
    ...{ mailboxId, leaseToken, folders },
    ...{ scanNos, mode, method, content },
  });
  return {
    wanted: plan.folders,
    folders: folders.map((folder) => ({ ...folder, round: roundOf(rounds, folder) })),
    begun: finished.size > 0,
  };
}
