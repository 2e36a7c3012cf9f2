import { GraphError, mayBeContent } from '../graph/errors.ts';
import { LinkGuard, pastNext } from '../graph/links.ts';
import { releasePage, type MessagesPage } from '../graph/messages.ts';
import { keepsBodies, membersOf } from '../model/content.ts';
import { MESSAGE_MEMBERS } from '../model/mail.ts';
import { FolderPageSize, fittingSize, type PageFault } from '../model/page-size.ts';
import { unnamedMessage, type UnreadableMessage } from '../store/quarantine.ts';
import type { Round } from '../store/sync-state.ts';
import type { Budget, Reservation } from './byte-budget.ts';
import { completed, type CompletePage } from './completion.ts';
import type { FolderToRead, ReadingContext } from './folder-reader.ts';
import { answersFor } from './reading-by-id.ts';

/** What a page is reserved at least, so that folders said to be empty cannot be asked for without bound. */
const LEAST_RESERVATION = 64 << 10;
/** Which messages there are, in which version, and where in time to look for them. */
const IDS = ['id', 'changeKey', 'receivedDateTime'];
/** Messages that one page steps over at most: a folder where everything fails is not one with bad messages in it. */
const MOST_PASSED = 20;

/** A page of a single message fails, and the message is to blame. The cause is what Graph said. */
export class MessageAtFault extends Error {
  override readonly name = 'MessageAtFault';
  declare readonly cause: GraphError;

  constructor(cause: GraphError) {
    super('A message makes every page fail that holds it', { cause });
  }
}

export interface FetchedPage {
  readonly page: CompletePage;
  /** What it holds of the mailbox's pages and of the worker's bytes. */
  readonly held: readonly Reservation[];
}

/**
 * Fetches a folder's pages within what a mailbox and the worker may hold of them. A page that fails because of what is in
 * it is asked for again with half the messages, by the same link: how many a page has is no part of the link.
 */
export class PageSource {
  readonly #context: ReadingContext;
  readonly #folder: FolderToRead;
  readonly #round: Round;
  readonly #size: FolderPageSize;
  readonly #links = new LinkGuard();
  readonly #abandoned = new AbortController();
  readonly #signal: AbortSignal;
  readonly #held = new Set<Reservation>();
  #bytesEach: number | undefined;

  constructor(context: ReadingContext, folder: FolderToRead, round: Round) {
    const { pageLimit, budget, signal } = context;
    this.#context = context;
    this.#folder = folder;
    this.#round = round;
    this.#size = new FolderPageSize(pageLimit, round.pageSize ?? fittingSize(budget.bytesEach));
    this.#signal = AbortSignal.any([signal, this.#abandoned.signal]);
  }

  /** Messages asked for in one page. */
  get size(): number {
    return this.#size.messages;
  }

  /** The promise may be left alone: its rejection is not unhandled, and `abandon` frees what it holds. */
  fetch(link: string | undefined): Promise<FetchedPage> {
    const fetched = this.#fetch(link);
    fetched.catch(() => undefined);
    return fetched;
  }

  /** Makes room for other pages. */
  release({ page, held }: FetchedPage): void {
    releasePage(page);
    for (const reservation of held) {
      reservation.release();
      this.#held.delete(reservation);
    }
  }

  /** Aborts a page that nobody will take any more, and gives back whatever is held. */
  abandon(): void {
    this.#abandoned.abort();
    for (const reservation of this.#held) reservation.release();
  }

  async #fetch(link: string | undefined): Promise<FetchedPage> {
    if (link !== undefined) this.#links.pass(link);
    const { budget, pagesAtOnce } = this.#context;
    const place = await this.#reserve(pagesAtOnce, 1);
    const messagesExpected = link === undefined ? Math.min(this.size, this.#folder.totalItemCount) : this.size;
    const expected = Math.ceil(messagesExpected * (this.#bytesEach ?? budget.bytesEach));
    const room = await this.#reserve(budget, Math.max(expected, LEAST_RESERVATION));
    const page = await this.#ask(link);
    this.#signal.throwIfAborted();
    const { bytes, messages } = page;
    room.resize(bytes);
    if (messages.length > 0) this.#bytesEach = bytes / messages.length;
    budget.learn(messages.length, bytes);
    this.#size.came({ messages: messages.length, bytes });
    return { page, held: [place, room] };
  }

  async #reserve(budget: Pick<Budget, 'reserve'>, amount: number): Promise<Reservation> {
    const reservation = await budget.reserve(amount, this.#signal);
    this.#held.add(reservation);
    // What is granted as the page is abandoned would be held for ever.
    if (this.#signal.aborted) reservation.release();
    this.#signal.throwIfAborted();
    return reservation;
  }

  async #ask(link: string | undefined): Promise<CompletePage> {
    const passed: UnreadableMessage[] = [];
    for (let place: Place = { link, skip: 0 }; ;) {
      try {
        const page = await this.#page(place);
        return { ...page, unreadable: [...passed, ...page.unreadable] };
      } catch (error) {
        const fault = error instanceof GraphError ? await this.#faultOf(error) : undefined;
        if (fault === undefined) throw error;
        if (this.#size.failed(fault)) continue;
        const cause = error as GraphError;
        const past = this.#round.method === 'list_ids' && passed.length < MOST_PASSED ? pastFirst(place) : undefined;
        if (!past) throw new MessageAtFault(cause);
        passed.push(unnamed(past.position, cause));
        place = past;
      }
    }
  }

  async #page({ link, skip }: Place): Promise<CompletePage> {
    const { mailbox, content, since, until } = this.#context;
    const { method } = this.#round;
    const page = await mailbox.messages(
      {
        folderId: this.#folder.id,
        mode: method.startsWith('delta') ? 'delta' : 'list',
        pageSize: this.size,
        skip,
        link,
        since,
        until,
        select: method.endsWith('_ids') ? IDS : membersOf(content),
        held: keepsBodies(content),
      },
      this.#signal,
    );
    const kept = keepsBodies(content) ? page : withoutBodies(page);
    return completed({ ...this.#context, signal: this.#signal }, this.#folder, kept);
  }

  /**
   * What of the page made the request fail; undefined where nothing of it did. An item that Graph itself blames leaves no
   * doubt; a plain failure, or none but silence, is the page's only if Graph answers other questions meanwhile.
   */
  async #faultOf(error: GraphError): Promise<PageFault | undefined> {
    if (!mayBeContent(error)) return undefined;
    if (error.kind === 'poison') return 'item';
    if (error.kind === 'body_too_large') return error.status === undefined ? 'large' : 'slow';
    const reader = { mailbox: this.#context.mailbox, signal: this.#signal };
    if (!(await answersFor(reader, this.#folder))) return undefined;
    return error.kind === 'too_slow' ? 'slow' : 'item';
  }
}

/** A link that was made when bodies were kept brings them still. */
function withoutBodies(page: MessagesPage): MessagesPage {
  for (const message of page.messages) delete message['body'];
  return page;
}

/** Where a page begins. */
interface Place {
  readonly link: string | undefined;
  /** Without a link: messages left out before. */
  readonly skip: number;
}

/** The place behind the first message of a list's page, and that message's position. */
function pastFirst({ link, skip }: Place): (Place & { readonly position: number }) | undefined {
  if (link === undefined) return { link, skip: skip + 1, position: skip };
  const past = pastNext(link);
  return past && { ...past, skip: 0 };
}

const unnamed = (position: number, { code, status, requestId }: GraphError): UnreadableMessage => ({
  id: unnamedMessage(position),
  cause: code,
  httpStatus: status,
  requestId,
  unreadable: MESSAGE_MEMBERS,
  stored: false,
});
