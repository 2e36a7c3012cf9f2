import type { JsonObject } from '../mail/bytes.ts';
import { secondsOf } from '../mail/clock.ts';
import { shapeOf } from '../mail/shape.ts';
import type { Folder } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import { type Answer, collectionAnswer } from './answer.ts';
import { laterRoundPage, type Page, type Walk } from './delta-changes.ts';
import { faults, GraphFault } from './fault.ts';
import { conjuncts, parseFilter } from './filter.ts';
import { firstNotAbove } from './messages.ts';
import { folderView } from './pages.ts';
import { messageSelect, numberOption, preferenceApplied, type Query } from './query.ts';
import { type GraphRequest, type GraphWorld, openFolder, openMailbox } from './request.ts';
import { checkLink, type SyncState } from './sync-state.ts';

const DEFAULT_PAGE = 10;
const LARGEST_PAGE = 1_000;
/** What a walk with `$filter` gives at most. */
const FILTERED_LIMIT = 5_000;
const OPTIONS = ['$select', '$top', '$expand', '$filter', '$orderby', '$skiptoken', '$deltatoken'];

/**
 * `GET …/mailFolders/{id}/messages/delta`. The first round walks the folder's present content, newest first, by the
 * place of the last message given, so that nothing is missed while mail arrives and leaves; a later round gives what
 * the folder's change list holds since the round before began.
 */
export function messagesDelta(
  world: GraphWorld,
  request: GraphRequest,
  place: { user: string; folder: string },
): Answer {
  const { query, preferences } = request;
  checkOptions(query);
  const { mailbox } = openMailbox(world, request, place.user);
  const token = query.get('$skiptoken') ?? query.get('$deltatoken');
  const folder = token === undefined ? openFolder(mailbox, place.folder) : openSyncFolder(mailbox, place.folder);
  const state =
    token === undefined ? firstState(mailbox, folder, query) : world.syncStates.read(token, mailbox, folder);
  if (token !== undefined) checkLink(request, state, startPath(place.user, folder));
  if (query.has('$deltatoken')) Object.assign(state, { since: state.until, until: mailbox.sequence, offset: 0 });
  const asked = Math.max(1, Math.min(preferences.maxPageSize ?? DEFAULT_PAGE, LARGEST_PAGE));
  const size = request.faults?.pageSize(asked) ?? asked;
  const shape = shapeOf({
    select: state.select?.split(','),
    immutableIds: preferences.immutableIds,
    textBodies: preferences.bodyType === 'text',
    typed: true,
  });
  const walk: Walk = { mailbox, folder, state, size, shape, faults: request.faults };
  const page = nextPage(walk, state.since === undefined ? firstRoundPage(world, walk) : laterRoundPage(walk));
  const answer = collectionAnswer(
    `${request.base}/$metadata#Collection(message)`,
    linkOf(world, request, { ...walk, user: place.user, next: page.next }),
    page.items,
  );
  Object.assign(answer.headers, preferenceApplied(preferences, size));
  return answer;
}

/** A folder that vanished after its walk began has an error of its own. */
function openSyncFolder(mailbox: Mailbox, key: string): Folder {
  try {
    return openFolder(mailbox, key);
  } catch (error) {
    if (error instanceof GraphFault && error.code === 'ErrorItemNotFound') throw faults.syncFolderNotFound();
    throw error;
  }
}

function checkOptions(query: Query): void {
  for (const name of query.keys()) {
    if (name.startsWith('$') && !OPTIONS.includes(name)) {
      throw faults.badQuery(
        `The query parameter '${name}' is not supported with change tracking over the 'Messages' resource.`,
      );
    }
  }
  if (query.get('$deltatoken')?.toLowerCase() === 'latest') {
    throw faults.badQuery("The '$deltatoken' parameter value 'latest' is not supported for 'Messages' resource.");
  }
  const orderby = query.get('$orderby');
  if (orderby !== undefined && !/^\s*receivedDateTime(\s+desc)?\s*$/i.test(orderby)) {
    throw faults.badQuery(
      "The '$orderby' parameter value is not supported for 'Messages' resource; only a value of 'receivedDateTime desc' is supported.",
    );
  }
}

function firstState(mailbox: Mailbox, folder: Folder, query: Query): SyncState {
  const state: SyncState = { m: mailbox.index, f: folder.number, g: folder.generation, until: mailbox.sequence };
  const select = messageSelect(query);
  const changeType = query.get('changetype');
  if (select) state.select = select.join();
  if (changeType !== undefined) state.changeType = changeType;
  const filter = query.get('$filter');
  if (filter !== undefined) {
    state.from = firstSecond(filter);
    state.left = FILTERED_LIMIT;
  }
  // A `$top` limits the whole round, not its pages.
  if (query.has('$top')) state.left = numberOption(query, '$top', DEFAULT_PAGE, 1, LARGEST_PAGE);
  return state;
}

/** The earliest second that `receivedDateTime ge X` (or `gt`) lets pass; nothing else can be filtered by. */
function firstSecond(text: string): number {
  const [part, ...others] = conjuncts(parseFilter(text));
  const isBound =
    part?.kind === 'compare' && part.path === 'receivedDateTime' && (part.operator === 'ge' || part.operator === 'gt');
  if (!isBound || others.length > 0 || typeof part.value !== 'string') throw faults.badDeltaFilter();
  const seconds = secondsOf(part.value);
  if (seconds === undefined) throw faults.badDeltaFilter();
  return part.operator === 'ge' ? seconds : seconds + 1;
}

function firstRoundPage(world: GraphWorld, { mailbox, folder, state, size, shape, faults }: Walk): Page {
  const view = folderView(mailbox, folder);
  const place = state.after ? positionAfter(mailbox, view.order, state.after) : 0;
  const start = place - (place > 0 ? (faults?.overlap(size) ?? 0) : 0);
  const end = state.from === undefined ? view.order.length : firstNotAbove(view, state.from - 1);
  const to = Math.min(start + size, end, place + (state.left ?? Infinity));
  faults?.checkPage({ ordinals: view.order.slice(start, to), size: to - start, shape });
  const items = world.pages.items(view, start, to, shape);
  const last = view.order[to - 1];
  const left = state.left === undefined ? undefined : state.left - (to - place);
  if (to >= end || left === 0 || last === undefined) return { items, next: undefined };
  const next: Partial<SyncState> = { after: [mailbox.receivedAt(last), last] };
  return { items, next: left === undefined ? next : { ...next, left } };
}

/** The page, unless faults make it an empty one, or one that leads to itself. */
function nextPage({ faults }: Walk, page: Page): Page {
  if (faults?.isEmptyPage()) return { items: [], next: {} };
  if (page.next && faults?.isSameLink()) return { ...page, next: {} };
  return page;
}

/** The first position behind a message that may have left meanwhile. */
function positionAfter(mailbox: Mailbox, order: readonly number[], after: readonly [number, number]): number {
  const [receivedAt, ordinal] = after;
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const here = order[middle] as number;
    const difference = receivedAt - mailbox.receivedAt(here) || here - ordinal;
    if (difference <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function startPath(user: string, folder: Folder): string {
  return `/users/${encodeURIComponent(user)}/mailFolders/${encodeURIComponent(folder.id)}/messages/delta`;
}

/** The one link of a page. Like Graph's, it names the folder now in one form and now in the other. */
function linkOf(
  world: GraphWorld,
  request: GraphRequest,
  round: Walk & { user: string; next: Partial<SyncState> | undefined },
): JsonObject {
  const { folder, mailbox, state, next } = round;
  const user = `${request.base}/users/${encodeURIComponent(round.user)}`;
  const quoted = `${user}/mailfolders('${folder.id}')/messages/delta`;
  if (!next) {
    const { after: _after, left: _left, ...rest } = state;
    const token = world.syncStates.write({ ...rest, offset: 0, walked: mailbox.sequence });
    return { '@odata.deltaLink': `${quoted}?$deltatoken=${token}` };
  }
  const token = world.syncStates.write({ ...state, ...next });
  const isQuoted = ((next.after?.[1] ?? next.offset ?? 0) & 1) === 0;
  const path = isQuoted ? quoted : `${user}/mailFolders/${encodeURIComponent(folder.id)}/messages/delta`;
  return { '@odata.nextLink': `${path}?$skiptoken=${token}` };
}
