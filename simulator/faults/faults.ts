import { readAttachmentId } from '../mail/attachment-ids.ts';
import type { GraphRequest } from '../msgraph/request.ts';
import { isOutlook } from '../msgraph/route.ts';
import { type Folder, isNamed } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { isReadable } from '../tenant/users.ts';
import { ArmedRule, labelOf, type RuleScope } from './armed-rule.ts';
import type { Fault, FaultEffect, FaultRule } from './fault-rule.ts';
import { RequestFaults } from './request-faults.ts';

/** The rules in force, in the order in which they were made, and the count of what struck. */
export class Faults {
  readonly #tenant: Tenant;
  readonly #rules = new Map<number, ArmedRule>();
  /** Those that may strike yet. */
  #live: readonly ArmedRule[] = [];
  #struck: Record<string, number> = {};
  #nextId = 1;

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  /** Puts a rule in force. Its scope says what its names mean in this tenant. */
  add(rule: FaultRule, scope: RuleScope): Fault {
    const armed = new ArmedRule(this.#nextId++, rule, scope);
    this.#rules.set(armed.id, armed);
    this.#live = [...this.#live, armed];
    return armed;
  }

  /** Every rule that was not removed, spent ones included. */
  list(): Fault[] {
    return [...this.#rules.values()];
  }

  /** Takes a rule back; whether there was one. */
  remove(id: number): boolean {
    this.#live = this.#live.filter((rule) => rule.id !== id);
    return this.#rules.delete(id);
  }

  clear(): void {
    this.#rules.clear();
    this.#live = [];
  }

  /** How often each effect struck since the start or the last reset, removed rules included. */
  struck(): Record<string, number> {
    return { ...this.#struck };
  }

  resetStruck(): void {
    this.#struck = {};
  }

  /** The faults of a request to Graph; undefined where no rule concerns it. */
  of(request: GraphRequest): RequestFaults | undefined {
    if (this.#live.length === 0) return undefined;
    return this.#request(this.#live.filter((rule) => this.#concerns(rule, request)));
  }

  /** The faults of a request for a token. */
  ofToken(): RequestFaults | undefined {
    if (this.#live.length === 0) return undefined;
    return this.#request(this.#live.filter(({ kinds }) => kinds?.has('token') === true));
  }

  #request(rules: readonly ArmedRule[]): RequestFaults | undefined {
    if (rules.length === 0) return undefined;
    return new RequestFaults(rules, (rule, effect) => this.#count(rule, effect));
  }

  #count(rule: ArmedRule, effect: FaultEffect): void {
    const label = labelOf(effect);
    this.#struck[label] = (this.#struck[label] ?? 0) + 1;
    if (rule.isSpent) this.#live = this.#live.filter((live) => live !== rule);
  }

  #concerns(armed: ArmedRule, request: GraphRequest): boolean {
    const { route } = request;
    const { effect, folder } = armed.rule;
    if (armed.kinds && !armed.kinds.has(route.kind)) return false;
    if (armed.scope.mailbox !== undefined && request.userId !== armed.scope.mailbox) return false;
    if (effect.type === 'mailbox' && !meetsState(effect.state, request)) return false;
    // Pages are looked through for the message, and lists of folders for the folder, when they are made.
    const isLookedThrough =
      (effect.type === 'poison' && isPage(request)) || (effect.type === 'count' && listsFolders(request));
    if (isLookedThrough) return true;
    if (armed.scope.message !== undefined && this.#messageOf(request) !== armed.scope.message) return false;
    if (armed.scope.attachment !== undefined && !meetsAttachment(armed, request)) return false;
    return folder === undefined || this.#isFolder(armed, this.#folderOf(request));
  }

  #isFolder(armed: ArmedRule, folder: Folder | undefined): boolean {
    if (!folder) return false;
    return armed.scope.folder === undefined
      ? isNamed(folder, armed.rule.folder ?? '')
      : armed.scope.folder === folder.number;
  }

  #mailboxOf(request: GraphRequest): Mailbox | undefined {
    const user = request.userId === undefined ? undefined : this.#tenant.user(request.userId);
    return user && isReadable(user) ? this.#tenant.mailbox(user) : undefined;
  }

  #messageOf(request: GraphRequest): number | undefined {
    if (!('message' in request.route)) return undefined;
    return this.#mailboxOf(request)?.messageById(request.route.message);
  }

  /** The folder that the request names, or that the message it names lies in. */
  #folderOf(request: GraphRequest): Folder | undefined {
    const { route } = request;
    const mailbox = this.#mailboxOf(request);
    const key = 'folder' in route ? route.folder : undefined;
    if (key !== undefined) return mailbox?.folderById(key) ?? mailbox?.folderByName(key.toLowerCase());
    const ordinal = this.#messageOf(request);
    return ordinal === undefined ? undefined : mailbox?.folderOf(ordinal);
  }
}

/** Lists are looked through for the attachment when they are made. */
function meetsAttachment({ scope, rule }: ArmedRule, { route }: GraphRequest): boolean {
  if (!('attachment' in route)) return rule.effect.type === 'poison';
  return readAttachmentId(route.attachment)?.number === scope.attachment;
}

function meetsState(state: string, { route, method, userId }: GraphRequest): boolean {
  const { kind } = route;
  if (state === 'overQuota') return kind === 'messagesDelta' || kind === 'mailFoldersDelta';
  if (kind === 'subscriptions') return userId !== undefined && route.id === undefined && method === 'POST';
  return userId !== undefined && isOutlook(kind);
}

function isPage({ route: { kind } }: GraphRequest): boolean {
  return kind === 'messages' || kind === 'messagesDelta';
}

function listsFolders({ route: { kind } }: GraphRequest): boolean {
  return kind === 'mailFolders' || kind === 'childFolders' || kind === 'mailFoldersDelta';
}
