import type { Json, JsonObject } from '../mail/bytes.ts';
import { graphTime } from '../mail/clock.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import type { Entra } from '../entra/entra.ts';
import type { AccessTokens } from '../entra/tokens.ts';
import type { FaultRule, Gate, Hold, RequestMatch } from '../msgraph/gate.ts';
import type { Role } from '../msgraph/request.ts';
import type { Stats, StatsCounter } from '../msgraph/stats.ts';
import {
  addMessage,
  changeFolder,
  createFolder,
  moveMessage,
  removeFolder,
  removeMessage,
  updateMessage,
} from '../tenant/changes.ts';
import { type Folder, pathOf } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { isReadable } from '../tenant/users.ts';
import { Truth } from './truth.ts';

/** The control API was asked for something that is not there or makes no sense. */
export class ControlError extends Error {
  readonly status: 400 | 404;

  constructor(status: 400 | 404, message: string) {
    super(message);
    this.name = 'ControlError';
    this.status = status;
  }
}

/** A message, by its mailbox (user id or principal name) and either form of its id. */
export interface MessageRef {
  mailbox: string;
  id: string;
}

/** A folder, by its mailbox and its id, path or well-known name. */
export interface FolderRef {
  mailbox: string;
  folder: string;
}

/** What can change about tenant and application. Absent members stay as they are. */
export interface TenantChange {
  clientSecret?: string;
  secretExpired?: boolean;
  tokenLifetimeSeconds?: number;
  /** The application permissions that are consented to; tokens issued before keep theirs. */
  roles?: Role[];
  /** Takes back every token issued so far. */
  revokeTokens?: boolean;
}

/** What the control API works on. */
export interface ControlParts {
  tenant: Tenant;
  entra: Entra;
  tokens: AccessTokens;
  gate: Gate;
  stats: StatsCounter;
  latency: { milliseconds: number };
}

/**
 * The strings behind the stage: tells the ground truth, changes mail while it is read, and makes requests wait or fail.
 * Over HTTP the same lies under `/_sim`.
 */
export class SimulatorControl {
  readonly truth: Truth;
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.truth = new Truth(parts.tenant);
    this.#parts = parts;
  }

  /** Requests so far, by kind, status and mailbox. */
  stats(): Stats {
    return this.#parts.stats.read();
  }

  resetStats(): void {
    this.#parts.stats.reset();
  }

  /** Milliseconds that every Graph request waits from now on. */
  setLatency(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new ControlError(400, 'Latency is a number of milliseconds, 0 or more.');
    this.#parts.latency.milliseconds = milliseconds;
  }

  /** Puts a message into a folder. Members that are not given are those of a short text message that arrived now. */
  addMessage(
    place: FolderRef,
    message: JsonObject = {},
    attachments: readonly AttachmentRecord[] = [],
  ): { id: string } {
    const { mailbox, folder } = this.#folder(place);
    const properties = { ...newMessage(), hasAttachments: attachments.length > 0, ...message };
    const ordinal = addMessage(mailbox, folder, { properties, attachments });
    return { id: mailbox.ids.immutable(ordinal) };
  }

  /** Changes members of a message; of nothing but `isRead` delta tells as Exchange does, in part. */
  changeMessage(ref: MessageRef, patch: JsonObject): void {
    const { mailbox, ordinal } = this.#message(ref);
    updateMessage(mailbox, ordinal, patch, Math.floor(Date.now() / 1000));
  }

  /** Moves a message to another folder of its mailbox; returns its new default id. */
  moveMessage(ref: MessageRef, folder: string): { id: string } {
    const { mailbox, ordinal } = this.#message(ref);
    moveMessage(mailbox, ordinal, this.#folder({ mailbox: ref.mailbox, folder }).folder);
    return { id: mailbox.idOf(ordinal, false) };
  }

  /** Deletes a message for good. */
  removeMessage(ref: MessageRef): void {
    const { mailbox, ordinal } = this.#message(ref);
    removeMessage(mailbox, ordinal);
  }

  /** Makes a folder; `parent` as in a FolderRef. */
  createFolder(mailbox: string, parent: string, displayName: string, isHidden = false): { id: string } {
    const place = this.#folder({ mailbox, folder: parent });
    return { id: createFolder(place.mailbox, place.folder, displayName, isHidden).id };
  }

  /** Renames a folder, moves it below another, or both. */
  changeFolder(ref: FolderRef, change: { displayName?: string; parent?: string }): void {
    const { mailbox, folder } = this.#folder(ref);
    const { displayName } = change;
    const parent =
      change.parent === undefined ? undefined : this.#folder({ mailbox: ref.mailbox, folder: change.parent }).folder;
    changeFolder(mailbox, folder, {
      ...(displayName === undefined ? {} : { displayName }),
      ...(parent ? { parent } : {}),
    });
  }

  /** Deletes a folder with everything in it. */
  removeFolder(ref: FolderRef): void {
    const { mailbox, folder } = this.#folder(ref);
    removeFolder(mailbox, folder);
  }

  /** Makes every delta token of a folder, or of all folders of a mailbox, answer 410 from now on. */
  expireDelta(ref: { mailbox: string; folder?: string }): void {
    const { mailbox, folder } = ref;
    const folders = folder === undefined ? this.#mailbox(mailbox).folders : [this.#folder({ mailbox, folder }).folder];
    for (const each of folders) each.generation++;
  }

  /** Changes the application's secret, consent or tokens. */
  changeTenant(change: TenantChange): void {
    const { registration } = this.#parts.entra;
    if (change.clientSecret !== undefined) registration.clientSecret = change.clientSecret;
    if (change.secretExpired !== undefined) registration.isSecretExpired = change.secretExpired;
    if (change.tokenLifetimeSeconds !== undefined) registration.tokenLifetimeSeconds = change.tokenLifetimeSeconds;
    if (change.roles !== undefined) registration.roles = [...change.roles];
    if (change.revokeTokens === true) this.#parts.tokens.revokeAll();
  }

  /** Holds matching requests open until the hold is released. */
  hold(match: RequestMatch = {}): Hold {
    return this.#parts.gate.hold(this.#withUserId(match));
  }

  /** The holds in force. */
  holds(): Hold[] {
    return this.#parts.gate.holds();
  }

  /** Makes the next matching requests fail. */
  failNext(fault: FaultRule): void {
    this.#parts.gate.failNext(this.#withUserId(fault));
  }

  /** Ends every hold and every fault. */
  clearFaults(): void {
    this.#parts.gate.clear();
  }

  #withUserId<Match extends RequestMatch>(match: Match): Match {
    if (match.mailbox === undefined) return match;
    const user = this.#parts.tenant.user(match.mailbox);
    if (!user) throw new ControlError(404, `There is no user ${match.mailbox}.`);
    return { ...match, mailbox: user.id };
  }

  #mailbox(key: string): Mailbox {
    const user = this.#parts.tenant.user(key);
    if (!user || !isReadable(user)) throw new ControlError(404, `There is no readable mailbox ${key}.`);
    return this.#parts.tenant.mailbox(user);
  }

  #folder(ref: FolderRef): { mailbox: Mailbox; folder: Folder } {
    const mailbox = this.#mailbox(ref.mailbox);
    const folder =
      mailbox.folderById(ref.folder) ??
      mailbox.folderByName(ref.folder.toLowerCase()) ??
      mailbox.folders.find((candidate) => !candidate.isDeleted && pathOf(candidate) === ref.folder);
    if (!folder) throw new ControlError(404, `There is no folder ${ref.folder} in ${ref.mailbox}.`);
    return { mailbox, folder };
  }

  #message(ref: MessageRef): { mailbox: Mailbox; ordinal: number } {
    const mailbox = this.#mailbox(ref.mailbox);
    const ordinal = mailbox.messageById(ref.id);
    if (ordinal === undefined) throw new ControlError(404, `There is no message ${ref.id} in ${ref.mailbox}.`);
    return { mailbox, ordinal };
  }
}

function newMessage(): Record<string, Json> {
  const now = graphTime(Math.floor(Date.now() / 1000));
  const author = { emailAddress: { name: 'Grace Hughes', address: 'grace.hughes@quay.example' } };
  return {
    createdDateTime: now,
    lastModifiedDateTime: now,
    categories: [],
    receivedDateTime: now,
    sentDateTime: now,
    internetMessageId: `<${process.hrtime.bigint()}@quay.example>`,
    subject: 'New mail',
    bodyPreview: 'It has just arrived.',
    importance: 'normal',
    isDeliveryReceiptRequested: false,
    isReadReceiptRequested: false,
    isRead: false,
    isDraft: false,
    inferenceClassification: 'focused',
    body: { contentType: 'text', content: 'It has just arrived.' },
    sender: author,
    from: author,
    toRecipients: [],
    ccRecipients: [],
    bccRecipients: [],
    replyTo: [],
    flag: { flagStatus: 'notFlagged' },
  };
}
