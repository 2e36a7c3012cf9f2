import { GraphError, type GraphErrorKind } from '../graph/errors.ts';
import type { GraphMailbox } from '../graph/graph.ts';
import type { Content } from '../model/content.ts';
import type { Urgency } from '../model/delivery.ts';
import type { GraphMessage } from '../model/mail.ts';
import type { MailboxPageLimit } from '../model/page-size.ts';
import type { ScanMode } from '../model/scan.ts';
import type { TimeWindow } from '../model/time-window.ts';
import type { Database } from '../store/database.ts';
import type { Organization } from '../store/organizations.ts';
import { resetRound, type ReadMethod, type Round } from '../store/sync-state.ts';
import type { Budget, PageBudget } from './byte-budget.ts';
import type { CompletePage } from './completion.ts';
import type { Outbox } from './outbox.ts';
import { MessageAtFault, PageSource } from './page-source.ts';
import { quarantine, release, releaseUnnamed, type QuarantineState } from './quarantine.ts';
import { storeMessages, storePage } from './storing.ts';

/** Folders of a mailbox read at a time; Graph allows an app four requests at a time for a mailbox. */
export const FOLDERS_AT_ONCE = 3;

/** What the folders of one slice have in common. With a bounded window they are listed, else everything comes by delta. */
export interface ReadingContext extends TimeWindow {
  readonly db: Database;
  readonly organization: Organization;
  readonly mailbox: GraphMailbox;
  /** Its address, where that is known. */
  readonly mailboxAddress: string | null;
  readonly leaseToken: string;
  readonly signal: AbortSignal;
  readonly budget: PageBudget;
  /** Pages of the mailbox that are asked for or held at a time. */
  readonly pagesAtOnce: Budget;
  /** How many messages a page may have. */
  readonly pageLimit: MailboxPageLimit;
  readonly quarantine: QuarantineState;
  /** To whom new messages are owed, and with which urgency. */
  readonly outbox: Outbox;
  readonly urgency: Urgency;
  readonly scanNos: readonly number[];
  /** The scan that rows changed now are said to have been changed by; null: none. */
  readonly scanId: string | null;
  readonly mode: ScanMode;
  /** What is kept of messages. */
  readonly content: Content;
  /** Whether to ask for no further page. */
  timeIsUp(): boolean;
  /** Called for every committed page. */
  onPage(messages: number): void;
  /** Looks at the messages of a page before it is stored, and leaves out what is not wanted. Default: nothing. */
  readonly choose?: ((messages: readonly GraphMessage[]) => Promise<readonly GraphMessage[]>) | undefined;
  /** The session that sees messages of the pages beside the scans, by its number among these, and which of them. */
  readonly session?: {
    readonly scanNo: number;
    readonly sees: (messages: readonly GraphMessage[]) => Promise<readonly GraphMessage[]>;
  };
}

export interface FolderToRead {
  readonly id: string;
  readonly path: string;
  /** Items in it, as Graph counts: a hint of how large its pages will be. */
  readonly totalItemCount: number;
  /** Where its reading stands; another one once Graph has had it begin anew. */
  round: Round;
}

/** `unfinished`: the slice's time was up; the folder's open round goes on from its next link in the next slice. */
export type FolderEnd = 'finished' | 'unfinished';

/**
 * Reads one folder's round to its end, from nothing, from its saved delta link or from where an open round stopped.
 * A page and the link that follows it are committed together, and the next page is fetched while one is being stored.
 *
 * Three things make a folder begin anew, each once: a lost sync state; a mailbox whose delta Graph refuses (over quota),
 * which is listed instead; and a message that no page can hold. A walk cannot step over such a message, for the link
 * beyond it comes with the page that fails. But a page of ids alone does not touch what is wrong with it. So the folder
 * is walked by ids, and only the messages that are not stored in their present version are read (`completion.ts`). The
 * delta link that this walk ends with names ids for ever after, and costs a request for each message that is new; a full
 * scan begins with whole messages again. Where not even a page of ids can hold the message, the folder is listed, which
 * allows to step over a place; then the message has no name, and the folder no delta link.
 */
export async function readFolder(context: ReadingContext, folder: FolderToRead): Promise<FolderEnd> {
  const restarts = new Set<string>();
  for (;;) {
    const { round } = folder;
    try {
      return await readRound(context, folder, round);
    } catch (error) {
      const cause = error instanceof MessageAtFault ? error.cause : error;
      if (!(cause instanceof GraphError)) throw cause;
      const why = error instanceof MessageAtFault ? 'message' : cause.kind;
      const method = methodAfter(why, round.method);
      const thisOne = `${why} ${round.method}`;
      if (method === undefined || restarts.has(thisOne)) throw cause;
      restarts.add(thisOne);
      folder.round = await restart(context, folder, method);
    }
  }
}

/** How to read a folder anew after this has happened; undefined where that is no use. */
function methodAfter(why: GraphErrorKind | 'message', method: ReadMethod): ReadMethod | undefined {
  if (why === 'sync_state_lost') return method;
  if (why === 'quota_exceeded') return LISTED[method];
  return why === 'message' ? AROUND_MESSAGE[method] : undefined;
}

const LISTED = { delta: 'list', delta_ids: 'list_ids', list: undefined, list_ids: undefined } as const;
const AROUND_MESSAGE = { delta: 'delta_ids', delta_ids: 'list_ids', list: 'list_ids', list_ids: undefined } as const;

const restart = (
  { db, organization, mailbox, leaseToken, scanNos, mode, content }: ReadingContext,
  folder: FolderToRead,
  method: Round['method'],
): Promise<Round> =>
  resetRound(db, organization, { mailboxId: mailbox.id, leaseToken, folder, scanNos, mode, method, content });

async function readRound(context: ReadingContext, folder: FolderToRead, round: Round): Promise<FolderEnd> {
  const pages = new PageSource(context, folder, round);
  try {
    let ahead = pages.fetch(round.link ?? undefined);
    for (;;) {
      const fetched = await ahead;
      const { page } = fetched;
      // What was asked for is stored too: a page that is thrown away is read again.
      const following = page.next === undefined || context.timeIsUp() ? undefined : pages.fetch(page.next);
      try {
        await store(context, folder, round, pages.size, page);
      } finally {
        pages.release(fetched);
      }
      if (page.next === undefined) {
        if (round.fromNothing) await releaseUnnamed(context, folder, round);
        return 'finished';
      }
      if (!following) return 'unfinished';
      ahead = following;
    }
  } finally {
    pages.abandon();
  }
}

async function store(
  context: ReadingContext,
  folder: FolderToRead,
  round: Round,
  pageSize: number,
  page: CompletePage,
): Promise<void> {
  const { scanNos } = context;
  const { removed, unreadable, suspicious } = page;
  const { length: found } = page.messages;
  const messages = (await context.choose?.(page.messages)) ?? page.messages;
  const { length: chosen } = messages;
  const next =
    page.next !== undefined
      ? { link: page.next }
      : page.deltaLink !== undefined
        ? { deltaLink: page.deltaLink }
        : { end: true as const };
  await quarantine(context, folder, unreadable);
  const { session } = context;
  const seen = (await session?.sees(messages)) ?? [];
  const withSession = session && seen.length > 0 ? [...scanNos, session.scanNo] : scanNos;
  const seesAll = seen.length === chosen;
  // What is stored in two parts, or in part, the body does not say.
  const held = messages === page.messages && (seen.length === 0 || seesAll) ? page.held : undefined;
  const written = { folder, scanNos, messages, held, removed, suspicious };
  // In this order: what is interrupted between the two is read again.
  if (seen.length > 0 && !seesAll) {
    await storeMessages(context, { ...written, scanNos: withSession, messages: seen, removed: [] });
  }
  const { refused } = await storePage(context, {
    ...written,
    scanNos: seesAll ? withSession : scanNos,
    excluded: found - chosen,
    progress: { round: round.round, next, pageSize },
  });
  if (refused.length > 0) context.quarantine.occupied = true;
  await release(context, written, [...unreadable, ...refused]);
  context.onPage(chosen);
}
