import type { JsonObject } from '../mail/bytes.ts';
import { DEFAULT_USER_PROPERTIES, type User, userProperties } from '../tenant/users.ts';
import { type Answer, jsonAnswer, textAnswer } from './answer.ts';
import { faults } from './fault.ts';
import { type Filter, parseFilter, passes } from './filter.ts';
import { listOption, onlyOptions } from './query.ts';
import { type GraphRequest, type GraphWorld, openMailbox } from './request.ts';

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 999;
const LIST_OPTIONS = ['$select', '$filter', '$top', '$count', '$skiptoken', '$orderby'];
/** Properties that Graph gives on a single user only. */
const NOT_ON_COLLECTIONS = ['mailboxsettings', 'aboutme', 'hiredate', 'birthday', 'interests', 'mysite'];

/** `GET /organization`. */
export function listOrganization(world: GraphWorld, request: GraphRequest): Answer {
  demandDirectory(request);
  const { tenantId, domain } = world.tenant.plan;
  const organization = {
    id: tenantId,
    displayName: 'Harbour Company',
    countryLetterCode: 'DE',
    createdDateTime: '2019-05-01T08:00:00Z',
    tenantType: 'AAD',
    verifiedDomains: [{ capabilities: 'Email, OfficeCommunicationsOnline', isDefault: true, isInitial: true, name: domain, type: 'Managed' }],
  }; // prettier-ignore
  const value = [selected(organization, listOption(request.query, '$select') ?? Object.keys(organization))];
  return jsonAnswer({ '@odata.context': `${request.base}/$metadata#organization`, value });
}

/** `GET /users`: pages with an opaque `$skiptoken`. */
export function listUsers(world: GraphWorld, request: GraphRequest): Answer {
  demandDirectory(request);
  const { query } = request;
  if (query.has('$skip')) throw faults.unsupportedQuery("'$skip' is not supported by the service.");
  onlyOptions(query, 'User', LIST_OPTIONS);
  const select = selectOf(request);
  const top = topOf(query.get('$top'));
  const users = matching(world, request);
  const start = startOf(query.get('$skiptoken'));
  const end = start + top;
  const answer: JsonObject = {
    '@odata.context': `${request.base}/$metadata#users${query.has('$select') ? `(${select.join()})` : ''}`,
  };
  if (wantsCount(request) && start === 0) answer['@odata.count'] = users.length;
  if (end < users.length) answer['@odata.nextLink'] = nextLink(request, end);
  answer.value = users.slice(start, end).map((user) => selected(userProperties(user), select));
  return jsonAnswer(answer);
}

/** `GET /users/$count`: an advanced query by itself. */
export function countUsers(world: GraphWorld, request: GraphRequest): Answer {
  demandDirectory(request);
  if (!request.isEventual) {
    throw faults.badRequest('$count is not currently supported without the ConsistencyLevel header.');
  }
  return textAnswer(String(matching(world, request).length));
}

/** `GET /users/{id or user principal name}`. */
export function getUser(world: GraphWorld, request: GraphRequest, key: string): Answer {
  demandDirectory(request);
  const user = world.tenant.user(key);
  if (!user) throw faults.noSuchUser(key);
  const select = listOption(request.query, '$select');
  const properties: JsonObject = { ...userProperties(user) };
  if (select?.includes('mailboxSettings')) properties.mailboxSettings = settingsOf(user);
  const context = `${request.base}/$metadata#users${select ? `(${select.join()})` : ''}/$entity`;
  return jsonAnswer({ '@odata.context': context, ...selected(properties, select ?? DEFAULT_USER_PROPERTIES) });
}

/** `GET /users/{id}/mailboxSettings`, which needs its own permission. */
export function getMailboxSettings(world: GraphWorld, request: GraphRequest, key: string): Answer {
  if (!request.roles.has('MailboxSettings.Read')) throw faults.mailDenied();
  const { user } = openMailbox(world, request, key);
  const context = `${request.base}/$metadata#users('${encodeURIComponent(key)}')/mailboxSettings`;
  const settings = settingsOf(user);
  const select = listOption(request.query, '$select');
  return jsonAnswer({ '@odata.context': context, ...(select ? selected(settings, select) : settings) });
}

function settingsOf(user: User): JsonObject {
  return {
    archiveFolder: '',
    timeZone: 'W. Europe Standard Time',
    delegateMeetingMessageDeliveryOptions: 'sendToDelegateOnly',
    dateFormat: 'yyyy-MM-dd',
    timeFormat: 'HH:mm',
    userPurpose: user.kind === 'shared' || user.kind === 'room' ? user.kind : 'user',
    automaticRepliesSetting: {
      status: 'disabled',
      externalAudience: 'none',
      internalReplyMessage: '',
      externalReplyMessage: '',
    },
    language: { locale: user.locale, displayName: user.locale },
    workingHours: {
      daysOfWeek: ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'],
      startTime: '08:00:00.0000000',
      endTime: '17:00:00.0000000',
      timeZone: { name: 'W. Europe Standard Time' },
    },
  };
}

function demandDirectory(request: GraphRequest): void {
  if (!request.roles.has('User.Read.All')) throw faults.directoryDenied();
}

function selectOf(request: GraphRequest): readonly string[] {
  const select = listOption(request.query, '$select');
  if (!select) return DEFAULT_USER_PROPERTIES;
  if (select.some((name) => NOT_ON_COLLECTIONS.includes(name.toLowerCase()))) throw faults.notOnCollections();
  return select;
}

function selected(properties: JsonObject, select: readonly string[]): JsonObject {
  const names = new Set(select);
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.has(name)));
}

function topOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PAGE;
  const top = Number(text);
  if (!/^\d+$/.test(text) || top < 1 || top > LARGEST_PAGE) throw faults.badPageSize(text);
  return top;
}

function wantsCount(request: GraphRequest): boolean {
  return request.query.get('$count') === 'true' && request.isEventual;
}

/** The users that pass the filter; comparisons that Entra calls advanced need their header and `$count`. */
function matching(world: GraphWorld, request: GraphRequest): readonly User[] {
  const text = request.query.get('$filter');
  if (text === undefined) return world.tenant.users;
  const filter = parseFilter(text);
  const isCount = request.route.kind === 'usersCount';
  if (isAdvanced(filter) && !(request.isEventual && (isCount || request.query.get('$count') === 'true'))) {
    throw faults.unsupportedQuery('Operator or property is not supported without advanced query capabilities.');
  }
  return world.tenant.users.filter((user) => passes(filter, userProperties(user)));
}

function isAdvanced(filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return isAdvanced(filter.left) || isAdvanced(filter.right);
    case 'not':
      return true;
    case 'compare':
      return filter.operator === 'ne';
    case 'call':
      return filter.name !== 'startswith';
  }
}

const TOKEN_PREFIX = 'RFNwdAIAAQAAAB';

function nextLink(request: GraphRequest, start: number): string {
  const query = new URLSearchParams([...request.query].filter(([name]) => name !== '$skiptoken'));
  const token = TOKEN_PREFIX + Buffer.from(`users:${start}`).toString('base64url');
  return `${request.base}/users?${query.size > 0 ? `${query.toString()}&` : ''}$skiptoken=${token}`;
}

function startOf(token: string | undefined): number {
  if (token === undefined) return 0;
  const text = Buffer.from(token.slice(TOKEN_PREFIX.length), 'base64url').toString();
  const match = /^users:(\d+)$/.exec(text);
  if (!token.startsWith(TOKEN_PREFIX) || !match) throw faults.badRequest('Invalid $skiptoken.');
  return Number(match[1]);
}
