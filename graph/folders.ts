import type { MailFolder } from '../model/mail.ts';
import { sendBatch, stretches, type InnerAnswer } from './batch.ts';
import { MAILBOX_SLOTS } from './client.ts';
import { GraphError } from './errors.ts';
import type { GraphTarget } from './refusal.ts';
import { LinkGuard } from './links.ts';
import type { MailboxClient } from './mailbox.ts';
import { collectionOf, number, text } from './pages.ts';
import { segment, withQuery } from './paths.ts';
import { workOff } from './waiting.ts';

/** Folders a page; Graph's own default is 10. */
const PAGE = 250;
const FOLDER_MEMBERS = 'id,displayName,parentFolderId,childFolderCount,totalItemCount,isHidden';
/** Folders that every mailbox has: where one is not found there is no mailbox. */
const CERTAIN_FOLDERS = new Set(['inbox', 'msgfolderroot']);

export interface FolderTreeOptions {
  /** Default false. */
  readonly includeHidden?: boolean | undefined;
}

/**
 * A folder by id or well-known name (any case), or undefined where the mailbox has none such. Ids that Graph calls
 * malformed are folders that do not exist.
 * https://learn.microsoft.com/graph/api/resources/mailfolder
 * @throws GraphError `mailbox_missing`, `mailbox_denied`
 */
export async function readFolder(
  mailbox: MailboxClient,
  idOrName: string,
  signal: AbortSignal,
): Promise<MailFolder | undefined> {
  try {
    return await askFolder(mailbox, idOrName, signal);
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const isCertain = CERTAIN_FOLDERS.has(idOrName.toLowerCase());
    if (error.kind === 'folder_missing' && isCertain) {
      throw new GraphError(error.message, { ...error, kind: 'mailbox_missing', cause: error });
    }
    if (isCertain) throw error;
    if (error.kind === 'folder_missing' || error.kind === 'bad_request') return undefined;
    // Some data centres say of a missing folder what others say of a missing mailbox, so the inbox decides.
    if (error.code.toLowerCase() !== 'resourcenotfound') throw error;
    await askFolder(mailbox, 'inbox', signal);
    return undefined;
  }
}

/**
 * Folders by well-known name, in batches; those that the mailbox lacks are absent. What a batch cannot tell, because it
 * was throttled or the mailbox itself cannot be read, is asked for singly.
 * https://learn.microsoft.com/graph/json-batching
 * @throws GraphError `mailbox_missing`, `mailbox_denied`
 */
export async function readFolders(
  mailbox: MailboxClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, MailFolder>> {
  const folders = new Map<string, MailFolder>();
  for (const some of stretches(mailbox, names)) {
    const requests = some.map((name) => ({
      path: withQuery(`/mailFolders/${segment(name)}`, { $select: FOLDER_MEMBERS }),
    }));
    const answers = await sendBatch(mailbox, requests, 'folder', signal);
    for (const [index, name] of some.entries()) {
      const answer = answers[index];
      if (isMissing(answer) && !CERTAIN_FOLDERS.has(name)) continue;
      const told = answer?.status === 200 ? folderOf(Object(answer.body) as Record<string, unknown>) : undefined;
      const folder = told ?? (await readFolder(mailbox, name, signal));
      if (folder) folders.set(name, folder);
    }
  }
  return folders;
}

function isMissing(answer: InnerAnswer | undefined): boolean {
  const { error } = Object(answer?.body) as { error?: { code?: unknown } };
  return answer?.status === 404 && String(error?.code).toLowerCase() === 'erroritemnotfound';
}

async function askFolder(mailbox: MailboxClient, idOrName: string, signal: AbortSignal): Promise<MailFolder> {
  const path = withQuery(`/mailFolders/${segment(idOrName)}`, { $select: FOLDER_MEMBERS });
  const { content } = await mailbox.send({ kind: 'folder', target: 'folder', path, signal });
  const folder = folderOf(content as Record<string, unknown>);
  if (folder === undefined) {
    throw new GraphError('A folder came without an id', { kind: 'unavailable', code: 'Truncated' });
  }
  return folder;
}

/**
 * Every folder below the mailbox's root, parents before their children, search folders marked virtual. Collections are
 * read several at a time, as far as the mailbox's slots allow; memory and stack do not grow with the depth.
 * @throws GraphError `mailbox_missing`, `mailbox_denied`, `LinkLoop`
 */
export async function readFolderTree(
  mailbox: MailboxClient,
  { includeHidden = false }: FolderTreeOptions,
  signal: AbortSignal,
): Promise<MailFolder[]> {
  const query = { $select: FOLDER_MEMBERS, $top: PAGE, ...(includeHidden && { includeHiddenFolders: 'true' }) };
  const folders = new Map<string, MailFolder>();
  const root: FolderCollection = { path: withQuery('/mailFolders', query), target: 'mailbox' };
  const queue = [root];

  async function readCollection({ path, target }: FolderCollection, inner: AbortSignal): Promise<void> {
    const guard = new LinkGuard();
    for (let where: { path: string } | { link: string } = { path }; ;) {
      const { value, next } = collectionOf(await mailbox.send({ kind: 'folders', target, signal: inner, ...where }));
      for (const folder of value.flatMap((entry) => folderOf(entry) ?? [])) {
        if (folders.has(folder.id)) continue;
        folders.set(folder.id, folder);
        // Whether the count includes hidden children is not documented.
        if (folder.childFolderCount === 0 && !includeHidden) continue;
        queue.push({ path: withQuery(`/mailFolders/${segment(folder.id)}/childFolders`, query), target: 'folder' });
      }
      if (next === undefined) return;
      guard.pass(next);
      where = { link: next };
    }
  }

  await workOff(queue, MAILBOX_SLOTS, signal, async (collection, inner) => {
    try {
      await readCollection(collection, inner);
    } catch (error) {
      const isGone =
        error instanceof GraphError && (error.kind === 'folder_missing' || error.code === 'ResourceNotFound');
      // A folder that was deleted meanwhile has no children to tell of.
      if (collection === root || !isGone) throw error;
    }
  });
  return [...folders.values()];
}

interface FolderCollection {
  readonly path: string;
  readonly target: GraphTarget;
}

function folderOf(entry: Readonly<Record<string, unknown>>): MailFolder | undefined {
  const id = text(entry['id']);
  if (id === null) return undefined;
  const type = entry['@odata.type'];
  return {
    id,
    displayName: text(entry['displayName']) ?? '',
    parentFolderId: text(entry['parentFolderId']),
    childFolderCount: number(entry['childFolderCount']) ?? 0,
    totalItemCount: number(entry['totalItemCount']) ?? 0,
    isHidden: entry['isHidden'] === true,
    isVirtual: typeof type === 'string' && type.toLowerCase().endsWith('mailsearchfolder'),
  };
}
