import type { Entra } from '../entra/entra.ts';
import type { AccessTokens } from '../entra/tokens.ts';
import type { Fault, FaultPreset, FaultRule } from '../faults/fault-rule.ts';
import type { Faults } from '../faults/faults.ts';
import { rulesOf } from '../faults/presets.ts';
import type { JsonObject } from '../mail/bytes.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import type { Hold, HoldMatch, Holds } from '../msgraph/holds.ts';
import type { LimitOptions, Limits, Throttle } from '../msgraph/limits.ts';
import type { Stats, StatsCounter } from '../msgraph/stats.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { SettingsInForce } from '../notify/settings.ts';
import type { Subscriptions } from '../notify/subscriptions.ts';
import {
  addMessage,
  changeFolder,
  createFolder,
  createTree,
  moveMessage,
  removeFolder,
  removeMessage,
  restoreMessage,
  updateMessage,
} from '../tenant/changes.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { AttachmentsControl } from './attachments-control.ts';
import { Churn, type ChurnOptions, type ChurnReport } from './churn.ts';
import type { FailNext, TenantChange, TreeSize } from './changes.ts';
import { ControlError } from './control-error.ts';
import { type EventPage, eventPage } from './events.ts';
import { FlowControl } from './flow-control.ts';
import { type MessageBulk, newMessage } from './new-message.ts';
import { type FolderRef, type MessageRef, Places } from './places.ts';
import { NotificationsControl } from './notifications-control.ts';
import { SubscriptionsControl } from './subscriptions-control.ts';
import { Truth } from './truth.ts';

/** What the control API works on. */
export interface ControlParts {
  tenant: Tenant;
  entra: Entra;
  tokens: AccessTokens;
  holds: Holds;
  faults: Faults;
  throttle: Throttle;
  stats: StatsCounter;
  latency: { milliseconds: number };
  subscriptions: Subscriptions;
  notifications: SettingsInForce;
  notifier: Notifier;
}

/**
 * The strings behind the stage: tells the ground truth, changes mail while it is read, and makes requests wait or fail.
 * Over HTTP the same lies under `/_sim`.
 */
export class SimulatorControl {
  readonly truth: Truth;
  readonly subscriptions: SubscriptionsControl;
  readonly notifications: NotificationsControl;
  readonly flow: FlowControl;
  readonly attachments: AttachmentsControl;
  readonly #parts: ControlParts;
  readonly #places: Places;
  readonly #churns: Churn[] = [];

  constructor(parts: ControlParts) {
    this.truth = new Truth(parts.tenant);
    this.#parts = parts;
    this.#places = new Places(parts.tenant);
    this.subscriptions = new SubscriptionsControl(parts.subscriptions, this.#places);
    this.flow = new FlowControl(this.#places);
    this.attachments = new AttachmentsControl(this.truth, this.#places);
    this.notifications = new NotificationsControl(parts.notifications, parts.notifier, this.subscriptions);
  }

  /** Requests so far, by kind, status and mailbox, and the faults that struck. */
  stats(): Stats {
    return this.#parts.stats.read(this.#parts.faults.struck());
  }

  resetStats(): void {
    this.#parts.stats.reset();
    this.#parts.faults.resetStruck();
  }

  /** Milliseconds that every Graph request waits from now on. */
  setLatency(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new ControlError(400, 'Latency is a number of milliseconds, 0 or more.');
    this.#parts.latency.milliseconds = milliseconds;
  }

  /** The limits in force. */
  limits(): Limits {
    return this.#parts.throttle.limits;
  }

  /** Changes some limits; null takes one away. The throttling windows of the mailboxes begin anew. */
  setLimits(limits: LimitOptions): Limits {
    this.#parts.throttle.change(limits);
    this.#parts.stats.resetWindows();
    return this.limits();
  }

  /** Puts a message into a folder. Members that are not given are those of a short text message that arrived now. */
  addMessage(
    place: FolderRef,
    message: JsonObject = {},
    attachments: readonly AttachmentRecord[] = [],
    bulk: MessageBulk = {},
  ): { id: string } {
    const { mailbox, folder } = this.#places.folder(place);
    const ordinal = addMessage(mailbox, folder, newMessage(message, attachments, bulk));
    return { id: mailbox.ids.immutable(ordinal) };
  }

  /** Changes members of a message; of nothing but `isRead` delta tells as Exchange does, in part. */
  changeMessage(ref: MessageRef, patch: JsonObject): void {
    const { mailbox, ordinal } = this.#places.message(ref);
    updateMessage(mailbox, ordinal, patch, Math.floor(Date.now() / 1000));
  }

  /** Moves a message to another folder of its mailbox; returns its new default id. */
  moveMessage(ref: MessageRef, folder: string): { id: string } {
    const { mailbox, ordinal } = this.#places.message(ref);
    moveMessage(mailbox, ordinal, this.#places.folder({ mailbox: ref.mailbox, folder }).folder);
    return { id: mailbox.idOf(ordinal, false) };
  }

  /** Deletes a message for good. */
  removeMessage(ref: MessageRef): void {
    const { mailbox, ordinal } = this.#places.message(ref);
    removeMessage(mailbox, ordinal);
  }

  /** Brings a deleted message back into a folder; returns its new default id. */
  restoreMessage(ref: MessageRef, folder: string): { id: string } {
    const { mailbox, ordinal } = this.#places.deletedMessage(ref);
    restoreMessage(mailbox, ordinal, this.#places.folder({ mailbox: ref.mailbox, folder }).folder);
    return { id: mailbox.idOf(ordinal, false) };
  }

  /** Makes a folder; `parent` as in a FolderRef. */
  createFolder(mailbox: string, parent: string, displayName: string, isHidden = false): { id: string } {
    const place = this.#places.folder({ mailbox, folder: parent });
    return { id: createFolder(place.mailbox, place.folder, displayName, isHidden).id };
  }

  /** Makes many folders below one. */
  createTree(mailbox: string, parent: string, size: TreeSize): { folders: number } {
    const place = this.#places.folder({ mailbox, folder: parent });
    const { deep = 0, wide = 0, messages = 0 } = size;
    const made = createTree(place.mailbox, place.folder, { deep, wide });
    for (const folder of made) {
      for (let number = 0; number < messages; number++) addMessage(place.mailbox, folder, newMessage({}, [], {}));
    }
    return { folders: made.length };
  }

  /** Renames a folder, moves it below another, or both. */
  changeFolder(ref: FolderRef, change: { displayName?: string; parent?: string }): void {
    const { mailbox, folder } = this.#places.folder(ref);
    const { displayName } = change;
    const parent =
      change.parent === undefined
        ? undefined
        : this.#places.folder({ mailbox: ref.mailbox, folder: change.parent }).folder;
    changeFolder(mailbox, folder, {
      ...(displayName === undefined ? {} : { displayName }),
      ...(parent ? { parent } : {}),
    });
  }

  /** Deletes a folder with everything in it. */
  removeFolder(ref: FolderRef): void {
    const { mailbox, folder } = this.#places.folder(ref);
    removeFolder(mailbox, folder);
  }

  /** Makes every delta token of a folder, or of all folders of a mailbox, answer 410 from now on. */
  expireDelta(ref: { mailbox: string; folder?: string }): void {
    const { mailbox, folder } = ref;
    const folders =
      folder === undefined ? this.#places.mailbox(mailbox).folders : [this.#places.folder({ mailbox, folder }).folder];
    for (const each of folders) each.generation++;
  }

  /** Lets changes flow until they are stopped. */
  startChurn(options: ChurnOptions): ChurnReport {
    if (!(options.perSecond > 0)) throw new ControlError(400, "'perSecond' is a number above 0.");
    const { mailbox } = options;
    const mailboxes = mailbox === undefined ? this.#places.mailboxes() : [this.#places.mailbox(mailbox)];
    const churn = new Churn(this.#churns.length + 1, mailboxes, options);
    this.#churns.push(churn);
    return churn.report;
  }

  /** Every flow of changes, ended ones included. */
  churns(): ChurnReport[] {
    return this.#churns.map(({ report }) => report);
  }

  /** Ends one flow, or all. */
  stopChurn(id?: number): ChurnReport[] {
    const chosen = this.#churns.filter(({ report }) => id === undefined || report.id === id);
    if (chosen.length === 0 && id !== undefined) throw new ControlError(404, `There is no flow of changes ${id}.`);
    for (const churn of chosen) churn.stop();
    return chosen.map(({ report }) => report);
  }

  /** What happened to messages, each event with its time. */
  events(query: { after?: number; limit?: number } = {}): EventPage {
    return eventPage(this.#parts.tenant.journal, query);
  }

  /** Changes the application's secret, consent, state or tokens. */
  changeTenant(change: TenantChange): void {
    const { entra, tokens } = this.#parts;
    const { registration } = entra;
    if (change.app !== undefined) registration.state = change.app;
    if (change.tenantGone !== undefined) registration.isTenantGone = change.tenantGone;
    if (change.clientSecret !== undefined) registration.clientSecret = change.clientSecret;
    if (change.secretExpired !== undefined) registration.isSecretExpired = change.secretExpired;
    if (change.certificate !== undefined) entra.register(change.certificate ?? undefined);
    if (change.tokenLifetimeSeconds !== undefined) registration.tokenLifetimeSeconds = change.tokenLifetimeSeconds;
    if (change.roles !== undefined) registration.roles = [...change.roles];
    if (change.revokeTokens === true) tokens.revokeAll();
  }

  /** Holds matching requests open until the hold is released. */
  hold(match: HoldMatch = {}): Hold {
    const { mailbox } = match;
    return this.#parts.holds.add(mailbox === undefined ? match : { ...match, mailbox: this.#places.user(mailbox).id });
  }

  /** The holds in force. */
  holds(): Hold[] {
    return this.#parts.holds.list();
  }

  /** Ends every hold. */
  clearHolds(): void {
    this.#parts.holds.clear();
  }

  /** Puts a fault in force. */
  addFault(rule: FaultRule): Fault {
    const { mailbox, folder, message, attachment, effect } = rule;
    if (message !== undefined && mailbox === undefined) {
      throw new ControlError(400, "A fault of a 'message' needs its 'mailbox'.");
    }
    if (attachment !== undefined && message === undefined) {
      throw new ControlError(400, "A fault of an 'attachment' needs its 'message'.");
    }
    if (effect.type === 'poison' && message === undefined) {
      throw new ControlError(400, "A fault of type 'poison' needs a 'message'.");
    }
    return this.#parts.faults.add(rule, {
      mailbox: mailbox === undefined ? undefined : this.#places.user(mailbox).id,
      folder:
        mailbox === undefined || folder === undefined
          ? undefined
          : this.#places.folder({ mailbox, folder }).folder.number,
      message:
        mailbox === undefined || message === undefined
          ? undefined
          : this.#places.message({ mailbox, id: message }).ordinal,
      attachment:
        mailbox === undefined || message === undefined || attachment === undefined
          ? undefined
          : this.#places.attachment({ mailbox, id: message, attachment }).number,
    });
  }

  /** Puts a mix of faults in force. */
  addPreset(preset: FaultPreset): Fault[] {
    return rulesOf(preset).map((rule) => this.addFault(rule));
  }

  /** The faults in force and those that are spent, with how often each has struck. */
  faults(): Fault[] {
    return this.#parts.faults.list();
  }

  /** Takes a fault back. @throws ControlError 404 where there is none. */
  removeFault(id: number): void {
    if (!this.#parts.faults.remove(id)) throw new ControlError(404, `There is no fault ${id}.`);
  }

  /** Takes every fault back. */
  clearFaults(): void {
    this.#parts.faults.clear();
  }

  /** Makes the next matching requests fail: short for a fault with a status. */
  failNext({ status, code = 'UnknownError', message, retryAfter, times = 1, ...match }: FailNext): Fault {
    return this.addFault({
      ...match,
      times,
      effect: {
        type: 'status',
        status,
        code,
        ...(message === undefined ? {} : { message }),
        ...(retryAfter === undefined ? {} : { retryAfter: Number(retryAfter) }),
      },
    });
  }
}
