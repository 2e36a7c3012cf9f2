import type { Folder } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { User } from '../tenant/users.ts';
import { looksLikeId } from '../mail/ids.ts';
import { WELL_KNOWN_NAMES } from '../tenant/folder-plan.ts';
import type { RequestFaults } from '../faults/request-faults.ts';
import type { Subscriptions } from '../notify/subscriptions.ts';
import type { SettingsInForce } from '../notify/settings.ts';
import type { Dispatcher } from 'undici';
import { faults } from './fault.ts';
import type { PageCache } from './pages.ts';
import type { Preferences, Query } from './query.ts';
import type { Route } from './route.ts';
import type { SyncStates } from './sync-state.ts';

/** Application permissions that a token may carry. */
export type Role = (typeof ROLES)[number];
export const ROLES = ['User.Read.All', 'Mail.Read', 'Mail.ReadWrite', 'MailboxSettings.Read'] as const;

/** A request to Graph as the handlers see it, whether it came alone or in a batch. */
export interface GraphRequest {
  method: string;
  route: Route;
  /** The id of the user that the route names, where there is such a user. */
  userId: string | undefined;
  query: Query;
  preferences: Preferences;
  /** `ConsistencyLevel: eventual` was sent. */
  isEventual: boolean;
  body: Uint8Array;
  /** What links and contexts begin with: scheme, host and `/v1.0`. */
  base: string;
  /** The permissions of the token. */
  roles: ReadonlySet<Role>;
  requestId: string;
  clientRequestId: string;
  /** What goes wrong on purpose; undefined where nothing does. */
  faults: RequestFaults | undefined;
}

/** What the handlers work on. */
export interface GraphWorld {
  tenant: Tenant;
  pages: PageCache;
  syncStates: SyncStates;
  subscriptions: Subscriptions;
  notifications: SettingsInForce;
  /** Sends what Graph itself asks of others. */
  dispatcher: Dispatcher;
}

/** A mailbox that a request may read. */
export interface OpenMailbox {
  user: User;
  mailbox: Mailbox;
}

/** Opens the mailbox that a request names, or answers as Graph does for those without one. */
export function openMailbox(world: GraphWorld, request: GraphRequest, key: string): OpenMailbox {
  if (!request.roles.has('Mail.Read') && !request.roles.has('Mail.ReadWrite')) throw faults.mailDenied();
  const user = world.tenant.user(key);
  if (!user) throw faults.invalidUser(key);
  if (user.kind === 'denied') throw faults.policyDenied();
  if (user.kind === 'guest' || user.kind === 'unlicensed') throw faults.noMailbox();
  return { user, mailbox: world.tenant.mailbox(user) };
}

/** Finds a folder by its id or by a well-known name in any case. */
export function openFolder(mailbox: Mailbox, key: string): Folder {
  const name = key.toLowerCase();
  const isName = WELL_KNOWN_NAMES.has(name);
  const folder = isName ? mailbox.folderByName(name) : mailbox.folderById(key);
  if (folder) return folder;
  if (isName || looksLikeId(key)) throw faults.itemNotFound();
  throw faults.malformedId();
}

/** Finds a message by either form of its id; below a folder it must lie in that folder. */
export function openMessage(mailbox: Mailbox, key: string, folderKey?: string): { ordinal: number; folder: Folder } {
  const within = folderKey === undefined ? undefined : openFolder(mailbox, folderKey);
  const ordinal = mailbox.messageById(key);
  const folder = ordinal === undefined ? undefined : mailbox.folderOf(ordinal);
  if (ordinal === undefined || !folder || (within && within !== folder)) {
    throw looksLikeId(key) ? faults.itemNotFound() : faults.malformedId();
  }
  return { ordinal, folder };
}
