/**
 * What a failure means to whoever reads a mailbox. The kind decides what happens next; code and status are for diagnosis.
 *
 * | kind                 | Graph's answer                                       | what to do                                  |
 * | -------------------- | ---------------------------------------------------- | ------------------------------------------- |
 * | `credential_refused` | 401 once more after a renewed token; Entra's refusal | stop; an administrator has to act           |
 * | `permission_missing` | 403 about the directory                              | stop; an administrator has to act           |
 * | `mailbox_denied`     | 403 about a mailbox                                  | skip the mailbox                            |
 * | `mailbox_missing`    | 404 that names the mailbox or the user               | skip the mailbox                            |
 * | `folder_missing`     | 404 about a folder                                   | the folder has gone                         |
 * | `item_missing`       | 404 about a message                                  | the message has gone or moved               |
 * | `sync_state_lost`    | 410, or its codes with 400                           | start the folder anew, once                 |
 * | `quota_exceeded`     | 507, or its code with 403                            | list the folder instead                     |
 * | `bad_request`        | any other 4xx, 501                                   | never again: a fault of ours                |
 * | `throttled`          | 429; `scope` says what it holds back                 | wait as long as Graph says, without limit   |
 * | `mailbox_busy`       | 503                                                  | wait, for half an hour at most              |
 * | `unavailable`        | no answer, 424, 3xx, any other 5xx                   | ask again, as it is                         |
 * | `body_too_large`     | 413, or a body above our bound                       | ask for less, at once                       |
 * | `too_slow`           | 504, 408, or none within our deadline                | ask for less; for one message, ask again    |
 * | `server_error`       | 500 or 502 without a telling code; an answer cut off | ask again; if it stays, ask for less        |
 * | `poison`             | the codes of an item that cannot be read             | ask for less, until the item stands alone   |
 *
 * For the last four a smaller page may help (`mayBeContent`): something in it is too much for Graph.
 */
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
  | 'too_slow'
  | 'server_error'
  | 'unavailable';

/** What a 429 holds back: one mailbox, or everything that the app does in the tenant. */
export type ThrottleScope = 'mailbox' | 'connection';

export interface GraphErrorDetails {
  readonly kind: GraphErrorKind;
  readonly code: string;
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly scope?: ThrottleScope | undefined;
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
  /** Whether the same request may succeed later: `throttled`, `mailbox_busy`, `unavailable`, `too_slow`, `server_error`. */
  readonly retryable: boolean;
  /** How long the service asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Of kind `throttled`: what is held back. */
  readonly scope: ThrottleScope | undefined;
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
    this.scope = details.scope;
    this.requestId = details.requestId;
    this.reason = details.reason;
  }
}

const RETRYABLE: ReadonlySet<GraphErrorKind> = new Set([
  'throttled',
  'mailbox_busy',
  'unavailable',
  'too_slow',
  'server_error',
]);

const OF_CONTENT: ReadonlySet<GraphErrorKind> = new Set(['poison', 'body_too_large', 'too_slow', 'server_error']);

/** Whether what was asked for may be to blame, so that asking for less may help: fewer messages, or fewer members. */
export function mayBeContent({ kind }: GraphError): boolean {
  return OF_CONTENT.has(kind);
}

/** An error of ours about an exchange with Graph or Entra that brought no usable answer. */
export function exchangeError(
  code: 'Timeout' | 'NetworkError' | 'Truncated' | 'BodyTooLarge',
  words: string,
  details: Partial<Pick<GraphErrorDetails, 'kind' | 'status' | 'requestId' | 'cause'>> = {},
): GraphError {
  return new GraphError(words, { kind: EXCHANGE_KINDS[code], code, ...details });
}

const EXCHANGE_KINDS = {
  Timeout: 'too_slow',
  NetworkError: 'unavailable',
  Truncated: 'server_error',
  BodyTooLarge: 'body_too_large',
} as const satisfies Record<string, GraphErrorKind>;

/** A request or trace id, if it looks like one. */
export function cleanId(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w-]{1,64}$/.test(value) ? value : undefined;
}
