import { GraphError } from '../graph/errors.ts';
import type { GraphMailbox, MessagesPage } from '../graph/graph.ts';
import { releasePage } from '../graph/messages.ts';
import { LinkGuard } from '../graph/links.ts';
import { fittingSize, nextPageSize } from '../model/page-size.ts';
import type { ScanMode } from '../model/scan.ts';
import type { Database } from '../store/database.ts';
import type { Organization } from '../store/organizations.ts';
import { writePage } from '../store/pages.ts';
import { resetRound, type Round } from '../store/sync-state.ts';
import { completed } from './completion.ts';
import type { ByteBudget, Reservation } from './byte-budget.ts';

/** What the folders of one slice have in common. */
export interface ReadingContext {
  readonly db: Database;
  readonly organization: Organization;
  readonly mailbox: GraphMailbox;
  readonly leaseToken: string;
  readonly signal: AbortSignal;
  readonly budget: ByteBudget;
  /** Messages asked for in one page where the folder has no page size of its own yet. */
  readonly pageSize: number;
  readonly scanNos: readonly number[];
  /** The scan that rows changed now are said to have been changed by. */
  readonly scanId: string;
  readonly mode: ScanMode;
  /** Only what was received in this window; both ends open: everything, by delta. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Whether the slice should stop at the next page border. */
  timeIsUp(): boolean;
  /** Called for every committed page. */
  onPage(messages: number): void;
}

export interface FolderToRead {
  readonly id: string;
  readonly path: string;
  /** Items in it, as Graph counts: a hint of how large its pages will be. */
  readonly totalItemCount: number;
  /** Where its reading stands; another one once Graph has had it begin anew. */
  round: Round;
}

/** What a page is reserved at least, so that folders said to be empty cannot be asked for without bound. */
const LEAST_RESERVATION = 64 << 10;

/** `unfinished`: the slice's time was up; the folder's open round goes on from its next link in the next slice. */
export type FolderEnd = 'finished' | 'unfinished';

/**
 * Reads one folder's round to its end, from nothing, from its saved delta link or from where an open round stopped.
 * A page and the link that follows it are committed together, and the next page is fetched while one is being stored.
 *
 * A lost sync state starts the folder anew once; a mailbox whose delta Graph refuses (over quota) is listed instead.
 */
export async function readFolder(context: ReadingContext, folder: FolderToRead): Promise<FolderEnd> {
  for (let restarts = 0; ; restarts++) {
    const { round } = folder;
    try {
      return await readRound(context, folder, round);
    } catch (error) {
      if (restarts > 0 || !(error instanceof GraphError)) throw error;
      if (error.kind === 'sync_state_lost') folder.round = await restart(context, folder, round.method);
      else if (error.kind === 'quota_exceeded') folder.round = await restart(context, folder, 'list');
      else throw error;
    }
  }
}

const restart = (
  { db, organization, mailbox, leaseToken, scanNos, mode }: ReadingContext,
  folder: FolderToRead,
  method: Round['method'],
): Promise<Round> => resetRound(db, organization, { mailboxId: mailbox.id, leaseToken, folder, scanNos, mode, method });

async function readRound(context: ReadingContext, folder: FolderToRead, round: Round): Promise<FolderEnd> {
  const pages = new PageSource(context, folder, round);
  try {
    let ahead = pages.fetch(round.link ?? undefined);
    for (;;) {
      const fetched = await ahead;
      const { page } = fetched;
      try {
        if (page.next !== undefined && !context.timeIsUp()) ahead = pages.fetch(page.next);
        await store(context, folder, round, pages.size, page);
      } finally {
        pages.release(fetched);
      }
      if (page.next === undefined) return 'finished';
      if (context.timeIsUp()) return 'unfinished';
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
  page: MessagesPage,
): Promise<void> {
  const { db, organization, mailbox, leaseToken, scanNos, scanId } = context;
  const next =
    page.next !== undefined
      ? { link: page.next }
      : page.deltaLink !== undefined
        ? { deltaLink: page.deltaLink }
        : { end: true as const };
  await writePage(db, organization, {
    mailboxId: mailbox.id,
    leaseToken,
    folder,
    scanNos,
    scanId,
    messages: await completed(context, page.messages),
    removed: page.removed,
    suspicious: page.suspicious,
    progress: { round: round.round, next, pageSize },
  });
  context.onPage(page.messages.length);
}

interface FetchedPage {
  readonly page: MessagesPage;
  readonly reservation: Reservation;
}

/** Fetches a folder's pages within the worker's byte budget, asking for smaller ones where a body is too large. */
class PageSource {
  /** Messages asked for in one page. */
  size: number;
  readonly #context: ReadingContext;
  readonly #folder: FolderToRead;
  readonly #round: Round;
  readonly #links = new LinkGuard();
  readonly #abandoned = new AbortController();
  readonly #signal: AbortSignal;
  readonly #held = new Set<Reservation>();
  #bytesEach: number | undefined;

  constructor(context: ReadingContext, folder: FolderToRead, round: Round) {
    this.#context = context;
    this.#folder = folder;
    this.#round = round;
    this.size = round.pageSize ?? Math.min(context.pageSize, fittingSize(context.budget.bytesEach));
    this.#signal = AbortSignal.any([context.signal, this.#abandoned.signal]);
  }

  /** The promise may be left alone: its rejection is not unhandled, and `abandon` frees what it holds. */
  fetch(link: string | undefined): Promise<FetchedPage> {
    const fetched = this.#fetch(link);
    fetched.catch(() => undefined);
    return fetched;
  }

  /** Gives the page's bytes back to the budget. */
  release({ page, reservation }: FetchedPage): void {
    releasePage(page);
    reservation.release();
    this.#held.delete(reservation);
  }

  /** Aborts a page that nobody will take any more, and gives back whatever is held. */
  abandon(): void {
    this.#abandoned.abort();
    for (const reservation of this.#held) reservation.release();
  }

  async #fetch(link: string | undefined): Promise<FetchedPage> {
    if (link !== undefined) this.#links.pass(link);
    const { budget, pageSize } = this.#context;
    const messagesExpected = link === undefined ? Math.min(this.size, this.#folder.totalItemCount) : this.size;
    const expected = Math.ceil(messagesExpected * (this.#bytesEach ?? budget.bytesEach));
    const reservation = await budget.reserve(Math.max(expected, LEAST_RESERVATION), this.#signal);
    this.#held.add(reservation);
    const page = await this.#ask(link);
    this.#signal.throwIfAborted();
    const { bytes, messages } = page;
    reservation.resize(bytes);
    if (messages.length > 0) this.#bytesEach = bytes / messages.length;
    budget.learn(messages.length, bytes);
    this.size = nextPageSize({ size: this.size, messages: messages.length, bytes }, pageSize);
    return { page, reservation };
  }

  async #ask(link: string | undefined): Promise<MessagesPage> {
    const { mailbox, since, until } = this.#context;
    for (;;) {
      try {
        return await mailbox.messages(
          {
            folderId: this.#folder.id,
            mode: this.#round.method,
            pageSize: this.size,
            ...(link !== undefined && { link }),
            ...(since !== undefined && { since }),
            ...(until !== undefined && { until }),
          },
          this.#signal,
        );
      } catch (error) {
        const tooLarge = error instanceof GraphError && error.kind === 'body_too_large';
        if (!tooLarge || this.size === 1) throw error;
        this.size = Math.ceil(this.size / 2);
      }
    }
  }
}
