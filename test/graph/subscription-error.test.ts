import { describe, expect, it } from 'vitest';
import { graphErrorFrom } from '../../graph/refusal.ts';
import { SubscriptionError } from '../../graph/subscription-error.ts';

const ID = 'c36a1b2c-0f1e-4d3c-9b5a-6978a5b4c3d2';
const VALIDATION = 'Subscription validation request failed. ';
const refused = (
  status: number,
  code: string,
  message: string,
  target: 'newSubscription' | 'subscription' = 'newSubscription',
) => graphErrorFrom({ status, headers: {}, body: { error: { code, message } }, target });

describe("Graph's refusal of a subscription", () => {
  it.each([
    [
      409,
      'Conflict',
      `Subscription Id <${ID}> already exists for the requested combination`,
      { kind: 'exists', subscriptionId: ID },
    ],
    [409, 'Conflict', 'It exists.', { kind: 'exists', subscriptionId: undefined }],
    [
      400,
      'ExtensionError',
      'Subscription expiration can only be 10070 minutes in the future.',
      { kind: 'too_long', minutes: 10_070 },
    ],
    [
      403,
      'Forbidden',
      'The mailbox has reached its limit of 1000 active subscriptions.',
      { kind: 'refused', reason: /as many subscriptions/ },
    ],
    [403, 'ErrorAccessDenied', 'Access is denied.', { kind: 'refused', reason: /may not read it/ }],
    [
      404,
      'ExtensionError',
      'Operation: Create; Exception: [Status Code: NotFound; Reason: REST API is not yet supported for this mailbox.]',
      { kind: 'refused', reason: /no mailbox/ },
    ],
    [
      400,
      'ExtensionError',
      'Operation: Create; Exception: [Status Code: Forbidden; Reason: Access is denied.]',
      { kind: 'refused', reason: /may not read it/ },
    ],
    [
      400,
      'ValidationError',
      `${VALIDATION}HTTP status code is 'Forbidden'. Notification endpoint must respond with 200 OK.`,
      { kind: 'unreachable', reason: /answered "Forbidden"/ },
    ],
    [
      400,
      'InvalidRequest',
      `${VALIDATION}Response must exactly match validationToken query parameter.`,
      { kind: 'unreachable', reason: /something else than Outhaul/ },
    ],
    [
      400,
      'ValidationError',
      'Subscription validation request timed out.',
      { kind: 'unreachable', reason: /no answer in time/ },
    ],
    [
      400,
      'InvalidRequest',
      `${VALIDATION}Notification endpoint must respond with 200 OK to validation request.`,
      { kind: 'unreachable', reason: /could not reach it/ },
    ],
  ])('%i %s is understood (%#)', (status, code, message, { reason, ...refusal }: Record<string, unknown>) => {
    const error = refused(status, code, message);
    expect(error).toBeInstanceOf(SubscriptionError);
    expect((error as SubscriptionError).refusal).toMatchObject({
      ...refusal,
      ...(reason ? { reason: expect.stringMatching(reason as RegExp) as string } : {}),
    });
    expect(error.message).not.toContain(message);
  });

  it.each([404, 410])('%i about one that was there says that it is gone', (status) => {
    expect(refused(status, 'ResourceNotFound', 'The object was not found.', 'subscription')).toMatchObject({
      kind: 'item_missing',
      refusal: { kind: 'gone' },
    });
  });

  it('that comes of the service behind it counts as what that service has said', () => {
    const busy = 'Operation: Create; Exception: [Status Code: ServiceUnavailable; Reason: Server busy]';
    expect(refused(400, 'ExtensionError', busy)).toMatchObject({ kind: 'mailbox_busy', retryable: true });
    const throttled = 'Operation: Create; Exception: [Status Code: TooManyRequests; Reason: Throttled]';
    expect(refused(400, 'ExtensionError', throttled)).toMatchObject({ kind: 'throttled', scope: 'mailbox' });
  });

  it('that says nothing more is any other error', () => {
    expect(refused(400, 'InvalidRequest', 'No.')).not.toBeInstanceOf(SubscriptionError);
    expect(refused(401, 'InvalidAuthenticationToken', 'No.')).toMatchObject({ kind: 'credential_refused' });
    expect(refused(503, 'ServiceUnavailable', 'No.')).toMatchObject({ kind: 'mailbox_busy' });
  });
});
