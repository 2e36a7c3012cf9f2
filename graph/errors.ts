import { parseRetryAfter } from './retry-after.ts';

/** What a failure means to whoever reads a mailbox. The kind decides what happens next; code and status are for diagnosis. */
export type GraphErrorKind =
  | 'credential_refused'
  | 'permission_missing'
  | 'mailbox_missing'
  | 'mailbox_denied'
  | 'folder_missing'
  | 'item_missing'
  | 'sync_state_lost'
  | 'quota_exceeded'
  | 'throttled'
  | 'body_too_large'
  | 'poison'
  | 'bad_request'
  | 'mailbox_busy'
  | 'unavailable';

export interface GraphErrorDetails {
  readonly kind: GraphErrorKind;
  readonly code: string;
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string | undefined;
  readonly reason?: string | undefined;
  readonly cause?: unknown;
}

/**
 * Every failure of Microsoft Entra and Microsoft Graph. Its message is made of our own words, the code, the status and
 * the request id: the service's own text may hold an address and is left out.
 */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly kind: GraphErrorKind;
  /**
   * Graph's code (`ErrorItemNotFound`), Entra's (`AADSTS7000215`), or one of ours: `Timeout`, `NetworkError`,
   * `Truncated`, `BodyTooLarge`, `LinkLoop`, `ForeignLink`, `InvalidRequest`, `InvalidCredential`.
   */
  readonly code: string;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Whether the same request may succeed later: kinds `throttled`, `mailbox_busy` and `unavailable`. */
  readonly retryable: boolean;
  /** How long the service asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Graph's `request-id` or Entra's trace id: what Microsoft's support asks for. */
  readonly requestId: string | undefined;
  /** What an administrator can do about it; safe to show. Present for `credential_refused` and `permission_missing`. */
  readonly reason: string | undefined;

  constructor(message: string, details: GraphErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = details.kind;
    this.code = details.code;
    this.status = details.status;
    this.retryable = RETRYABLE.has(details.kind);
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
    this.reason = details.reason;
  }
}

const RETRYABLE: ReadonlySet<GraphErrorKind> = new Set(['throttled', 'mailbox_busy', 'unavailable']);

/** What a request asks for: the same 404 means another thing for a user, a folder and a message. */
export type GraphTarget = 'directory' | 'mailbox' | 'folder' | 'message';

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
  sync_state_lost: ['SyncStateNotFound', 'resyncRequired', 'SyncStateInvalid'],
  quota_exceeded: ['ErrorQuotaExceeded'],
  throttled: ['ApplicationThrottled', 'TooManyRequests', 'ErrorTooManyObjectsOpened', 'ErrorExceededMessageLimit'],
  mailbox_busy: [
    'MailboxInfoStale',
    'ErrorMailboxMoveInProgress',
    'ErrorMailboxStoreUnavailable',
    'ErrorServerBusy',
    'ServiceUnavailable',
  ],
  unavailable: ['InternalServerError', 'ErrorInternalServerError', 'ErrorTimeoutExpired'],
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
 * Kinds by lower-cased code: Graph's own case varies. `UnknownError` and `generalException` say nothing and are left
 * out, so that the status decides.
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
};

function kindByStatus(status: number, target: GraphTarget): GraphErrorKind {
  if (status === 403) return target === 'directory' ? 'permission_missing' : 'mailbox_denied';
  if (status === 404) return MISSING[target];
  if (status === 507) return 'quota_exceeded';
  if (status === 408 || status === 424 || status < 400) return 'unavailable';
  if (status === 501) return 'bad_request';
  return status >= 500 ? 'unavailable' : 'bad_request';
}

/** The kind of a Graph refusal, by status, code (any case) and what was asked for. */
export function kindOf(status: number, code: string, target: GraphTarget): GraphErrorKind {
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

/** The typed error for a refusal of Graph, at the top level or inside a batch. */
export function graphErrorFrom({ status, headers, body, target }: GraphRefusal): GraphError {
  const { code, requestId = cleanId(headers['request-id']) } = readEnvelope(body);
  const shown = code ?? `HTTP${status}`;
  const kind = kindOf(status, shown, target);
  const id = requestId === undefined ? '' : `, request ${requestId}`;
  return new GraphError(`${WORDS[kind]} (${status} ${shown}${id})`, {
    kind,
    code: shown,
    status,
    requestId,
    retryAfterMs: parseRetryAfter(headers['retry-after'], headers['date']),
    reason: REASONS[kind],
  });
}

/** An error of ours about an exchange with Graph or Entra that brought no usable answer. */
export function exchangeError(
  code: 'Timeout' | 'NetworkError' | 'Truncated' | 'BodyTooLarge',
  words: string,
  details: Pick<GraphErrorDetails, 'status' | 'requestId' | 'cause'> = {},
): GraphError {
  return new GraphError(words, { kind: code === 'BodyTooLarge' ? 'body_too_large' : 'unavailable', code, ...details });
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

/** A request or trace id, if it looks like one. */
export function cleanId(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w-]{1,64}$/.test(value) ? value : undefined;
}
