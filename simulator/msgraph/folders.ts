import type { JsonObject } from '../mail/bytes.ts';
import { type Folder, isHiddenAnywhere, isInTree } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { faults } from './fault.ts';
import { parseFilter, passes } from './filter.ts';
import { flagOption, listOption, numberOption, onlyOptions, preferenceApplied } from './query.ts';
import { type GraphRequest, type GraphWorld, openFolder, openMailbox } from './request.ts';
import { checkLink, type SyncState } from './sync-state.ts';

const DEFAULT_PAGE = 10;
const LARGEST_PAGE = 1_000;
const MEMBERS = [
  'displayName', 'parentFolderId', 'childFolderCount', 'unreadItemCount', 'totalItemCount', 'isHidden',
]; // prettier-ignore
const SEARCH_MEMBERS = ['isSupported', 'includeNestedFolders', 'sourceFolderIds', 'filterQuery'];

/** A folder as Graph shows it: neither a size nor a well-known name. */
function folderJson(
  mailbox: Mailbox,
  folder: Folder,
  select?: readonly string[],
  faults?: GraphRequest['faults'],
): JsonObject {
  const count = mailbox.count(folder);
  const members: JsonObject = {
    displayName: folder.displayName,
    parentFolderId: folder.parent?.id ?? mailbox.ids.folder(0x3fffffff),
    childFolderCount: mailbox.children(folder, false).length,
    unreadItemCount: !select || select.includes('unreadItemCount') ? mailbox.unread(folder) : null,
    totalItemCount: faults?.counted(count, folder) ?? count,
    isHidden: folder.isHidden,
  };
  if (folder.search) {
    members.isSupported = true;
    members.includeNestedFolders = false;
    members.sourceFolderIds = [folder.search.source.id];
    members.filterQuery = folder.search.filterQuery;
  }
  const json: JsonObject = folder.search ? { '@odata.type': '#microsoft.graph.mailSearchFolder' } : {};
  json.id = folder.id;
  for (const [name, value] of Object.entries(members)) if (!select || select.includes(name)) json[name] = value;
  return json;
}

/** `GET …/mailFolders` and `…/childFolders`: the folders directly below one, hidden ones only on demand. */
export function listFolders(
  world: GraphWorld,
  request: GraphRequest,
  place: { user: string; folder?: string },
): Answer {
  const { query } = request;
  onlyOptions(query, 'MailFolders', ['$select', '$top', '$skip', '$filter', '$count', '$expand', '$orderby']);
  const { mailbox } = openMailbox(world, request, place.user);
  const parent = openFolder(mailbox, place.folder ?? 'msgfolderroot');
  const select = selectOf(request);
  const asked = numberOption(query, '$top', DEFAULT_PAGE, 1, LARGEST_PAGE);
  const top = request.faults?.pageSize(asked) ?? asked;
  const skip = numberOption(query, '$skip', 0, 0, Number.MAX_SAFE_INTEGER);
  const filter = query.get('$filter');
  const parsed = filter === undefined ? undefined : parseFilter(filter);
  const folders = mailbox
    .children(parent, flagOption(query, 'includehiddenfolders'))
    .filter((folder) => !parsed || passes(parsed, folderJson(mailbox, folder)));
  const path = place.folder === undefined ? '' : `/${encodeURIComponent(place.folder)}/childFolders`;
  const answer: JsonObject = { '@odata.context': contextOf(request, place) };
  if (query.get('$count') === 'true') answer['@odata.count'] = folders.length;
  if (skip + top < folders.length) {
    const next = new URLSearchParams([...query].filter(([name]) => name !== '$skip'));
    next.set('$skip', String(skip + top));
    answer['@odata.nextLink'] =
      `${request.base}/users/${encodeURIComponent(place.user)}/mailFolders${path}?${next.toString()}`;
  }
  answer.value = folders.slice(skip, skip + top).map((folder) => folderJson(mailbox, folder, select, request.faults));
  return jsonAnswer(answer, preferenceApplied(request.preferences));
}

/** `GET …/mailFolders/{id or well-known name}`. */
export function getFolder(world: GraphWorld, request: GraphRequest, place: { user: string; folder: string }): Answer {
  onlyOptions(request.query, 'MailFolders', ['$select', '$expand']);
  const { mailbox } = openMailbox(world, request, place.user);
  const json = folderJson(mailbox, openFolder(mailbox, place.folder), selectOf(request), request.faults);
  const context = `${request.base}/$metadata#users('${encodeURIComponent(place.user)}')/mailFolders/$entity`;
  return jsonAnswer({ '@odata.context': context, ...json }, preferenceApplied(request.preferences));
}

/** `GET …/mailFolders/delta`: the whole visible tree first, then the folders that changed, counters included. */
export function foldersDelta(world: GraphWorld, request: GraphRequest, place: { user: string }): Answer {
  const { query, preferences } = request;
  onlyOptions(query, 'MailFolders', ['$select', '$top', '$skiptoken', '$deltatoken', '$expand']);
  const { mailbox } = openMailbox(world, request, place.user);
  const token = query.get('$skiptoken') ?? query.get('$deltatoken');
  const state = token === undefined ? firstState(mailbox, request) : world.syncStates.read(token, mailbox, undefined);
  if (token !== undefined) checkLink(request, state, `/users/${encodeURIComponent(place.user)}/mailFolders/delta`);
  if (query.has('$deltatoken')) Object.assign(state, { since: state.until, until: mailbox.sequence, offset: 0 });
  const { since, offset = 0, select } = state;
  const folders = mailbox.folders.filter(
    (folder) =>
      isOfTree(folder, state.hidden === true) && (since === undefined ? !folder.isDeleted : folder.changedAt > since),
  );
  const asked = Math.min(preferences.maxPageSize ?? DEFAULT_PAGE, LARGEST_PAGE);
  const size = request.faults?.pageSize(asked) ?? asked;
  const value = folders
    .slice(offset, offset + size)
    .map((folder) =>
      folder.isDeleted
        ? { id: folder.id, '@removed': { reason: 'deleted' } }
        : folderJson(mailbox, folder, select?.split(','), request.faults),
    );
  const isLast = offset + size >= folders.length;
  const link = `${request.base}/users/${encodeURIComponent(place.user)}/mailFolders/delta`;
  const answer = {
    '@odata.context': `${request.base}/$metadata#Collection(mailFolder)`,
    ...(isLast
      ? { '@odata.deltaLink': `${link}?$deltatoken=${world.syncStates.write({ ...state, offset: 0 })}` }
      : { '@odata.nextLink': `${link}?$skiptoken=${world.syncStates.write({ ...state, offset: offset + size })}` }),
    value,
  };
  return jsonAnswer(answer, preferenceApplied(preferences, size));
}

function firstState(mailbox: Mailbox, request: GraphRequest): SyncState {
  const select = selectOf(request);
  return {
    m: mailbox.index,
    f: -1,
    g: 0,
    until: mailbox.sequence,
    ...(select ? { select: select.join() } : {}),
    ...(flagOption(request.query, 'includehiddenfolders') ? { hidden: true as const } : {}),
  };
}

function isOfTree(folder: Folder, includeHidden: boolean): boolean {
  return isInTree(folder) && (includeHidden || !isHiddenAnywhere(folder));
}

function selectOf(request: GraphRequest): string[] | undefined {
  const select = listOption(request.query, '$select');
  const unknown = select?.find((name) => name !== 'id' && ![...MEMBERS, ...SEARCH_MEMBERS].includes(name));
  if (unknown !== undefined) {
    throw faults.badUri(`Could not find a property named '${unknown}' on type 'microsoft.graph.mailFolder'.`);
  }
  return select;
}

function contextOf(request: GraphRequest, place: { user: string; folder?: string }): string {
  const user = encodeURIComponent(place.user);
  const children = place.folder === undefined ? '' : `('${encodeURIComponent(place.folder)}')/childFolders`;
  return `${request.base}/$metadata#users('${user}')/mailFolders${children}`;
}
