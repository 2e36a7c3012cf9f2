import { type Bytes, jsonBytes, type JsonObject } from '../mail/bytes.ts';
import { shapeOf } from '../mail/shape.ts';
import { type Folder, isHiddenAnywhere, isInTree, isNamed, pathOf } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { isReadable, type User, userProperties } from '../tenant/users.ts';

/** How much there is to read. */
export interface TruthSummary {
  users: number;
  /** Readable ones. */
  mailboxes: number;
  /** In the visible trees, search folders apart. */
  folders: number;
  /** In those folders. */
  messages: number;
  /** In hidden folders and in Recoverable Items, beside `messages`. */
  messagesElsewhere: number;
}

export interface TruthFolder {
  id: string;
  /** Display names below the root, joined with `/` (which a name may hold itself). */
  path: string;
  displayName: string;
  parentFolderId: string | null;
  wellKnownName: string | null;
  /** The folder or one above it is hidden. */
  isHidden: boolean;
  /** It lies below `msgfolderroot`. */
  inTree: boolean;
  /** A view on other folders' messages. */
  isSearchFolder: boolean;
  messages: number;
}

export interface TruthMailbox {
  id: string;
  userPrincipalName: string;
  mail: string | null;
  displayName: string;
  kind: User['kind'];
  accountEnabled: boolean;
  readable: boolean;
  /** The error code that Graph answers for the mailbox; null where it can be read. */
  reason: string | null;
  /** In the visible tree. */
  messages: number;
  folders: TruthFolder[];
}

/** One message as Graph gives it with immutable ids and without `$select`. */
export interface TruthMessage {
  /** The user's id. */
  mailbox: string;
  folder: string;
  folderId: string;
  message: JsonObject;
}

export interface TruthQuery {
  /** A user's id or principal name. Default: every readable mailbox. */
  mailbox?: string;
  /** A folder's id, path or well-known name. Default: every folder of the scope. */
  folder?: string;
  /** `visible` (default): the visible trees. `all`: hidden folders and Recoverable Items, too. */
  scope?: 'visible' | 'all';
  /** The cursor of the page before. */
  after?: string;
  /** Messages a page. Default 1,000. */
  limit?: number;
}

/** Where a message lies. */
export interface TruthPlace {
  user: User;
  mailbox: Mailbox;
  folder: Folder;
  position: number;
}

const SHAPE = shapeOf({ immutableIds: true });

/** Tells what the tenant really holds, to compare with. */
export class Truth {
  readonly #tenant: Tenant;

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  summary(): TruthSummary {
    const summary = { users: this.#tenant.users.length, mailboxes: 0, folders: 0, messages: 0, messagesElsewhere: 0 };
    for (const user of this.#tenant.readable) {
      const mailbox = this.#tenant.mailbox(user);
      const visible = foldersIn(mailbox, 'visible');
      const count = (folders: readonly Folder[]) => folders.reduce((sum, folder) => sum + mailbox.count(folder), 0);
      summary.mailboxes++;
      summary.folders += visible.length;
      summary.messages += count(visible);
      summary.messagesElsewhere += count(foldersIn(mailbox, 'all')) - count(visible);
    }
    return summary;
  }

  /** Every user of the tenant, with the folders of those that can be read. */
  mailboxes(): TruthMailbox[] {
    return this.#tenant.users.map((user) => {
      const folders = isReadable(user) ? this.#folders(user) : [];
      return {
        id: user.id,
        userPrincipalName: user.userPrincipalName,
        mail: user.mail,
        displayName: user.displayName,
        kind: user.kind,
        accountEnabled: userProperties(user).accountEnabled === true,
        readable: isReadable(user),
        reason: reasonOf(user),
        messages: folders.reduce((sum, folder) => sum + (isVisible(folder) ? folder.messages : 0), 0),
        folders,
      };
    });
  }

  /** One page of messages and the cursor of the next, null at the end. */
  page(query: TruthQuery = {}): { value: TruthMessage[]; next: string | null } {
    const value: TruthMessage[] = [];
    const limit = query.limit ?? 1_000;
    for (const place of this.places(query)) {
      if (value.length === limit) return { value, next: cursorOf(place) };
      value.push(messageAt(place));
    }
    return { value, next: null };
  }

  /** Every message, one after the other. */
  *messages(query: TruthQuery = {}): Generator<TruthMessage> {
    for (const place of this.places(query)) yield messageAt(place);
  }

  /** The same as lines of JSON, without the detour over objects. */
  *lines(query: TruthQuery = {}): Generator<Bytes> {
    let folder: Folder | undefined;
    let head = '';
    for (const place of this.places(query)) {
      if (place.folder !== folder) {
        ({ folder } = place);
        head = jsonBytes({ mailbox: place.user.id, folder: pathOf(folder), folderId: folder.id }).slice(0, -1);
      }
      const ordinal = place.mailbox.order(place.folder)[place.position] as number;
      yield `${head},"message":${place.mailbox.render(ordinal, place.folder, SHAPE)}}\n`;
    }
  }

  /** Where the messages that are meant lie, one after the other. */
  *places(query: TruthQuery): Generator<TruthPlace> {
    const [afterUser, afterFolder, afterPosition] = (query.after ?? '0.0.0').split('.').map(Number) as [
      number,
      number,
      number,
    ];
    const only = query.mailbox === undefined ? undefined : this.#tenant.user(query.mailbox);
    if (query.mailbox !== undefined && !only) return;
    for (const user of this.#tenant.readable) {
      if (user.index < afterUser || (only && user !== only)) continue;
      const mailbox = this.#tenant.mailbox(user);
      for (const folder of foldersIn(mailbox, query.scope ?? 'visible')) {
        if (user.index === afterUser && folder.number < afterFolder) continue;
        if (query.folder !== undefined && !isNamed(folder, query.folder)) continue;
        const isSame = user.index === afterUser && folder.number === afterFolder;
        const count = mailbox.order(folder).length;
        for (let position = isSame ? afterPosition : 0; position < count; position++) {
          yield { user, mailbox, folder, position };
        }
      }
    }
  }

  #folders(user: User): TruthFolder[] {
    const mailbox = this.#tenant.mailbox(user);
    return mailbox.folders
      .filter((folder) => !folder.isDeleted)
      .map((folder) => ({
        id: folder.id,
        path: pathOf(folder),
        displayName: folder.displayName,
        parentFolderId: folder.parent?.id ?? null,
        wellKnownName: folder.wellKnownName ?? null,
        isHidden: isHiddenAnywhere(folder),
        inTree: isInTree(folder),
        isSearchFolder: folder.search !== undefined,
        messages: mailbox.count(folder),
      }));
  }
}

function foldersIn(mailbox: Mailbox, scope: 'visible' | 'all'): readonly Folder[] {
  if (scope === 'visible') return mailbox.visibleFolders();
  return mailbox.folders.filter((folder) => !folder.isDeleted && !folder.search);
}

function isVisible(folder: TruthFolder): boolean {
  return folder.inTree && !folder.isHidden && !folder.isSearchFolder;
}

function messageAt({ user, mailbox, folder, position }: TruthPlace): TruthMessage {
  const ordinal = mailbox.order(folder)[position] as number;
  const message = mailbox.message(ordinal, folder, SHAPE);
  return { mailbox: user.id, folder: pathOf(folder), folderId: folder.id, message };
}

/** The cursor of a page that begins here. */
export function cursorOf({ user, folder, position }: TruthPlace): string {
  return `${user.index}.${folder.number}.${position}`;
}

function reasonOf(user: User): string | null {
  if (isReadable(user)) return null;
  return user.kind === 'denied' ? 'ErrorAccessDenied' : 'MailboxNotEnabledForRESTAPI';
}
