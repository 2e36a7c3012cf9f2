import { cleanId, GraphError, type GraphErrorKind, type ThrottleScope } from './errors.ts';
import { parseRetryAfter } from '../model/retry-after.ts';
import { innerStatus, KIND_OF, SubscriptionError, subscriptionRefusal } from './subscription-error.ts';

/** What a request asks for: the same 404 means another thing for a user, a folder and a message. */
export type GraphTarget = 'directory' | 'mailbox' | 'folder' | 'message' | SubscriptionTarget;
/** One that is to be made, or one that is there. */
type SubscriptionTarget = 'newSubscription' | 'subscription';

const CODES: Readonly<Record<GraphErrorKind, readonly string[]>> = {
  credential_refused: ['InvalidAuthenticationToken'],
  permission_missing: ['Authorization_RequestDenied'],
  mailbox_denied: ['ErrorAccessDenied'],
  mailbox_missing: [
    'MailboxNotEnabledForRESTAPI',
    'MailboxNotSupportedForRESTAPI',
    'ErrorInvalidUser',
    'ResourceNotFound',
    'Request_ResourceNotFound',
    'ErrorNonExistentMailbox',
  ],
  item_missing: ['ErrorItemNotFound', 'itemNotFound'],
  folder_missing: ['ErrorSyncFolderNotFound', 'ErrorFolderNotFound'],
  bad_request: [
    'ErrorInvalidIdMalformed',
    'ErrorInvalidUrlQuery',
    'ErrorInvalidRequest',
    'BadRequest',
    'RequestBroker--ParseUri',
    'InefficientFilter',
    'NotImplemented',
  ],
  sync_state_lost: ['SyncStateNotFound', 'resyncRequired', 'SyncStateInvalid', 'Directory_ExpiredPageToken'],
  quota_exceeded: ['ErrorQuotaExceeded'],
  throttled: ['ApplicationThrottled', 'TooManyRequests', 'ErrorTooManyObjectsOpened', 'ErrorExceededMessageLimit'],
  mailbox_busy: [
    'MailboxInfoStale',
    'ErrorMailboxMoveInProgress',
    'ErrorMailboxStoreUnavailable',
    'ErrorServerBusy',
    'ServiceUnavailable',
  ],
  too_slow: ['ErrorTimeoutExpired'],
  server_error: [],
  unavailable: [],
  poison: [
    'ErrorCorruptData',
    'ErrorContentConversionFailed',
    'ErrorInvalidRecipients',
    'ErrorMimeContentConversionFailed',
    'ErrorCannotOpenFileAttachment',
  ],
  body_too_large: [],
};

/**
 * Kinds by lower-cased code: Graph's own case varies. `UnknownError`, `generalException` and `InternalServerError` say
 * nothing and are left out, so that the status decides.
 */
const KIND_BY_CODE = new Map(
  Object.entries(CODES).flatMap(([kind, codes]) =>
    codes.map((code) => [code.toLowerCase(), kind as GraphErrorKind] as const),
  ),
);

const MISSING: Readonly<Record<GraphTarget, GraphErrorKind>> = {
  directory: 'bad_request',
  mailbox: 'mailbox_missing',
  folder: 'folder_missing',
  message: 'item_missing',
  newSubscription: 'mailbox_missing',
  subscription: 'item_missing',
};

function kindByStatus(status: number, target: GraphTarget): GraphErrorKind {
  if (status === 403) return target === 'directory' ? 'permission_missing' : 'mailbox_denied';
  if (status === 404) return MISSING[target];
  if (status === 507) return 'quota_exceeded';
  if (status === 408 || status === 504) return 'too_slow';
  if (status === 413) return 'body_too_large';
  if (status === 500 || status === 502) return 'server_error';
  if (status === 503) return 'mailbox_busy';
  if (status === 424 || status < 400) return 'unavailable';
  if (status === 501) return 'bad_request';
  return status > 500 ? 'unavailable' : 'bad_request';
}

/** The kind of a refusal of Graph, by status, code (any case) and what was asked for. */
function kindOf(status: number, code: string, target: GraphTarget): GraphErrorKind {
  if (status === 401) return 'credential_refused';
  if (status === 410) return 'sync_state_lost';
  if (status === 429) return 'throttled';
  const kind = KIND_BY_CODE.get(code.toLowerCase()) ?? kindByStatus(status, target);
  if (kind === 'item_missing') return MISSING[target] === 'bad_request' ? kind : MISSING[target];
  if (target !== 'directory') return kind;
  if (kind === 'mailbox_denied') return 'permission_missing';
  return kind === 'mailbox_busy' ? 'unavailable' : kind;
}

const WORDS: Readonly<Record<GraphErrorKind, string>> = {
  credential_refused: "Microsoft Graph refused the app's token",
  permission_missing: 'The app lacks a permission in Microsoft Graph',
  mailbox_missing: 'The user has no mailbox that Microsoft Graph can read',
  mailbox_denied: 'The mailbox is closed to the app',
  folder_missing: 'The folder does not exist',
  item_missing: 'The item does not exist',
  sync_state_lost: 'Microsoft Graph no longer knows the sync state',
  quota_exceeded: 'The mailbox is over its quota',
  throttled: 'Microsoft Graph throttles the app',
  body_too_large: 'The answer is larger than the limit',
  poison: 'An item cannot be read',
  bad_request: 'Microsoft Graph does not accept the request',
  mailbox_busy: 'The mailbox is busy or being moved',
  too_slow: 'Microsoft Graph took too long',
  server_error: 'Microsoft Graph failed',
  unavailable: 'Microsoft Graph is not available',
};

const LIST_USERS_REASON =
  'The app registration may not list the users of the tenant. In the Microsoft Entra admin center open App ' +
  'registrations, the app, API permissions; add the permission Microsoft Graph, Application permissions, ' +
  'User.Read.All; then choose "Grant admin consent". A new permission can take some minutes to work.';

const REFUSED_TOKEN_REASON =
  'Microsoft Graph refused a token that Microsoft Entra had just issued. Check that the connection names the right ' +
  'cloud and Graph URL, and that no Conditional Access policy for workload identities stands against the app.';

const REASONS: Partial<Record<GraphErrorKind, string>> = {
  permission_missing: LIST_USERS_REASON,
  credential_refused: REFUSED_TOKEN_REASON,
};

/** A refusal of Graph, as far as it was understood. Header names are lower-case. */
export interface GraphRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The parsed body, if it was JSON. */
  readonly body: unknown;
  readonly target: GraphTarget;
}

/**
 * The typed error for a refusal of Graph, at the top level or inside a batch; a `SubscriptionError` where it says more of
 * a subscription.
 */
export function graphErrorFrom({ status, headers, body, target }: GraphRefusal): GraphError {
  const { code, requestId = cleanId(headers['request-id']) } = readEnvelope(body);
  const shown = code ?? `HTTP${status}`;
  const said = member(member(body, 'error'), 'message');
  const message = typeof said === 'string' ? said : '';
  const isOfSubscription = target === 'newSubscription' || target === 'subscription';
  const telling = isOfSubscription ? innerStatus(status, message) : status;
  const isNew = target === 'newSubscription';
  const refusal = isOfSubscription ? subscriptionRefusal({ status: telling, message, isNew }) : undefined;
  const kind = refusal ? KIND_OF[refusal.kind] : kindOf(telling, shown, target);
  const id = requestId === undefined ? '' : `, request ${requestId}`;
  const words = `${WORDS[kind]} (${status} ${shown}${id})`;
  const details = {
    kind,
    code: shown,
    status,
    requestId,
    retryAfterMs: parseRetryAfter(headers['retry-after'], headers['date']),
    scope: kind === 'throttled' ? scopeOf(headers, target, shown) : undefined,
    reason: REASONS[kind],
  };
  return refusal ? new SubscriptionError(words, details, refusal) : new GraphError(words, details);
}

/**
 * Outlook throttles an app in one mailbox, as `ApplicationThrottled`. What strikes outside of a mailbox, carries the
 * scope that the directory names (`Tenant_Application/...`), or is the gateway's general `TooManyRequests` with a wait,
 * holds back everything.
 * https://learn.microsoft.com/graph/throttling-limits
 */
function scopeOf(headers: GraphRefusal['headers'], target: GraphTarget, code: string): ThrottleScope {
  const isGateways = code.toLowerCase() === 'toomanyrequests' && headers['retry-after'] !== undefined;
  return target === 'directory' || headers['x-ms-throttle-scope'] !== undefined || isGateways
    ? 'connection'
    : 'mailbox';
}

/** The code and request id of Graph's error envelope; an inner code counts where the outer one says nothing. */
function readEnvelope(body: unknown): { code?: string; requestId?: string } {
  const error = member(body, 'error');
  const inner = member(error, 'innerError') ?? member(error, 'innererror');
  const outerCode = cleanCode(member(error, 'code'));
  const innerCode = cleanCode(member(inner, 'code'));
  const known = [outerCode, innerCode].find((code) => code !== undefined && KIND_BY_CODE.has(code.toLowerCase()));
  const code = known ?? outerCode ?? innerCode;
  const requestId = cleanId(member(inner, 'request-id'));
  return { ...(code !== undefined && { code }), ...(requestId !== undefined && { requestId }) };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function cleanCode(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value) ? value : undefined;
}
