import { noteFoldersGone, otherFolders } from '../store/folders.ts';
import { missingFolder } from '../store/scan-folders.ts';
import type { ReadingContext } from './folder-reader.ts';

/**
 * Folders that are stored and that a mailbox's whole tree does not show. Hidden ones, and those outside of the tree, are
 * still there when asked for; of the others, the messages that lay in them have to be found again.
 */
export async function noteAbsentFolders(
  context: ReadingContext,
  tree: readonly { readonly id: string }[],
): Promise<void> {
  const { db, organization, mailbox, signal } = context;
  const ids = tree.map(({ id }) => id);
  for (const id of await otherFolders(db, organization, { mailboxId: mailbox.id, ids })) {
    if (!(await mailbox.folder(id, signal))) await noteGone(context, id);
  }
}

/** A folder went away while it was being read: the mailbox does not have it, which is no fault. */
export async function loseFolder(
  context: ReadingContext,
  { id, path }: { readonly id: string; readonly path: string },
): Promise<void> {
  await noteGone(context, id);
  const { db, organization, leaseToken, scanNos, mailbox } = context;
  await missingFolder(db, organization, { scanNos, mailboxId: mailbox.id, leaseToken, name: path });
}

const noteGone = ({ db, organization, mailbox, leaseToken }: ReadingContext, id: string): Promise<number> =>
  noteFoldersGone(db, organization, { mailboxId: mailbox.id, leaseToken, ids: [id] });
