import type { Connection } from '../model/connection.ts';
import { openClient } from './client.ts';
import { checkCredential, type CredentialCheck } from './credential-check.ts';
import { openMailbox, type GraphMailbox, type MailboxOptions } from './mailbox.ts';
import { REQUEST_TIMEOUT_MS, type GraphOptions } from './options.ts';
import { subscriptionsOf, type GraphSubscriptions } from './subscriptions.ts';
import { probeTrees, type MailboxToProbe, type TreeProbe } from './tree-probe.ts';
import {
  readOrganization,
  usersPage,
  walkUsers,
  type GraphOrganization,
  type UsersPage,
  type UsersRequest,
} from './users.ts';

export type { AttachmentsFound, FoundAttachment } from './attachments.ts';
export type { CredentialCheck } from './credential-check.ts';
export type { FoundMessage } from './batch.ts';
export type { GraphMailbox } from './mailbox.ts';
export type { IdsPage, IdsRequest, MessagesPage, PageRequest } from './messages.ts';
export type { GraphLogger, GraphOptions, RequestReport } from './options.ts';
export type { PiecemealMessage, UnreadableMember } from './piecemeal.ts';
export type { GraphSubscriptions, NewSubscription, Subscription } from './subscriptions.ts';
export { MOST_PROBED, type MailboxToProbe, type TreeProbe } from './tree-probe.ts';
export type { GraphOrganization, UsersPage, UsersRequest } from './users.ts';

/**
 * Microsoft Graph as one connection sees it: one app in one tenant, its token and its sockets. Every method rejects with
 * a GraphError, or with the signal's reason when it aborts.
 */
export interface Graph {
  /**
   * Asks for a token and tries what a scan needs.
   * @param sample addresses or ids of mailboxes that the app is meant to read; default: the first users with mail
   * @throws GraphError `credential_refused` or `permission_missing`, with a `reason`
   */
  checkCredential(signal: AbortSignal, sample?: readonly string[]): Promise<CredentialCheck>;
  /** One page of users, from the start or from a link of an earlier page. */
  usersPage(request: UsersRequest, signal: AbortSignal): Promise<UsersPage>;
  /** All pages of users, from the start or from a link. */
  users(request: UsersRequest, signal: AbortSignal): AsyncIterable<UsersPage>;
  /** The tenant, or undefined where the app may not read it. */
  organization(signal: AbortSignal): Promise<GraphOrganization | undefined>;
  /**
   * A mailbox by its Graph user id. Makes no request.
   * @throws GraphError `bad_request` for an id no path can hold
   */
  mailbox(mailboxId: string, options?: MailboxOptions): GraphMailbox;
  /** The app's subscriptions to change notifications. */
  readonly subscriptions: GraphSubscriptions;
  /** Tells which of up to 20 mailboxes have changed; one that cannot be probed has its error as its result. */
  probeTrees(mailboxes: readonly MailboxToProbe[], signal: AbortSignal): Promise<Map<string, TreeProbe>>;
  /** How long one attempt of a request takes at most. */
  readonly requestTimeoutMs: number;
  /** Ends what is under way and closes every socket. */
  close(): Promise<void>;
}

/** Opens Graph for a connection; nothing is asked yet. @throws TypeError for an unusable URL in the options */
export function openGraph(connection: Connection, options: GraphOptions): Graph {
  const client = openClient(connection, options);
  return {
    checkCredential: (signal, sample) => checkCredential(client, signal, sample),
    usersPage: (request, signal) => usersPage(client, request, signal),
    users: (request, signal) => walkUsers(client, request, signal),
    organization: (signal) => readOrganization(client, signal),
    mailbox: (mailboxId, mailboxOptions) => openMailbox(client, mailboxId, mailboxOptions),
    subscriptions: subscriptionsOf(client),
    probeTrees: (mailboxes, signal) => probeTrees(client, mailboxes, signal),
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    close: () => client.close(),
  };
}
