import { MESSAGE_MEMBERS, type GraphMessage, type RemovedMessage } from '../model/mail.ts';
import { exchangeError, GraphError } from './errors.ts';
import { HeldMessages } from './held-messages.ts';
import { graphErrorFrom } from './refusal.ts';
import type { MailboxClient } from './mailbox.ts';
import { collectionOf, text, type Collection } from './pages.ts';
import { linkLoop } from './links.ts';
import { segment, withQuery } from './paths.ts';

/** Ids that stay when a message moves between folders. Graph wants the preference on every single request. */
export const IMMUTABLE_IDS = 'IdType="ImmutableId"';

export interface PageRequest {
  readonly folderId: string;
  /**
   * `delta`: the folder's changes since the link, or all of it without one. `list`: what lies in the folder, oldest
   * first, for mailboxes whose delta Graph refuses.
   */
  readonly mode: 'delta' | 'list';
  /** A next or delta link, used unchanged; it holds every option but the page size. */
  readonly link?: string | undefined;
  /** Messages a page, 1 to 1,000. Graph may send fewer, even none. */
  readonly pageSize: number;
  /** Default `MESSAGE_MEMBERS`. */
  readonly select?: readonly string[] | undefined;
  /** Messages to leave out before the first page. List mode only, without a link. Default 0. */
  readonly skip?: number | undefined;
  /** Only messages received at or after this time, RFC 3339. List mode only. */
  readonly since?: string | undefined;
  /** Only messages received before this time, RFC 3339. List mode only. */
  readonly until?: string | undefined;
  /** Whether the page's messages can be let go of, and had again. Default: no. */
  readonly held?: boolean | undefined;
}

export interface MessagesPage {
  /** Emptied when they are let go of, and with the page. */
  readonly messages: GraphMessage[];
  /** Of a page that was asked for so. */
  readonly held?: HeldMessages | undefined;
  readonly removed: RemovedMessage[];
  /** Where the next page lies. Delta: exactly one of this and `deltaLink`. */
  readonly next?: string;
  /** Ends a delta round: where the next round begins. */
  readonly deltaLink?: string;
  /** Size of the body, decompressed. */
  readonly bytes: number;
  /** Whether the body holds escapes of NUL or of surrogates, so that strings may need cleaning before they are stored. */
  readonly suspicious: boolean;
  /** How many messages there are in all; first page of a list only. */
  readonly count?: number;
}

/**
 * One page of a folder's messages.
 * https://learn.microsoft.com/graph/api/message-delta, https://learn.microsoft.com/graph/api/user-list-messages
 * @throws GraphError `sync_state_lost`: start the folder again without a link; `quota_exceeded`: use list mode;
 * `body_too_large`, `too_slow`, `server_error`, `poison` (`mayBeContent`): ask the same link with a smaller page
 */
export async function readPage(
  mailbox: MailboxClient,
  request: PageRequest,
  signal: AbortSignal,
): Promise<MessagesPage> {
  const { link, mode, pageSize, held: keepsBody } = request;
  const shrinks = pageSize > 1;
  const prefer =
    mode === 'delta' || link !== undefined ? `${IMMUTABLE_IDS}, odata.maxpagesize=${pageSize}` : IMMUTABLE_IDS;
  const where = link === undefined ? { path: firstPath(request) } : { link: usableLink(mailbox, link) };
  const shared = { kind: 'messages', target: 'folder', headers: { prefer }, shrinks, keepsBody, signal } as const;
  const answer = await mailbox.send({ ...shared, ...where });
  const { bytes, suspicious } = answer;
  const page = collectionOf(answer);
  const { next, deltaLink, count } = page;
  if (mode === 'delta' && next === undefined && deltaLink === undefined) {
    throw exchangeError('Truncated', 'A page of a delta round names neither a next page nor the end');
  }
  if (next !== undefined && next === link) {
    throw linkLoop();
  }
  const { messages, removed } = sorted(page);
  const body = answer.takeKept();
  return {
    messages,
    removed,
    ...(body && { held: new HeldMessages(messages, body, messagesIn) }),
    ...(next !== undefined && { next: mailbox.ownLink(next) }),
    ...(next === undefined && deltaLink !== undefined && { deltaLink: mailbox.ownLink(deltaLink) }),
    ...(count !== undefined && { count }),
    bytes,
    suspicious,
  };
}

export interface IdsRequest {
  /** A next link, used unchanged. */
  readonly link?: string | undefined;
  /** Ids a page, 1 to 1,000. */
  readonly pageSize: number;
}

export interface IdsPage {
  /** Immutable ids, each once. */
  readonly ids: string[];
  /** How many entries of this page were repetitions of others of it. Pages can repeat one another's, too. */
  readonly repeated: number;
  readonly next?: string;
  /** How many messages there are in all, as Graph counts; first page only. */
  readonly count?: number;
}

/**
 * One page of a folder's ids, in the order of arrival, so that what arrives meanwhile comes last. A message that leaves
 * the folder meanwhile moves the others up by one, and one of them is passed over: an id that is missing here has to be
 * asked for before it is believed gone.
 * @throws GraphError as `readPage` does
 */
export async function readIds(
  mailbox: MailboxClient,
  folderId: string,
  request: IdsRequest,
  signal: AbortSignal,
): Promise<IdsPage> {
  const page = await readPage(mailbox, { ...request, folderId, mode: 'list', select: ['id'] }, signal);
  const { messages, next, count } = page;
  const ids = [...new Set(messages.map(({ id }) => id))];
  const repeated = messages.length - ids.length;
  return { ids, repeated, ...(next !== undefined && { next }), ...(count !== undefined && { count }) };
}

/** A link kept from the time when Graph had another URL is as good as lost: the folder must begin anew. */
function usableLink(mailbox: MailboxClient, link: string): string {
  try {
    return mailbox.ownLink(link);
  } catch (error) {
    throw error instanceof GraphError ? new GraphError(error.message, { ...error, kind: 'sync_state_lost' }) : error;
  }
}

/** One message by id, or undefined where there is none. */
export async function readMessage(
  mailbox: MailboxClient,
  id: string,
  select: readonly string[],
  signal: AbortSignal,
): Promise<GraphMessage | undefined> {
  const path = withQuery(`/messages/${segment(id)}`, { $select: select.join(',') });
  const headers = { prefer: IMMUTABLE_IDS };
  try {
    const { content } = await mailbox.send({ kind: 'message', target: 'message', path, headers, signal });
    return messageOf(content as Record<string, unknown>);
  } catch (error) {
    if (error instanceof GraphError && error.kind === 'item_missing') return undefined;
    throw error;
  }
}

function firstPath(request: PageRequest): string {
  const { folderId, mode, pageSize, skip = 0, since, until, select = MESSAGE_MEMBERS } = request;
  const path = `/mailFolders/${segment(folderId)}/messages`;
  const $select = select.join(',');
  // $top in a delta query limits the whole round; its page size is a preference.
  if (mode === 'delta') return withQuery(`${path}/delta`, { $select });
  return withQuery(path, {
    $select,
    $top: pageSize,
    $skip: skip === 0 ? undefined : skip,
    $count: 'true',
    $filter: receivedWithin({ since, until }),
    $orderby: 'receivedDateTime asc',
  });
}

/** Times of arrival, RFC 3339: the first included, the second not; absent: no bound. */
export interface ReceivedWindow {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** As an OData filter; undefined for all times. @throws GraphError `bad_request` */
export function receivedWithin({ since, until }: ReceivedWindow): string | undefined {
  const conditions = [
    since === undefined ? [] : [`receivedDateTime ge ${second(since)}`],
    until === undefined ? [] : [`receivedDateTime lt ${second(until)}`],
  ].flat();
  return conditions.length === 0 ? undefined : conditions.join(' and ');
}

function second(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) {
    throw new GraphError('A time cannot be understood', { kind: 'bad_request', code: 'InvalidRequest' });
  }
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Tells messages from removals; the page itself is handed on where it holds no removal. */
function sorted({ value }: Collection): { messages: GraphMessage[]; removed: RemovedMessage[] } {
  const removed: RemovedMessage[] = [];
  for (const entry of value) {
    const { id } = messageOf(entry);
    if ('@removed' in entry) removed.push({ id, reason: reasonOf(entry['@removed']) });
  }
  const entries = removed.length === 0 ? value : value.filter((entry) => !('@removed' in entry));
  if (entries !== value) value.length = 0;
  return { messages: entries as GraphMessage[], removed };
}

const messagesIn = (body: Buffer): GraphMessage[] =>
  sorted(collectionOf({ content: JSON.parse(body.toString('utf8')), status: 200 })).messages;

/**
 * Empties a page that has been dealt with. The promises that brought it here have grown old with the request, and what
 * an old object points to is copied by each young collection until a full one comes: a third of the CPU time of reading.
 */
export function releasePage(page: MessagesPage): void {
  page.messages.length = 0;
  page.removed.length = 0;
  page.held?.release();
}

function reasonOf(removal: unknown): string {
  const { reason } = Object(removal) as { reason?: unknown };
  return text(reason) ?? 'deleted';
}

/** Graph has put an error in the place of a message, with status 200. */
export function messageOf(entry: Readonly<Record<string, unknown>>): GraphMessage {
  if (text(entry['id']) !== null) return entry as GraphMessage;
  if ('error' in entry) throw graphErrorFrom({ status: 500, headers: {}, body: entry, target: 'message' });
  throw exchangeError('Truncated', 'A message came without an id');
}
