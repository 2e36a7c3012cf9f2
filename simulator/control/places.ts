import { numberOf, readAttachmentId } from '../mail/attachment-ids.ts';
import { type Folder, isNamed } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { isReadable, type User } from '../tenant/users.ts';
import { ControlError } from './control-error.ts';

/** A message, by its mailbox (user id or principal name) and either form of its id. */
export interface MessageRef {
  mailbox: string;
  id: string;
}

/** An attachment, by its message and either form of its own id. */
export interface AttachmentRef extends MessageRef {
  attachment: string;
}

/** A folder, by its mailbox and its id, path or well-known name. */
export interface FolderRef {
  mailbox: string;
  folder: string;
}

/** Finds what control requests name. Every method throws ControlError 404 where it is not there. */
export class Places {
  readonly #tenant: Tenant;

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  user(key: string): User {
    const user = this.#tenant.user(key);
    if (!user) throw new ControlError(404, `There is no user ${key}.`);
    return user;
  }

  mailbox(key: string): Mailbox {
    const user = this.#tenant.user(key);
    if (!user || !isReadable(user)) throw new ControlError(404, `There is no readable mailbox ${key}.`);
    return this.#tenant.mailbox(user);
  }

  /** The first `most` readable mailboxes, or all. */
  mailboxes(most?: number): Mailbox[] {
    return this.#tenant.readable.slice(0, most).map((user) => this.#tenant.mailbox(user));
  }

  folder(ref: FolderRef): { mailbox: Mailbox; folder: Folder } {
    const mailbox = this.mailbox(ref.mailbox);
    const folder =
      mailbox.folderById(ref.folder) ??
      mailbox.folders.find((candidate) => !candidate.isDeleted && isNamed(candidate, ref.folder));
    if (!folder) throw new ControlError(404, `There is no folder ${ref.folder} in ${ref.mailbox}.`);
    return { mailbox, folder };
  }

  message(ref: MessageRef): { mailbox: Mailbox; ordinal: number } {
    const mailbox = this.mailbox(ref.mailbox);
    const ordinal = mailbox.messageById(ref.id);
    if (ordinal === undefined) throw new ControlError(404, `There is no message ${ref.id} in ${ref.mailbox}.`);
    return { mailbox, ordinal };
  }

  attachment(ref: AttachmentRef): { mailbox: Mailbox; ordinal: number; number: number } {
    const { mailbox, ordinal } = this.message(ref);
    const named = readAttachmentId(ref.attachment);
    const isThere =
      named !== undefined &&
      mailbox.messageById(named.messageId) === ordinal &&
      mailbox.attachments(ordinal).some((attachment, index) => numberOf(attachment, index) === named.number);
    if (!isThere) throw new ControlError(404, `There is no attachment ${ref.attachment} of message ${ref.id}.`);
    return { mailbox, ordinal, number: named.number };
  }

  deletedMessage(ref: MessageRef): { mailbox: Mailbox; ordinal: number } {
    const mailbox = this.mailbox(ref.mailbox);
    const ordinal = mailbox.deletedById(ref.id);
    if (ordinal === undefined) throw new ControlError(404, `There is no deleted message ${ref.id} in ${ref.mailbox}.`);
    return { mailbox, ordinal };
  }
}
