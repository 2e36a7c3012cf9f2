import type { GraphUser } from '../model/mail.ts';
import type { GraphClient } from './client.ts';
import { GraphError } from './errors.ts';
import { LinkGuard } from './links.ts';
import { collectionOf, text } from './pages.ts';
import { withQuery } from './paths.ts';

/** The largest page of `/users`; 1,000 is refused. */
const LARGEST_PAGE = 999;
const USER_MEMBERS = 'id,displayName,mail,userPrincipalName,userType,accountEnabled';

export interface UsersRequest {
  /** A next link to go on from. */
  readonly link?: string | undefined;
  /** Default and most 999. */
  readonly pageSize?: number | undefined;
}

export interface UsersPage {
  readonly users: GraphUser[];
  /** Where the next page lies; absent on the last one. */
  readonly next?: string;
}

export interface GraphOrganization {
  /** The tenant's GUID. */
  readonly id: string;
  readonly displayName: string | null;
}

/**
 * One page of the tenant's users, guests and disabled accounts (which shared mailboxes have) among them.
 * https://learn.microsoft.com/graph/api/user-list
 * @throws GraphError `permission_missing` without User.Read.All
 */
export async function usersPage(
  client: GraphClient,
  { link, pageSize = LARGEST_PAGE }: UsersRequest,
  signal: AbortSignal,
): Promise<UsersPage> {
  const $top = Math.min(pageSize, LARGEST_PAGE);
  const where = link === undefined ? { path: withQuery('/users', { $select: USER_MEMBERS, $top }) } : { link };
  const page = collectionOf(await client.send({ kind: 'users', target: 'directory', signal, ...where }));
  const users = page.value.flatMap((entry) => userOf(entry) ?? []);
  return { users, ...(page.next !== undefined && { next: client.ownLink(page.next) }) };
}

/**
 * All pages from `request.link` or from the start; from the start, too, where Graph does not know the link any more.
 * @throws GraphError `LinkLoop`
 */
export async function* walkUsers(
  client: GraphClient,
  request: UsersRequest,
  signal: AbortSignal,
): AsyncGenerator<UsersPage, void, undefined> {
  const guard = new LinkGuard();
  for (let link = request.link; ;) {
    if (link !== undefined) guard.pass(link);
    const page = await usersPage(client, { ...request, link }, signal).catch((error: unknown) => {
      if (link === undefined || link !== request.link || !isLost(error)) throw error;
      return usersPage(client, { ...request, link: undefined }, signal);
    });
    yield page;
    if (page.next === undefined) return;
    link = page.next;
  }
}

/** A kept link grows old; the directory says so with a 400, or a 410. */
const isLost = (error: unknown): boolean =>
  error instanceof GraphError && (error.kind === 'bad_request' || error.kind === 'sync_state_lost');

/** The tenant itself, or undefined where the app may not read it: Outhaul asks for no permission to do so. */
export async function readOrganization(
  client: GraphClient,
  signal: AbortSignal,
): Promise<GraphOrganization | undefined> {
  const path = withQuery('/organization', { $select: 'id,displayName' });
  try {
    const { value } = collectionOf(await client.send({ kind: 'organization', target: 'directory', signal, path }));
    const id = text(value[0]?.['id']);
    return id === null ? undefined : { id, displayName: text(value[0]?.['displayName']) };
  } catch (error) {
    if (error instanceof GraphError && error.kind === 'permission_missing') return undefined;
    throw error;
  }
}

function userOf(entry: Readonly<Record<string, unknown>>): GraphUser | undefined {
  const id = text(entry['id']);
  if (id === null) return undefined;
  const { accountEnabled } = entry;
  return {
    id,
    displayName: text(entry['displayName']),
    mail: text(entry['mail']),
    userPrincipalName: text(entry['userPrincipalName']),
    userType: text(entry['userType']),
    accountEnabled: typeof accountEnabled === 'boolean' ? accountEnabled : null,
  };
}
