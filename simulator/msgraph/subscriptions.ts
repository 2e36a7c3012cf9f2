import type { JsonObject } from '../mail/bytes.ts';
import { guidFrom, seedFor } from '../mail/rng.ts';
import { validateEndpoint } from '../notify/handshake.ts';
import { expirationOf, type NewSubscription, type Subscription } from '../notify/subscription.ts';
import { type Answer, emptyAnswer, jsonAnswer } from './answer.ts';
import { readObject } from './body.ts';
import { faults, GraphFault } from './fault.ts';
import { grantedUntil, readSubscription, userOfResource } from './new-subscription.ts';
import { onlyOptions, preferenceApplied } from './query.ts';
import type { GraphRequest, GraphWorld } from './request.ts';
import type { Route } from './route.ts';

const PAGE = 100;

type SubscriptionsRoute = Extract<Route, { kind: 'subscriptions' }>;

/**
 * Answers `/subscriptions` and what lies below it.
 * Source: https://learn.microsoft.com/graph/api/resources/subscription
 */
export function answerSubscriptions(
  world: GraphWorld,
  request: GraphRequest,
  { id, action }: SubscriptionsRoute,
): Answer | Promise<Answer> {
  if (id === undefined) return request.method === 'POST' ? create(world, request) : list(world, request);
  const subscription = world.subscriptions.get(id);
  if (!subscription) throw faults.noSubscription();
  if (action === 'reauthorize') {
    subscription.mustReauthorize = false;
    return emptyAnswer();
  }
  if (request.method === 'DELETE') {
    world.subscriptions.remove(subscription);
    return emptyAnswer();
  }
  if (request.method === 'PATCH') renew(world, request, subscription);
  return jsonAnswer({ '@odata.context': contextOf(request), ...bodyOf(world, subscription) });
}

/** The id of the user whose mailbox a request for subscriptions is about, where it is about one. */
export function userOfSubscription(
  world: GraphWorld,
  { id }: SubscriptionsRoute,
  body: Uint8Array,
): string | undefined {
  if (id !== undefined) return world.subscriptions.get(id)?.user.id;
  if (body.length === 0) return undefined;
  try {
    const { resource } = readObject(body);
    const key = typeof resource === 'string' ? userOfResource(resource) : undefined;
    return key === undefined ? undefined : world.tenant.user(key)?.id;
  } catch (error) {
    if (error instanceof GraphFault) return undefined;
    throw error;
  }
}

/** The endpoints are asked while the request waits, the one for lifecycle notifications, too, were it the same. */
async function create(world: GraphWorld, request: GraphRequest): Promise<Answer> {
  const wanted = readSubscription(world, request, readObject(request.body));
  checkRoom(world, wanted);
  const { dispatcher, notifications } = world;
  const options = {
    dispatcher,
    timeoutMs: notifications.current.validationTimeoutMs,
    requestId: request.requestId,
  };
  await validateEndpoint(wanted.notificationUrl, options);
  if (wanted.lifecycleNotificationUrl !== null) await validateEndpoint(wanted.lifecycleNotificationUrl, options);
  checkRoom(world, wanted);
  const subscription = world.subscriptions.add(wanted);
  const body = { '@odata.context': contextOf(request), ...bodyOf(world, subscription) };
  return { ...jsonAnswer(body, preferenceApplied(request.preferences)), status: 201 };
}

function checkRoom({ subscriptions, notifications }: GraphWorld, wanted: NewSubscription): void {
  const twin = subscriptions.twinOf(wanted);
  if (twin) throw faults.subscriptionExists(twin.id);
  const most = notifications.current.subscriptionsPerMailbox;
  if (subscriptions.ofUser(wanted.user.id).length >= most) throw faults.tooManySubscriptions(most);
}

function renew(world: GraphWorld, request: GraphRequest, subscription: Subscription): void {
  const body = readObject(request.body);
  const other = Object.keys(body).find((name) => name !== 'expirationDateTime');
  if (other !== undefined) {
    throw faults.badSubscription(`'${other}' cannot be changed: only 'expirationDateTime' can.`);
  }
  subscription.expiresAt = grantedUntil(world, body);
  subscription.mustReauthorize = false;
}

function list(world: GraphWorld, request: GraphRequest): Answer {
  onlyOptions(request.query, 'subscription', ['$skiptoken']);
  const token = request.query.get('$skiptoken');
  const after = token === undefined ? 0 : Number(token);
  if (!Number.isInteger(after)) throw faults.badRequest('Invalid $skiptoken.');
  const rest = world.subscriptions.list().filter(({ number }) => number > after);
  const page = rest.slice(0, PAGE);
  const answer: JsonObject = {
    '@odata.context': `${request.base}/$metadata#subscriptions`,
    value: page.map((subscription) => bodyOf(world, subscription)),
  };
  const last = page.at(-1);
  if (last && rest.length > PAGE) answer['@odata.nextLink'] = `${request.base}/subscriptions?$skiptoken=${last.number}`;
  return jsonAnswer(answer);
}

function contextOf({ base }: GraphRequest): string {
  return `${base}/$metadata#subscriptions/$entity`;
}

function bodyOf({ tenant: { plan } }: GraphWorld, subscription: Subscription): JsonObject {
  const { id, resource, changeType, clientState, notificationUrl, lifecycleNotificationUrl } = subscription;
  return {
    id,
    resource,
    applicationId: plan.clientId,
    changeType,
    clientState,
    notificationUrl,
    notificationQueryOptions: null,
    lifecycleNotificationUrl,
    expirationDateTime: expirationOf(subscription),
    creatorId: guidFrom(seedFor(plan.seed, 'creator'), 0),
    includeResourceData: null,
    latestSupportedTlsVersion: subscription.latestSupportedTlsVersion,
    encryptionCertificate: null,
    encryptionCertificateId: null,
    notificationUrlAppId: null,
  };
}
