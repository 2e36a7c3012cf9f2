import type { Json, JsonObject } from '../mail/bytes.ts';
import { CHANGE_TYPES, type ChangeType, type NewSubscription } from '../notify/subscription.ts';
import { faults, GraphFault } from './fault.ts';
import { type GraphRequest, type GraphWorld, openFolder, openMailbox } from './request.ts';
import { readRoute } from './route.ts';

/** Minutes ahead that a subscription for messages may end at most; it is granted this many at least. */
const LONGEST = 10_070;
const SHORTEST = 45;
const MINUTE = 60_000;
const LONGEST_STATE = 128;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
const MEMBERS = new Set([
  'changeType', 'notificationUrl', 'lifecycleNotificationUrl', 'resource', 'expirationDateTime', 'clientState',
  'latestSupportedTlsVersion', 'includeResourceData', 'encryptionCertificate', 'encryptionCertificateId',
  'notificationQueryOptions', 'notificationUrlAppId',
]); // prettier-ignore

/** Reads the body of `POST /subscriptions`. @throws GraphFault with what Graph would refuse it for. */
export function readSubscription(world: GraphWorld, request: GraphRequest, body: JsonObject): NewSubscription {
  const unknown = Object.keys(body).find((name) => !MEMBERS.has(name) && !name.startsWith('@'));
  if (unknown !== undefined) throw faults.badSubscription(`A subscription has no property '${unknown}'.`);
  const resource = wanted(body, 'resource');
  const changeType = wanted(body, 'changeType');
  const notificationUrl = endpointUrl('notificationUrl', wanted(body, 'notificationUrl'));
  const lifecycleUrl = optional(body, 'lifecycleNotificationUrl');
  const clientState = optional(body, 'clientState');
  if ((clientState?.length ?? 0) > LONGEST_STATE) {
    throw faults.badSubscription(`'clientState' must not be longer than ${LONGEST_STATE} characters.`);
  }
  if (body.includeResourceData === true) refuseResourceData(body);
  return {
    resource,
    changeType,
    changeTypes: changeTypesOf(changeType),
    notificationUrl,
    lifecycleNotificationUrl: lifecycleUrl === null ? null : endpointUrl('lifecycleNotificationUrl', lifecycleUrl),
    clientState,
    latestSupportedTlsVersion: optional(body, 'latestSupportedTlsVersion') ?? 'v1_2',
    immutableIds: request.preferences.immutableIds,
    expiresAt: grantedUntil(world, body),
    ...openResource(world, request, resource),
  };
}

/** When a subscription ends that asks for `expirationDateTime`, in milliseconds since 1970. @throws GraphFault 400. */
export function grantedUntil(world: GraphWorld, body: JsonObject): number {
  const now = Date.now();
  const asked = Date.parse(wanted(body, 'expirationDateTime'));
  if (Number.isNaN(asked)) throw faults.badSubscription("'expirationDateTime' must be a date and a time.");
  if (asked <= now) throw faults.badSubscription("'expirationDateTime' must lie in the future.");
  if (asked - now > LONGEST * MINUTE) throw faults.lifetimeTooLong(LONGEST);
  return now + Math.max(asked - now, SHORTEST * MINUTE) * world.notifications.current.lifetimeScale;
}

/** The mailbox that a resource names, where it names one: `/users/{id}/…`. */
export function userOfResource(resource: string): string | undefined {
  try {
    const route = readRoute(resource);
    return 'user' in route ? route.user : undefined;
  } catch (error) {
    if (error instanceof GraphFault) return undefined;
    throw error;
  }
}

/** Opens what a subscription is for; what the mailbox refuses is told in the words of subscriptions. */
function openResource(
  world: GraphWorld,
  request: GraphRequest,
  resource: string,
): Pick<NewSubscription, 'user' | 'folder'> {
  const route = userOfResource(resource) === undefined ? undefined : readRoute(resource);
  if (route?.kind !== 'messages') {
    throw faults.badSubscription(
      `The resource '${resource}' is not supported: name /users/{id}/messages or /users/{id}/mailFolders/{id}/messages.`,
    );
  }
  try {
    const { user, mailbox } = openMailbox(world, request, route.user);
    return { user, folder: route.folder === undefined ? undefined : openFolder(mailbox, route.folder) };
  } catch (error) {
    throw error instanceof GraphFault ? faults.creationRefused(error) : error;
  }
}

function changeTypesOf(text: string): ReadonlySet<ChangeType> {
  return new Set(
    text.split(',').map((part) => {
      const type = CHANGE_TYPES.find((known) => known === part.trim().toLowerCase());
      if (!type) throw faults.badSubscription(`'${part.trim()}' is no changeType for messages.`);
      return type;
    }),
  );
}

/** Graph calls https addresses only; for tests on one machine, http is good enough on it. */
function endpointUrl(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isGood = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  if (!isGood) throw faults.badSubscription(`'${name}' must be an https address; http is good on this machine only.`);
  return text;
}

function refuseResourceData({ encryptionCertificate: certificate, encryptionCertificateId: id }: JsonObject): never {
  if (typeof certificate !== 'string' || typeof id !== 'string') {
    throw faults.badSubscription(
      "'encryptionCertificate' and 'encryptionCertificateId' are required where 'includeResourceData' is true.",
    );
  }
  throw faults.badSubscription('The simulator sends notifications without resource data only.');
}

function wanted(body: JsonObject, name: string): string {
  const value = optional(body, name);
  if (value === null || value === '') throw faults.badSubscription(`'${name}' must be given.`);
  return value;
}

function optional(body: JsonObject, name: string): string | null {
  const value: Json | undefined = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw faults.badSubscription(`'${name}' must be a text.`);
  return value;
}
