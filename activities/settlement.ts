import { GraphError } from '../graph/errors.ts';
import { saveFolders } from '../store/folders.ts';
import { markDeleted, moveEmails, noteVanished, unsettledEmails } from '../store/settlement.ts';
import type { FolderToRead, ReadingContext } from './folder-reader.ts';

/** Messages asked about between two writes. */
const STRETCH = 200;

/**
 * After the round of all folders: what a delta said to be removed, and what a read from nothing no longer saw, is asked
 * for by id. Graph says `@removed` for a move as well as for a deletion, so nothing is taken for deleted before it has
 * answered 404. A message that cannot be asked about stays unsettled for the next read.
 */
export async function settleMailbox(
  context: ReadingContext,
  folders: readonly (Pick<FolderToRead, 'id' | 'path'> & Partial<FolderToRead>)[],
  { begun }: { readonly begun: boolean },
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos, scanId, mode, since, until, signal } = context;
  const ids = { mailboxId: mailbox.id, leaseToken };
  const [scanNo] = scanNos;
  const readBefore = begun || folders.some(({ round }) => round !== undefined && round.round > 1);
  // A window of time is listed, from nothing, whatever the mode.
  const fromNothing = mode === 'full' || since !== undefined || until !== undefined;
  if (scanNo !== undefined && fromNothing && readBefore) {
    await noteVanished(db, organization, { ...ids, scanNo, since, until });
  }
  const paths = new Map(folders.map(({ id, path }) => [id, path]));
  for (let after = 0; ;) {
    const unsettled = await unsettledEmails(db, organization, { mailboxId: mailbox.id, after, limit: STRETCH });
    const last = unsettled.at(-1);
    if (!last) return;
    after = last.no;
    const answers = await mailbox.messagesById(
      unsettled.map(({ id }) => id),
      { select: ['id', 'parentFolderId'] },
      signal,
    );
    const gone: string[] = [];
    const moved = new Map<string, string[]>();
    for (const { id } of unsettled) {
      const answer = answers.get(id);
      if (answer === 'missing') gone.push(id);
      else if (answer && !(answer instanceof GraphError) && typeof answer['parentFolderId'] === 'string') {
        moved.set(answer['parentFolderId'], [...(moved.get(answer['parentFolderId']) ?? []), id]);
      }
    }
    if (gone.length > 0) await markDeleted(db, organization, { ...ids, scanId, scanNos, ids: gone });
    for (const [folderId, movedIds] of moved) await moveTo(context, folderId, movedIds, paths);
  }
}

/** The folder may be one that no read has met yet. One that has gone again leaves its messages unsettled. */
async function moveTo(
  { db, organization, mailbox, leaseToken, scanNos, scanId, since, until, signal }: ReadingContext,
  folderId: string,
  ids: readonly string[],
  paths: Map<string, string>,
): Promise<void> {
  const held = { mailboxId: mailbox.id, leaseToken };
  const known = paths.get(folderId);
  const folder = known === undefined ? await mailbox.folder(folderId, signal) : undefined;
  const path = known ?? folder?.displayName;
  if (path === undefined) return;
  paths.set(folderId, path);
  const moved = { ...held, scanNos, scanId, folder: { id: folderId, path }, ids, since, until };
  if ((await moveEmails(db, organization, moved)) > 0 || !folder) return;
  await saveFolders(db, organization, { ...held, scanId, folders: [{ ...folder, path, wellKnownName: null }] });
  await moveEmails(db, organization, moved);
}
