import type { RouteKind } from '../msgraph/route.ts';

/** What a rule can be about: the kinds of Graph requests, and Entra's token endpoint. */
export type RequestKind = RouteKind | 'token';

/**
 * Which requests a rule concerns. Absent members concern all, with one exception: requests for tokens are concerned
 * only where `kind` names them.
 */
export interface RequestMatch {
  /** A user's id or principal name. */
  mailbox?: string;
  /** A folder's id, path or well-known name; without `mailbox`, of every mailbox that has such a folder. */
  folder?: string;
  /** One kind of request or several. */
  kind?: RequestKind | readonly RequestKind[];
  /**
   * Either form of a message's id: the requests for that message and its attachments; for `poison`, also the pages that
   * hold it. Needs `mailbox`.
   */
  message?: string;
  /**
   * Either form of an attachment's id: the requests for that attachment by itself; for `poison`, also the lists that
   * show it. Needs `message`.
   */
  attachment?: string;
  /** How many such requests pass first. Default 0. */
  after?: number;
}

/** A fault: which requests it strikes, how often, and what happens to them. */
export interface FaultRule extends RequestMatch {
  /** How often it strikes. Default: until it is removed. */
  times?: number;
  /** The part of such requests that it strikes, 0 to 1. Default 1. */
  rate?: number;
  /** Chooses among the requests where there is a rate, and among effects. Default 1. */
  seed?: number;
  effect: FaultEffect;
}

/** What a fault does. */
export type FaultEffect = PlainEffect | OneOfEffect;

/** One of several effects, in turns that follow from the rule's seed. */
export interface OneOfEffect {
  type: 'oneOf';
  effects: readonly ExchangeEffect[];
}

/** Every effect but the choice among several. */
export type PlainEffect = ExchangeEffect | ContentEffect;

/** Effects on a request, its answer or its connection, whatever the answer says. */
export type ExchangeEffect =
  | StatusEffect
  | EntraEffect
  | MailboxEffect
  | RevokeTokensEffect
  | ResetEffect
  | TruncateEffect
  | TrickleEffect
  | SilenceEffect
  | DelayEffect;

/** Effects on what an answer says. */
export type ContentEffect =
  | ExpireLinksEffect
  | PageLimitEffect
  | PoisonEffect
  | OverlapEffect
  | EmptyPageEffect
  | SameLinkEffect
  | IgnoreTopEffect
  | CountEffect
  | PartialEffect;

/** An answer with a status of error in place of the real one. Inside a batch it is that of the inner request. */
export interface StatusEffect {
  type: 'status';
  /** 400 to 599. */
  status: number;
  /** Default: what Graph commonly says with the status. */
  code?: string;
  /** Default: Graph's words for the code, where they are known. */
  message?: string;
  /** `Retry-After`: seconds, fractions included, or an HTTP date so many seconds ahead. Default: no such header. */
  retryAfter?: number | { date: number };
  /** What the body is. Front ends also send none, or HTML. Default `json`. */
  body?: 'json' | 'html' | 'empty';
}

/** A refusal of the token endpoint, by AADSTS number. For requests of kind `token` only. */
export interface EntraEffect {
  type: 'entra';
  number: AadstsNumber;
}

/** The refusals of Entra that an administrator can cause, and 90033, which passes by itself. */
export const AADSTS_NUMBERS = [
  7000215, 7000222, 700016, 7000229, 7000112, 700027, 90002, 900023, 53003, 90033,
] as const;
export type AadstsNumber = (typeof AADSTS_NUMBERS)[number];

/** A state of a mailbox that every Outlook request for it meets. */
export interface MailboxEffect {
  type: 'mailbox';
  state: MailboxState;
}

/**
 * `denied` 403 `ErrorAccessDenied` (a policy); `notEnabled` 404 `MailboxNotEnabledForRESTAPI`; `gone` 404
 * `ErrorInvalidUser`; `onHold` 503 `MailboxInfoStale`; `moving` 503 `ErrorMailboxMoveInProgress`; `storeUnavailable` 503
 * `ErrorMailboxStoreUnavailable`; `overQuota` 507 `ErrorQuotaExceeded`, for delta only.
 */
export const MAILBOX_STATES = [
  'denied', 'notEnabled', 'gone', 'onHold', 'moving', 'storeUnavailable', 'overQuota',
] as const; // prettier-ignore
export type MailboxState = (typeof MAILBOX_STATES)[number];

/** Takes back every token issued so far and answers 401. */
export interface RevokeTokensEffect {
  type: 'revokeTokens';
}

/**
 * The connection is reset (TCP RST) `before` a byte of the answer was sent, `during` it, or `after` all of it was, when
 * the client thinks that it may use the connection again. Concerns whole batches, never single requests inside.
 */
export interface ResetEffect {
  type: 'reset';
  moment: 'before' | 'during' | 'after';
}

/** Status 200 with the first part of the body, properly ended as HTTP. Concerns whole batches. */
export interface TruncateEffect {
  type: 'truncate';
  /** The part that is sent, 0 to 1. Default 0.5. */
  keep?: number;
  /** Sends a collection that holds this error and is not closed, as Graph does when it fails while it streams. */
  error?: { code: string; message?: string };
  /** `any` cuts counts, MIME text and attachments, too, which nobody can tell from whole ones. Default `json`. */
  of?: 'json' | 'any';
}

/** The answer comes bit by bit. Concerns whole batches. */
export interface TrickleEffect {
  type: 'trickle';
  /** Bytes at a time. Default 1,024. */
  bytes?: number;
  /** Milliseconds between them. Default 100. */
  every?: number;
}

/** No answer ever comes; the connection stays open until the client gives up. Concerns whole batches. */
export interface SilenceEffect {
  type: 'silence';
}

/** The request waits before it is answered. */
export interface DelayEffect {
  type: 'delay';
  milliseconds: number;
}

/** Links of delta walks answer 410. A walk begun anew gets good links, as far as the rule strikes no more. */
export interface ExpireLinksEffect {
  type: 'expireLinks';
  /** Default `SyncStateNotFound`. */
  code?: 'SyncStateNotFound' | 'resyncRequired' | 'SyncStateInvalid';
  /** Which links. Default both. */
  links?: 'next' | 'delta';
  /** Only links that were handed out so many seconds ago or earlier. Default: all. */
  olderThan?: number;
}

/** Pages of messages with more than `largest` messages fail. */
export interface PageLimitEffect {
  type: 'pageLimit';
  largest: number;
  /** Default 504. */
  status?: 500 | 413 | 503 | 504;
}

/**
 * A message that cannot be read. Needs `mailbox` and `message`. What fails is any answer that would show one of
 * `members` of it. With `attachment` it is that attachment that cannot be read: every answer that would give its bytes
 * fails, the list without `$select` and the MIME text of the message included.
 */
export interface PoisonEffect {
  type: 'poison';
  /**
   * Members of the message, and `attachments` and `$value` for what lies below it. Default: everything, `id` included.
   */
  members?: readonly string[];
  /**
   * `pages`: lists and delta only, alone it can be read; `alone`: the reverse. Default `everywhere`. Attachments have
   * their own list.
   */
  where?: 'pages' | 'alone' | 'everywhere';
  /** Default 500. */
  status?: number;
  /** Default `ErrorContentConversionFailed`; of an attachment `ErrorCannotOpenFileAttachment`. */
  code?: string;
}

/** Pages of messages after the first begin with the last messages of the page before. */
export interface OverlapEffect {
  type: 'overlap';
  /** How many are repeated; less than a page. Default 1. */
  messages?: number;
}

/** A page of messages holds nothing but a link to where the walk stands. */
export interface EmptyPageEffect {
  type: 'emptyPage';
}

/** The next link of a page of messages leads to the same page again. */
export interface SameLinkEffect {
  type: 'sameLink';
}

/** Pages of messages and folders have a size of their own, whatever `$top` or `odata.maxpagesize` asks for. */
export interface IgnoreTopEffect {
  type: 'ignoreTop';
  /** Default 10. */
  size?: number;
}

/** Counters are off: `@odata.count` and `$count` of messages, `totalItemCount` of folders; choose with `kind`. */
export interface CountEffect {
  type: 'count';
  /** What is added; counters stay at 0 or above. */
  off: number;
}

/** Later delta rounds give of a changed message its id, what changed, and nothing else. */
export interface PartialEffect {
  type: 'partial';
}

/** A rule in force. */
export interface Fault {
  readonly id: number;
  readonly rule: FaultRule;
  /** Requests it concerned, those that passed first included. */
  readonly met: number;
  /** How often it struck. */
  readonly struck: number;
}

/** A mix of faults under one name. */
export interface FaultPreset {
  /** `mixed`: throttling with short waits, errors of servers, resets, truncated and slow answers. */
  preset: 'mixed';
  /** The part of all requests that is struck. Default 0.02. */
  rate?: number;
  seed?: number;
  mailbox?: string;
  folder?: string;
  kind?: RequestKind | readonly RequestKind[];
}
