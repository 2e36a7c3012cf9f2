import pLimit from 'p-limit';
import { GraphError, mayBeContent } from '../graph/errors.ts';
import type { FoundMessage, MessagesPage } from '../graph/graph.ts';
import { LinkGuard } from '../graph/links.ts';
import { storableText } from '../model/text.ts';
import {
  reconcileFolders,
  recordUnexplained,
  storedIds,
  unaccountedFor,
  type CountsToReconcile,
} from '../store/reconciliation.ts';
import { noteUnsettled } from '../store/settlement.ts';
import { openRounds, roundOf, walkAgain } from '../store/sync-state.ts';
import { readFolder, type FolderToRead, type ReadingContext } from './folder-reader.ts';
import { loseFolder } from './gone-folders.ts';
import { lookAgain } from './quarantine.ts';
import { settleMailbox } from './settlement.ts';

/** A folder whose reading is done. */
export type ReadFolder = Omit<FolderToRead, 'round'>;

/** Does something about one folder; where that fails for a reason that is the folder's own, the folder has failed. */
export type FolderAttempt = (folder: ReadFolder, work: () => Promise<unknown>) => Promise<unknown>;

/** Folders of a mailbox read at a time. */
const AT_A_TIME = 3;
/** Ids asked for in one page. */
const IDS_A_PAGE = 1000;
/** Ids of stored messages looked through at a time. */
const ROWS_A_LOOK = 10_000;

/**
 * The proof of a read: what Graph counts in each folder is what is stored, in quarantine, or left out by the scan's own
 * window. A folder for which that does not add up may have changed since it was read, its messages may have moved, or
 * Graph may count what it does not name. So, only as far as needed:
 *
 * 1. the delta of all folders is asked what has changed since: where one has changed another may have, to the same number;
 * 2. the folder is walked again by ids alone, which reads what is missing by id, and asks for what is there too much;
 * 3. the ids that Graph names are compared with the store, one by one. What this walk names takes the place of the count;
 *    what it names and nothing accounts for, even after the delta was asked once more, is unexplained, by id. So is what
 *    is stored and the walk does not name, unless Graph, asked by id, says that it lies there all the same, or has left.
 */
export async function reconcile(
  context: ReadingContext,
  folders: readonly ReadFolder[],
  attempt: FolderAttempt,
): Promise<void> {
  let open = await differing(context, folders, context.mode === 'full' ? 'seen' : 'rows');
  if (open.length > 0) {
    await catchUp(context, folders, attempt);
    open = await differing(context, folders, 'rows');
  }
  if (open.length > 0) {
    await walkOnce(context, open, attempt);
    open = await differing(context, open, 'rows');
  }
  for (const folder of open) await attempt(folder, () => compareIds(context, folder, attempt));
}

interface DifferingFolder extends ReadFolder {
  /** How many of its messages are outside of the window. */
  readonly leftOut: number;
}

/** Counts the folders anew; returns those for which it does not add up. One that has gone meanwhile holds nothing. */
async function differing(
  context: ReadingContext,
  folders: readonly ReadFolder[],
  stored: CountsToReconcile['stored'],
): Promise<DifferingFolder[]> {
  const { db, organization, mailbox, leaseToken, scanNos, since, until, signal } = context;
  if (folders.length === 0 || scanNos.length === 0) return [];
  const ids = folders.map(({ id }) => id);
  const all = await mailbox.messageCounts(ids, {}, signal);
  const windowed = since !== undefined || until !== undefined;
  const within = windowed ? await mailbox.messageCounts(ids, { since, until }, signal) : all;
  const counts = ids.map((folderId) => {
    const graph = all.get(folderId) ?? 0;
    return { folderId, graph, wanted: Math.min(graph, within.get(folderId) ?? 0) };
  });
  for (const folder of folders) if (!all.has(folder.id)) await loseFolder(context, folder);
  const unequal = new Set(
    await reconcileFolders(db, organization, {
      scanNos,
      mailboxId: mailbox.id,
      leaseToken,
      folders: counts,
      stored,
      since,
      until,
    }),
  );
  const leftOut = new Map(counts.map(({ folderId, graph, wanted }) => [folderId, graph - wanted]));
  return folders
    .filter(({ id }) => unequal.has(id))
    .map((folder) => ({ ...folder, leftOut: leftOut.get(folder.id) ?? 0 }));
}

/** Asks the folders' delta what has changed since they were read. A window of time has no delta. */
async function catchUp(context: ReadingContext, folders: readonly ReadFolder[], attempt: FolderAttempt): Promise<void> {
  if (context.since !== undefined || context.until !== undefined) return;
  const { db, organization, mailbox, leaseToken, scanNos } = context;
  const incremental = { ...context, mode: 'incremental' } as const;
  const rounds = await openRounds(db, organization, {
    mailboxId: mailbox.id,
    leaseToken,
    folders,
    scanNos,
    mode: 'incremental',
    method: 'delta',
  });
  await readAll(
    incremental,
    folders.map((folder) => ({ ...folder, round: roundOf(rounds, folder) })),
    attempt,
  );
}

/** Walks the folders from nothing by ids alone; their saved delta links stay. */
async function walkOnce(
  context: ReadingContext,
  folders: readonly ReadFolder[],
  attempt: FolderAttempt,
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos } = context;
  const rounds = await walkAgain(db, organization, { mailboxId: mailbox.id, leaseToken, folders, scanNos });
  await readAll(
    { ...context, mode: 'full' },
    folders.map((folder) => ({ ...folder, round: roundOf(rounds, folder) })),
    attempt,
  );
}

async function readAll(
  context: ReadingContext,
  folders: readonly FolderToRead[],
  attempt: FolderAttempt,
): Promise<void> {
  // To the end, whatever the slice's time: a walk that stopped in the middle would prove nothing.
  const unhurried = { ...context, timeIsUp: () => false };
  const limit = pLimit(AT_A_TIME);
  await Promise.all(folders.map((folder) => limit(() => attempt(folder, () => readFolder(unhurried, folder)))));
  await lookAgain(unhurried, folders);
  await settleMailbox(unhurried, folders, { begun: true });
}

async function compareIds(context: ReadingContext, folder: DifferingFolder, attempt: FolderAttempt): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos, since, until } = context;
  const mailboxId = mailbox.id;
  const named = new Set<number>();
  let missing: string[] = [];
  for await (const ids of idPages(context, folder)) {
    for (const id of ids) named.add(fingerprint(storableText(id)));
    missing.push(...(await unaccountedFor(db, organization, { mailboxId, ids })));
  }
  if (missing.length > 0) {
    await catchUp(context, [folder], attempt);
    const still = await unaccountedFor(db, organization, { mailboxId, ids: [...new Set(missing)] });
    const { left, ...asked } = await whereabouts(context, folder, still);
    missing = [...asked.here, ...asked.unclear];
    for (const id of left) named.delete(fingerprint(storableText(id)));
  }
  const unexplained = [...missing, ...(await surplus(context, folder, named))];
  const read = { scanNos, mailboxId, leaseToken };
  const counts = { folderId: folder.id, graph: named.size + folder.leftOut, wanted: named.size };
  await reconcileFolders(db, organization, { ...read, folders: [counts], stored: 'rows', since, until });
  await recordUnexplained(db, organization, { ...read, folderId: folder.id, unexplained });
}

/**
 * What is stored of the folder and was not named. What lies there all the same, Graph names by id, and is added to
 * `named`; what has left is settled.
 * @returns what remains
 */
async function surplus(context: ReadingContext, folder: ReadFolder, named: Set<number>): Promise<readonly string[]> {
  const { db, organization, mailbox, leaseToken, scanNos, since, until } = context;
  const mailboxId = mailbox.id;
  const over: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const place = { scanNos, mailboxId, folderId: folder.id, since, until };
    const ids: string[] = await storedIds(db, organization, { ...place, after, limit: ROWS_A_LOOK });
    over.push(...ids.filter((id) => !named.has(fingerprint(id))));
    after = ids.at(-1);
  }
  if (over.length === 0) return [];
  const { here, left, unclear } = await whereabouts(context, folder, over);
  for (const id of here) named.add(fingerprint(id));
  if (left.length > 0) {
    await noteUnsettled(db, organization, { mailboxId, leaseToken, ids: left });
    await settleMailbox(context, [folder], { begun: true });
  }
  return unclear;
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

function whereIs(
  { since, until }: ReadingContext,
  folder: ReadFolder,
  answer: FoundMessage | undefined,
): keyof Whereabouts {
  if (answer === 'missing') return 'left';
  if (answer === undefined || answer instanceof GraphError) return 'unclear';
  if (answer['parentFolderId'] !== folder.id) return 'left';
  const { receivedDateTime } = answer;
  const received = typeof receivedDateTime === 'string' ? Date.parse(receivedDateTime) : NaN;
  const isEarly = since !== undefined && received < Date.parse(since);
  const isLate = until !== undefined && received >= Date.parse(until);
  return isEarly || isLate ? 'unclear' : 'here';
}

async function* idPages(context: ReadingContext, { id: folderId }: ReadFolder): AsyncGenerator<string[]> {
  const { mailbox, pageLimit, since, until, signal } = context;
  const links = new LinkGuard();
  let size = pageLimit.toRemember ?? IDS_A_PAGE;
  const ask = async (link: string | undefined): Promise<MessagesPage> => {
    for (;;) {
      const request = { folderId, mode: 'list', pageSize: size, select: ['id'], link, since, until } as const;
      try {
        return await mailbox.messages(request, signal);
      } catch (error) {
        if (size === 1 || !(error instanceof GraphError) || !mayBeContent(error)) throw error;
        size = Math.ceil(size / 2);
      }
    }
  };
  for (let link: string | undefined; ;) {
    const page = await ask(link);
    yield page.messages.map(({ id }) => id);
    if (page.next === undefined) return;
    links.pass(page.next);
    link = page.next;
  }
}

/** 53 bits of an id (FNV-1a, twice): a million ids fit into some tens of megabytes, and hardly ever share one. */
function fingerprint(id: string): number {
  let high = 0x811c9dc5;
  let low = 0x1b873593;
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x85ebca6b) + at;
  }
  return (high >>> 0) * 0x200000 + ((low >>> 0) >>> 11);
}
