import { faults } from './fault.ts';

/** What a request is about. `user`, `folder`, `message` and `attachment` are ids or names as they stood in the path. */
export type Route =
  | { kind: 'organization' }
  | { kind: 'users' }
  | { kind: 'usersCount' }
  | { kind: 'batch' }
  | { kind: 'subscriptions'; id?: string; action?: 'reauthorize' }
  | { kind: 'user'; user: string }
  | { kind: 'mailboxSettings'; user: string }
  | { kind: 'mailFolders'; user: string }
  | { kind: 'mailFoldersDelta'; user: string }
  | { kind: 'mailFolder'; user: string; folder: string }
  | { kind: 'childFolders'; user: string; folder: string }
  | { kind: 'messages'; user: string; folder?: string }
  | { kind: 'messagesCount'; user: string; folder?: string }
  | { kind: 'messagesDelta'; user: string; folder: string }
  | { kind: 'message'; user: string; folder?: string; message: string }
  | { kind: 'messageValue'; user: string; folder?: string; message: string }
  | { kind: 'attachments'; user: string; folder?: string; message: string }
  | { kind: 'attachment'; user: string; folder?: string; message: string; attachment: string }
  | { kind: 'attachmentValue'; user: string; folder?: string; message: string; attachment: string };

export type RouteKind = Route['kind'];

/** Every kind of request. */
export const ROUTE_KINDS = [
  'organization', 'users', 'usersCount', 'batch', 'user', 'mailboxSettings', 'mailFolders', 'mailFoldersDelta',
  'mailFolder', 'childFolders', 'messages', 'messagesCount', 'messagesDelta', 'message', 'messageValue', 'attachments',
  'attachment', 'attachmentValue', 'subscriptions',
] as const satisfies readonly RouteKind[]; // prettier-ignore

/** Whether a request goes to the mailbox that it names, and not to the directory. */
export function isOutlook(kind: RouteKind): boolean {
  return !DIRECTORY_KINDS.has(kind);
}

const DIRECTORY_KINDS: ReadonlySet<RouteKind> = new Set([
  'organization', 'users', 'usersCount', 'batch', 'user', 'subscriptions',
]); // prettier-ignore

/** The methods that a request of this kind may have. */
export function methodsOf(route: Route): readonly string[] {
  if (route.kind === 'batch') return ['POST'];
  if (route.kind === 'message') return ['GET', 'PATCH'];
  if (route.kind !== 'subscriptions') return ['GET'];
  if (route.action) return ['POST'];
  return route.id === undefined ? ['GET', 'POST'] : ['GET', 'PATCH', 'DELETE'];
}

/** Reads a path below `/v1.0`, in either of the forms `mailFolders/x` and `mailFolders('x')`; names in any case. */
export function readRoute(path: string): Route {
  const segments = path.split('/').filter((segment) => segment !== '').flatMap(splitKey); // prettier-ignore
  const [first, user, ...rest] = segments;
  switch (first?.toLowerCase() ?? '') {
    case 'organization':
      return user === undefined ? { kind: 'organization' } : unknown(user);
    case '$batch':
      return { kind: 'batch' };
    case 'subscriptions':
      return subscriptionsRoute(user, rest);
    case 'users':
      if (user === undefined) return { kind: 'users' };
      if (user.toLowerCase() === '$count' && rest.length === 0) return { kind: 'usersCount' };
      return userRoute(user, rest);
    default:
      return unknown(first ?? '');
  }
}

function subscriptionsRoute(id: string | undefined, [action, ...rest]: string[]): Route {
  if (id === undefined) return { kind: 'subscriptions' };
  if (action === undefined) return { kind: 'subscriptions', id };
  if (action.toLowerCase() !== 'reauthorize' || rest.length > 0) return unknown(action);
  return { kind: 'subscriptions', id, action: 'reauthorize' };
}

function userRoute(user: string, [collection, ...rest]: string[]): Route {
  switch (collection?.toLowerCase()) {
    case undefined:
      return { kind: 'user', user };
    case 'mailboxsettings':
      return rest.length === 0 ? { kind: 'mailboxSettings', user } : unknown(rest[0]);
    case 'messages':
      return messagesRoute({ user }, rest);
    case 'mailfolders':
      return foldersRoute(user, rest);
    default:
      return unknown(collection);
  }
}

function foldersRoute(user: string, [folder, collection, ...rest]: string[]): Route {
  if (folder === undefined) return { kind: 'mailFolders', user };
  if (isDelta(folder) && collection === undefined) return { kind: 'mailFoldersDelta', user };
  switch (collection?.toLowerCase()) {
    case undefined:
      return { kind: 'mailFolder', user, folder };
    case 'messages':
      return messagesRoute({ user, folder }, rest);
    case 'childfolders':
      // A child folder is addressed like any other: its id alone says where it is.
      return rest[0] === undefined ? { kind: 'childFolders', user, folder } : foldersRoute(user, rest);
    default:
      return unknown(collection);
  }
}

function messagesRoute(place: { user: string; folder?: string }, [message, member, ...rest]: string[]): Route {
  if (message === undefined) return { kind: 'messages', ...place };
  if (member === undefined) {
    if (message.toLowerCase() === '$count') return { kind: 'messagesCount', ...place };
    if (isDelta(message)) {
      if (place.folder === undefined) throw faults.unsupportedSegment();
      return { kind: 'messagesDelta', user: place.user, folder: place.folder };
    }
    return { kind: 'message', ...place, message };
  }
  if (member.toLowerCase() === '$value' && rest.length === 0) return { kind: 'messageValue', ...place, message };
  if (member.toLowerCase() !== 'attachments') return unknown(member);
  const [attachment, value, beyond] = rest;
  if (attachment === undefined) return { kind: 'attachments', ...place, message };
  if (value === undefined) return { kind: 'attachment', ...place, message, attachment };
  if (value.toLowerCase() !== '$value' || beyond !== undefined) return unknown(beyond ?? value);
  return { kind: 'attachmentValue', ...place, message, attachment };
}

function isDelta(segment: string): boolean {
  return /^(microsoft\.graph\.)?delta(\(\))?$/i.test(segment);
}

/** `mailFolders('x')` is `mailFolders` and `x`; a quote inside the key is doubled. */
function splitKey(segment: string): string[] {
  const decoded = decode(segment);
  const match = /^(\w+)\('([^]*)'\)$/.exec(decoded);
  return match?.[1] === undefined || match[2] === undefined ? [decoded] : [match[1], match[2].replaceAll("''", "'")];
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw faults.badRequest('The request URI is not well-formed.');
  }
}

function unknown(segment: string | undefined): never {
  throw faults.noSegment(segment ?? '');
}
