import { GraphError, type GraphErrorDetails, type GraphErrorKind } from './errors.ts';

/**
 * What Graph's refusal of a subscription means.
 *
 * | kind          | Graph's answer                                       | what to do                            |
 * | ------------- | ---------------------------------------------------- | ------------------------------------- |
 * | `exists`      | 409: the app has one for the same mail and changes   | adopt it, or remove it                |
 * | `gone`        | 404 or 410 about one that was there                  | create anew                           |
 * | `refused`     | 403, or the mailbox's own 403 or 404                 | try again another day                 |
 * | `unreachable` | 400: our endpoint did not prove itself               | an administrator has to act           |
 * | `too_long`    | 400: its life is longer than Graph gives             | ask for less                          |
 *
 * https://learn.microsoft.com/graph/api/subscription-post-subscriptions
 */
export type SubscriptionRefusal =
  | { readonly kind: 'exists'; readonly subscriptionId: string | undefined }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused' | 'unreachable'; readonly reason: string }
  | { readonly kind: 'too_long'; readonly minutes: number };

/** A refusal of a subscription that says more than its status. */
export class SubscriptionError extends GraphError {
  readonly refusal: SubscriptionRefusal;

  constructor(message: string, details: GraphErrorDetails, refusal: SubscriptionRefusal) {
    super(message, details);
    this.refusal = refusal;
  }
}

/** Statuses as .NET names them, within the errors of the services behind Graph. */
const INNER: Readonly<Record<string, number>> = {
  Unauthorized: 403,
  Forbidden: 403,
  NotFound: 404,
  TooManyRequests: 429,
  InternalServerError: 500,
  BadGateway: 502,
  ServiceUnavailable: 503,
  GatewayTimeout: 504,
};

/** The status that counts: Exchange's own, where Graph only tells that it has failed. */
export function innerStatus(status: number, message: string): number {
  const [, name] = /Status Code: (\w+)/.exec(message) ?? [];
  return (name === undefined ? undefined : INNER[name]) ?? status;
}

/** Understands a refusal by what Graph says, of which nothing but known words is passed on; undefined for all others. */
export function subscriptionRefusal({
  status,
  message,
  isNew,
}: {
  readonly status: number;
  readonly message: string;
  readonly isNew: boolean;
}): SubscriptionRefusal | undefined {
  if (status === 409) {
    return { kind: 'exists', subscriptionId: /<?([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})>?/i.exec(message)?.[1] };
  }
  if (status === 410 || (status === 404 && !isNew)) return { kind: 'gone' };
  if (status === 404) return { kind: 'refused', reason: 'The user has no mailbox that Microsoft Graph can read.' };
  if (status === 403) return { kind: 'refused', reason: /\blimit\b/i.test(message) ? TOO_MANY : DENIED };
  if (status !== 400) return undefined;
  const minutes = Number(/can only be (\d{1,6}) minutes in the future/i.exec(message)?.[1]);
  if (minutes > 0) return { kind: 'too_long', minutes };
  return /validation request/i.test(message) ? { kind: 'unreachable', reason: validationReason(message) } : undefined;
}

const TOO_MANY = 'The mailbox has as many subscriptions as Microsoft Graph allows, those of other apps among them.';
const DENIED = 'Microsoft Graph does not notify the app of changes in this mailbox; the app may not read it.';

function validationReason(message: string): string {
  const [, status] = /status code is '(\w{1,40})'/i.exec(message) ?? [];
  if (status !== undefined) return `Microsoft Graph asked it to prove itself and was answered "${status}".`;
  if (/timed out/i.test(message)) return 'Microsoft Graph asked it to prove itself and had no answer in time.';
  if (/exactly match/i.test(message)) {
    return 'Microsoft Graph asked it to prove itself and was answered by something else than Outhaul.';
  }
  return 'Microsoft Graph could not reach it.';
}

/** The kind for whoever knows of no subscriptions. */
export const KIND_OF: Readonly<Record<SubscriptionRefusal['kind'], GraphErrorKind>> = {
  exists: 'bad_request',
  gone: 'item_missing',
  refused: 'mailbox_denied',
  unreachable: 'bad_request',
  too_long: 'bad_request',
};
