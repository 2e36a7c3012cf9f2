import type { Readable } from 'node:stream';
import { MESSAGE_MEMBERS, type GraphMessage, type MailFolder } from '../model/mail.ts';
import { readAttachments, readContent, type AttachmentsFound, type WantedContent } from './attachments.ts';
import { markMessagesRead, readMessagesById, type FoundMessage } from './batch.ts';
import type { GraphAnswer } from './call.ts';
import { MAILBOX_SLOTS, type GraphClient, type GraphRequest } from './client.ts';
import { readFolder, readFolders, readFolderTree, type FolderTreeOptions } from './folders.ts';
import {
  readIds,
  readMessage,
  readPage,
  type IdsPage,
  type IdsRequest,
  type MessagesPage,
  type PageRequest,
  type ReceivedWindow,
} from './messages.ts';
import { countFolders, countMessages } from './counts.ts';
import { readOriginal } from './originals.ts';
import { segment } from './paths.ts';
import { readPiecemeal, type PiecemealMessage } from './piecemeal.ts';

export interface MailboxOptions {
  /** Called right before each request goes out; throws where the right to read the mailbox has ended. */
  readonly permit?: (() => void) | undefined;
  /**
   * Whether to keep to one request at a time, a batch of one included, because requests of another reader may be open.
   * Once false it stays so. Default: no.
   */
  readonly isAlone?: (() => boolean) | undefined;
}

/**
 * One mailbox. Every method takes part in the mailbox's limit of 3 requests at a time, however many objects stand for
 * it; and rejects with a GraphError, or with the signal's reason when it aborts.
 */
export interface GraphMailbox {
  /** The Graph user id. */
  readonly id: string;
  /** A folder by id or well-known name, or undefined where the mailbox has none such. */
  folder(idOrWellKnownName: string, signal: AbortSignal): Promise<MailFolder | undefined>;
  /** Folders by well-known name, several in a request; those that the mailbox lacks are absent. */
  foldersByName(names: readonly string[], signal: AbortSignal): Promise<Map<string, MailFolder>>;
  /** Every folder below the root, parents before children. Search folders are marked virtual. */
  folderTree(options: FolderTreeOptions, signal: AbortSignal): Promise<MailFolder[]>;
  /** One page of a folder's messages. */
  messages(request: PageRequest, signal: AbortSignal): Promise<MessagesPage>;
  /** One message, or undefined where there is none. `select` defaults to `MESSAGE_MEMBERS`. */
  message(id: string, options: SelectOptions, signal: AbortSignal): Promise<GraphMessage | undefined>;
  /** One message that cannot be read whole, as far as Graph gives it. */
  messagePiecemeal(id: string, options: SelectOptions, signal: AbortSignal): Promise<PiecemealMessage | 'missing'>;
  /** Messages by id, several in a request. What could not be read has its error in the message's place. */
  messagesById(ids: readonly string[], options: SelectOptions, signal: AbortSignal): Promise<Map<string, FoundMessage>>;
  /** Marks messages as read, several in a request; answers them as `messagesById` does. */
  markRead(ids: readonly string[], signal: AbortSignal): Promise<Map<string, FoundMessage>>;
  /** One page of the ids of a folder's messages, oldest first. */
  messageIds(folderId: string, request: IdsRequest, signal: AbortSignal): Promise<IdsPage>;
  /** How many messages a folder holds; other items are not counted. */
  messageCount(folderId: string, signal: AbortSignal): Promise<number>;
  /** The same of many folders, within a window; a folder that is not there is absent. */
  messageCounts(
    folderIds: readonly string[],
    window: ReceivedWindow,
    signal: AbortSignal,
  ): Promise<Map<string, number>>;
  /** The bytes of a message as it was sent, of any size, while `take` takes them. */
  original<T>(messageId: string, take: (bytes: Readable) => Promise<T>, signal: AbortSignal): Promise<T>;
  /**
   * The attachments of a message. With `contents` small files come with their bytes; where the answer is too large for
   * that, or one attachment spoils it (`mayBeContent`), ask without.
   */
  attachments(
    messageId: string,
    options: { readonly contents: boolean },
    signal: AbortSignal,
  ): Promise<AttachmentsFound>;
  /**
   * Hands the bytes of one attachment to `take`, in pieces. The request lasts until they are taken, and ends with the right
   * to read the mailbox. `take` is called again where they broke off, or were too few, and Graph is asked once more.
   */
  attachmentContent<T>(wanted: WantedContent, take: (bytes: Readable) => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface SelectOptions {
  readonly select?: readonly string[] | undefined;
}

type Shared = Pick<
  GraphRequest,
  | 'kind'
  | 'target'
  | 'headers'
  | 'slots'
  | 'shrinks'
  | 'throttledBy'
  | 'expects'
  | 'keepsBody'
  | 'receive'
  | 'leastBytes'
  | 'maxBodyBytes'
  | 'signal'
>;

/** What a mailbox asks of Graph: a path below the user, a link that Graph gave, or a batch. */
export type MailboxRequest = Shared & ({ path: string } | { link: string } | { batch: object });

/** Sends requests of one mailbox. */
export interface MailboxClient {
  /** `/users/{id}`. */
  readonly path: string;
  /** How many requests may be under way at a time, at this moment. */
  readonly slots: number;
  send(request: MailboxRequest): Promise<GraphAnswer>;
  ownLink(link: string): string;
}

/** No request is made. @throws GraphError `bad_request` for an id that no path can hold */
export function openMailbox(
  client: GraphClient,
  mailboxId: string,
  { permit, isAlone = () => false }: MailboxOptions = {},
): GraphMailbox {
  const path = `/users/${segment(mailboxId)}`;
  const mailbox: MailboxClient = {
    path,
    get slots() {
      return isAlone() ? 1 : MAILBOX_SLOTS;
    },
    ownLink: (link) => client.ownLink(link),
    send(request) {
      // One request that takes all of the slots leaves none for others.
      const common = { mailboxId, permit, ...(isAlone() && { slots: MAILBOX_SLOTS }) };
      if ('path' in request) return client.send({ ...request, ...common, path: path + request.path });
      if ('link' in request) return client.send({ ...request, ...common });
      const { batch, ...rest } = request;
      return client.send({ ...rest, ...common, path: '/$batch', body: batch });
    },
  };
  return {
    id: mailboxId,
    folder: (idOrName, signal) => readFolder(mailbox, idOrName, signal),
    foldersByName: (names, signal) => readFolders(mailbox, names, signal),
    folderTree: (options, signal) => readFolderTree(mailbox, options, signal),
    messages: (request, signal) => readPage(mailbox, request, signal),
    message: (id, { select = MESSAGE_MEMBERS }, signal) => readMessage(mailbox, id, select, signal),
    messagePiecemeal: (id, { select = MESSAGE_MEMBERS }, signal) => readPiecemeal(mailbox, id, select, signal),
    messagesById: (ids, { select = MESSAGE_MEMBERS }, signal) => readMessagesById(mailbox, ids, select, signal),
    markRead: (ids, signal) => markMessagesRead(mailbox, ids, signal),
    messageIds: (folderId, request, signal) => readIds(mailbox, folderId, request, signal),
    messageCount: (folderId, signal) => countMessages(mailbox, folderId, {}, signal),
    messageCounts: (folderIds, window, signal) => countFolders(mailbox, folderIds, window, signal),
    original: (messageId, take, signal) => readOriginal(mailbox, messageId, take, signal),
    attachments: (messageId, options, signal) => readAttachments(mailbox, messageId, options, signal),
    attachmentContent: (wanted, take, signal) => readContent(mailbox, wanted, take, signal),
  };
}
