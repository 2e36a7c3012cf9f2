import type { JsonObject } from '../mail/bytes.ts';
import { secondsOf } from '../mail/clock.ts';
import { NO_TIME } from '../mail/record.ts';
import { type Shape, shapeOf } from '../mail/shape.ts';
import { type Answer, bytesAnswer, collectionAnswer, jsonAnswer, textAnswer } from './answer.ts';
import { attachmentsJson } from './attachment-json.ts';
import { type AttachmentShape, readExpandedAttachments } from './attachment-shape.ts';
import { faults } from './fault.ts';
import { conjuncts, type Filter, parseFilter, passes, pathsOf } from './filter.ts';
import { folderView, mailboxView, type MessageView, type PageItems } from './pages.ts';
import { listOption, messageSelect, numberOption, onlyOptions, preferenceApplied, type Query } from './query.ts';
import { type GraphRequest, type GraphWorld, openFolder, openMailbox, openMessage } from './request.ts';
import { composeMime } from '../mail/compose.ts';

const DEFAULT_PAGE = 10;
const LARGEST_PAGE = 1_000;
const LIST_OPTIONS = ['$select', '$filter', '$orderby', '$top', '$skip', '$count', '$expand'];

type Place = { user: string; folder?: string };

/** `GET …/messages`: by pages with `$skip` in their next links. */
export function listMessages(world: GraphWorld, request: GraphRequest, place: Place): Answer {
  const { query, preferences } = request;
  onlyOptions(query, 'Messages', LIST_OPTIONS);
  const asked = query.has('$top')
    ? numberOption(query, '$top', DEFAULT_PAGE, 1, LARGEST_PAGE)
    : Math.min(preferences.maxPageSize ?? DEFAULT_PAGE, LARGEST_PAGE);
  const top = request.faults?.pageSize(asked) ?? asked;
  const view = openView(world, request, place);
  const shape = shapeFor(request);
  const filter = filterOf(query);
  const isAscending = orderOf(query, filter) === 'asc';
  const [start, end] = filter ? rangeOf(view, filter) : [0, view.order.length];
  const from = numberOption(query, '$skip', 0, 0, Number.MAX_SAFE_INTEGER);
  const skip = from - (from > 0 ? (request.faults?.overlap(top) ?? 0) : 0);
  const predicate = filter && isMoreThanRange(filter) ? filter : undefined;
  const expansion = readExpandedAttachments(query);

  let items: PageItems;
  let scanned = Math.min(skip + top, end - start);
  if (!isAscending && !predicate && !expansion && !request.faults) {
    items = world.pages.items(view, Math.min(start + skip, end), start + scanned, shape);
  } else {
    const found: number[] = [];
    for (scanned = skip; scanned < end - start && found.length < top; scanned++) {
      const ordinal = view.order[isAscending ? end - 1 - scanned : start + scanned] as number;
      if (!predicate || matches(view, ordinal, predicate)) found.push(ordinal);
    }
    if (request.faults?.isEmptyPage()) [found.length, scanned] = [0, from];
    request.faults?.checkPage({ ordinals: found, size: found.length, shape, isExpanded: expansion !== undefined });
    items = expansion
      ? [Buffer.from(found.map((ordinal) => JSON.stringify(expanded(view, ordinal, shape, expansion))).join())]
      : world.pages.render(view, found, shape);
  }
  const before: JsonObject = {};
  if (query.get('$count') === 'true') {
    const count = countMatching(view, start, end, predicate);
    before['@odata.count'] = request.faults?.counted(count) ?? count;
  }
  if (scanned < end - start) {
    before['@odata.nextLink'] = nextLink(request, place, request.faults?.isSameLink() ? from : scanned);
  }
  const answer = collectionAnswer(contextOf(request, place), before, items);
  return withPreferences(answer, request, preferences.maxPageSize === undefined ? undefined : top);
}

/** `GET …/messages/$count`. */
export function countMessages(world: GraphWorld, request: GraphRequest, place: Place): Answer {
  onlyOptions(request.query, 'Messages', ['$filter']);
  const view = openView(world, request, place);
  const filter = filterOf(request.query);
  const [start, end] = filter ? rangeOf(view, filter) : [0, view.order.length];
  const count = countMatching(view, start, end, filter && isMoreThanRange(filter) ? filter : undefined);
  return textAnswer(String(request.faults?.counted(count) ?? count));
}

/** `GET …/messages/{id}`. */
export function getMessage(world: GraphWorld, request: GraphRequest, place: Place & { message: string }): Answer {
  onlyOptions(request.query, 'Messages', ['$select', '$expand']);
  const { mailbox } = openMailbox(world, request, place.user);
  const { ordinal, folder } = openMessage(mailbox, place.message, place.folder);
  const shape = shapeFor(request);
  const view = folderView(mailbox, folder);
  const expansion = readExpandedAttachments(request.query);
  request.faults?.checkMessage(shape, expansion !== undefined);
  const message = expansion ? expanded(view, ordinal, shape, expansion) : mailbox.message(ordinal, folder, shape);
  const context = `${contextOf(request, place)}/$entity`;
  return withPreferences(jsonAnswer({ '@odata.context': context, ...message }), request);
}

/** `GET …/messages/{id}/$value`: the message as RFC 5322 text; not below a folder. */
export function getMime(world: GraphWorld, request: GraphRequest, place: Place & { message: string }): Answer {
  const { mailbox } = openMailbox(world, request, place.user);
  const { ordinal, folder } = openMessage(mailbox, place.message, place.folder);
  if (place.folder !== undefined) throw faults.mimeNotAllowed();
  request.faults?.checkBelow('$value');
  const stored = mailbox.entries.get(ordinal)?.record?.mime;
  if (stored) return bytesAnswer(stored, 'text/plain');
  const message = mailbox.message(ordinal, folder, shapeOf({ immutableIds: true }));
  return bytesAnswer(composeMime(message, mailbox.attachments(ordinal)), 'text/plain');
}

/** The shape that a request's `$select` and `Prefer` ask for. */
function shapeFor(request: GraphRequest): Shape {
  const { immutableIds, bodyType } = request.preferences;
  return shapeOf({ select: messageSelect(request.query), immutableIds, textBodies: bodyType === 'text' });
}

function openView(world: GraphWorld, request: GraphRequest, place: Place): MessageView {
  const { mailbox } = openMailbox(world, request, place.user);
  return place.folder === undefined ? mailboxView(mailbox) : folderView(mailbox, openFolder(mailbox, place.folder));
}

function contextOf(request: GraphRequest, place: Place): string {
  const select = listOption(request.query, '$select');
  const folder = place.folder === undefined ? '' : `/mailFolders('${encodeURIComponent(place.folder)}')`;
  const members = select ? `(${select.join()})` : '';
  return `${request.base}/$metadata#users('${encodeURIComponent(place.user)}')${folder}/messages${members}`;
}

function withPreferences(answer: Answer, request: GraphRequest, pageSize?: number): Answer {
  Object.assign(answer.headers, preferenceApplied(request.preferences, pageSize));
  return answer;
}

function nextLink(request: GraphRequest, place: Place, skip: number): string {
  const query = new URLSearchParams([...request.query].filter(([name]) => name !== '$skip'));
  query.set('$skip', String(skip));
  const folder = place.folder === undefined ? '' : `/mailFolders/${encodeURIComponent(place.folder)}`;
  return `${request.base}/users/${encodeURIComponent(place.user)}${folder}/messages?${query.toString()}`;
}

function filterOf(query: Query): Filter | undefined {
  const text = query.get('$filter');
  return text === undefined ? undefined : parseFilter(text);
}

/** Only `receivedDateTime` orders; with a filter it must come first there too, as Exchange demands. */
function orderOf(query: Query, filter: Filter | undefined): 'asc' | 'desc' {
  const match = /^\s*(\w+)(?:\s+(asc|desc))?\s*$/i.exec(query.get('$orderby') ?? 'receivedDateTime desc');
  if (match?.[1] !== 'receivedDateTime') {
    throw faults.badQuery("The '$orderby' parameter value is not supported; order by 'receivedDateTime'.");
  }
  if (query.has('$orderby') && filter && pathsOf(filter)[0] !== 'receivedDateTime') throw faults.inefficientFilter();
  return match[2]?.toLowerCase() === 'desc' ? 'desc' : 'asc';
}

/** The positions between which the filter's bounds on `receivedDateTime` put its messages. */
function rangeOf(view: MessageView, filter: Filter): [start: number, end: number] {
  let [start, end] = [0, view.order.length];
  for (const part of conjuncts(filter)) {
    if (part.kind !== 'compare' || part.path !== 'receivedDateTime') continue;
    const seconds = typeof part.value === 'string' ? secondsOf(part.value) : undefined;
    if (seconds === undefined) throw faults.badRequest('Invalid filter clause');
    if (part.operator === 'ge') end = Math.min(end, firstNotAbove(view, seconds - 1));
    if (part.operator === 'gt') end = Math.min(end, firstNotAbove(view, seconds));
    if (part.operator === 'le') start = Math.max(start, firstNotAbove(view, seconds));
    if (part.operator === 'lt') start = Math.max(start, firstNotAbove(view, seconds - 1));
    // Messages without a time come last and pass no bound.
    end = Math.min(end, firstNotAbove(view, NO_TIME));
  }
  return [Math.min(start, end), end];
}

/** The first position of a message that arrived at `seconds` or before. */
export function firstNotAbove(view: MessageView, seconds: number): number {
  let low = 0;
  let high = view.order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.mailbox.receivedAt(view.order[middle] as number) > seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isMoreThanRange(filter: Filter): boolean {
  return conjuncts(filter).some(
    (part) =>
      part.kind !== 'compare' || part.path !== 'receivedDateTime' || part.operator === 'eq' || part.operator === 'ne',
  );
}

function matches(view: MessageView, ordinal: number, filter: Filter): boolean {
  const shape = shapeOf({ select: pathsOf(filter).map((path) => path.split('/')[0] ?? path) });
  return passes(filter, view.mailbox.message(ordinal, view.folderOf(ordinal), shape));
}

function countMatching(view: MessageView, start: number, end: number, filter: Filter | undefined): number {
  if (!filter) return end - start;
  return view.order.slice(start, end).filter((ordinal) => matches(view, ordinal, filter)).length;
}

function expanded(view: MessageView, ordinal: number, shape: Shape, expansion: AttachmentShape): JsonObject {
  const { mailbox } = view;
  const place = { messageId: mailbox.idOf(ordinal, shape.immutableIds), at: mailbox.receivedAt(ordinal) };
  const attachments = attachmentsJson(mailbox.attachments(ordinal), place, expansion);
  return { ...mailbox.message(ordinal, view.folderOf(ordinal), shape), attachments };
}
