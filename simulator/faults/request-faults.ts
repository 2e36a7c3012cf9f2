import { DEFAULT_MEMBERS, type Shape } from '../mail/shape.ts';
import { type Folder, isNamed } from '../tenant/folder.ts';
import type { ArmedRule } from './armed-rule.ts';
import type { ContentEffect, ExchangeEffect, FaultEffect, PoisonEffect } from './fault-rule.ts';
import { graphFault } from './words.ts';

type EffectOf<Type extends FaultEffect['type']> = Extract<FaultEffect, { type: Type }>;

const CONTENT: ReadonlySet<string> = new Set<ContentEffect['type']>([
  'expireLinks', 'pageLimit', 'poison', 'overlap', 'emptyPage', 'sameLink', 'ignoreTop', 'count', 'partial',
]); // prettier-ignore
/** Effects on a connection, which belongs to a whole batch. */
const CONNECTION: ReadonlySet<string> = new Set<ExchangeEffect['type']>(['reset', 'truncate', 'trickle', 'silence']);

/** A page of messages before it is sent. */
export interface PageContent {
  /** The messages that are shown, and how many items the page has with those that are only named. */
  ordinals: readonly number[];
  size: number;
  shape: Shape;
  /** The attachments are shown, too. */
  isExpanded?: boolean;
}

/** The rules that concern one request. Handlers ask for what they can do; a rule counts when it is asked for. */
export class RequestFaults {
  readonly #rules: readonly ArmedRule[];
  readonly #count: (rule: ArmedRule, effect: FaultEffect) => void;

  constructor(rules: readonly ArmedRule[], count: (rule: ArmedRule, effect: FaultEffect) => void) {
    this.#rules = rules;
    this.#count = count;
  }

  /** The effects on the exchange that strike, one after the other: a later rule counts when it is reached. */
  *exchange(inBatch: boolean): Generator<ExchangeEffect> {
    for (const rule of this.#rules) {
      const { effect } = rule.rule;
      const possible = (effect.type === 'oneOf' ? effect.effects : [effect]).filter(
        (each): each is ExchangeEffect => !CONTENT.has(each.type) && !(inBatch && CONNECTION.has(each.type)),
      );
      if (possible.length === 0 || !rule.strike()) continue;
      const chosen = rule.choose(possible);
      if (!chosen) continue;
      this.#count(rule, chosen);
      yield chosen;
    }
  }

  /** The page size, whatever was asked for. */
  pageSize(asked: number): number {
    const effect = this.#struck('ignoreTop');
    return effect ? (effect.size ?? 10) : asked;
  }

  /** How many messages of the page before are repeated on a page of `size`. */
  overlap(size: number): number {
    if (size < 2) return 0;
    const effect = this.#struck('overlap');
    return effect ? Math.min(effect.messages ?? 1, size - 1) : 0;
  }

  isEmptyPage(): boolean {
    return this.#struck('emptyPage') !== undefined;
  }

  isSameLink(): boolean {
    return this.#struck('sameLink') !== undefined;
  }

  isPartial(): boolean {
    return this.#struck('partial') !== undefined;
  }

  /** A counter as it is shown: of messages, or of the folder that is given. */
  counted(value: number, folder?: Folder): number {
    const isMeant = ({ scope, rule }: ArmedRule): boolean =>
      rule.folder === undefined ||
      !folder ||
      (scope.folder === undefined ? isNamed(folder, rule.folder) : scope.folder === folder.number);
    const effect = this.#struck('count', isMeant);
    return effect ? Math.max(0, value + effect.off) : value;
  }

  /** @throws GraphFault where a link of a delta walk is no longer good. `age` is in seconds. */
  checkLink(kind: 'next' | 'delta', age: number, start: string): void {
    const effect = this.#struck('expireLinks', (_, { links = kind, olderThan = 0 }) => {
      return links === kind && age >= olderThan;
    });
    if (!effect) return;
    const { code = 'SyncStateNotFound' } = effect;
    throw graphFault(410, code, undefined, code === 'resyncRequired' ? { location: start } : {});
  }

  /** @throws GraphFault where a page is too large or holds a message that cannot be read. */
  checkPage({ ordinals, size, shape, isExpanded = false }: PageContent): void {
    const limit = this.#struck('pageLimit', (_, { largest }) => size > largest);
    if (limit) {
      const { status = 504 } = limit;
      throw graphFault(status);
    }
    this.#checkPoison(
      (rule, effect) => effect.where !== 'alone' && holds(ordinals, rule) && isShown(rule, effect, shape, isExpanded),
    );
  }

  /** @throws GraphFault where the one message that is asked for cannot be read. */
  checkMessage(shape: Shape, isExpanded: boolean): void {
    this.#checkPoison((rule, effect) => effect.where !== 'pages' && isShown(rule, effect, shape, isExpanded));
  }

  /** The same for its MIME text, which holds the attachments, or for all of its attachments. */
  checkBelow(part: '$value' | 'attachments'): void {
    this.#checkPoison(
      ({ scope }, { where, members }) =>
        where !== 'pages' &&
        (members === undefined || members.includes(part)) &&
        (part === '$value' || scope.attachment === undefined),
    );
  }

  /** @throws GraphFault where the bytes of an attachment are asked for that cannot be read. */
  checkAttachments(numbers: readonly number[], { inList, withBytes }: { inList: boolean; withBytes: boolean }): void {
    if (!withBytes) return;
    this.#checkPoison(
      ({ scope }, { where }) =>
        scope.attachment !== undefined && numbers.includes(scope.attachment) && where !== (inList ? 'alone' : 'pages'),
    );
  }

  #checkPoison(isMet: (rule: ArmedRule, effect: PoisonEffect) => boolean): void {
    let code = '';
    const effect = this.#struck('poison', (rule, poison) => {
      if (!isMet(rule, poison)) return false;
      code = rule.scope.attachment === undefined ? 'ErrorContentConversionFailed' : 'ErrorCannotOpenFileAttachment';
      return true;
    });
    if (effect) throw graphFault(effect.status ?? 500, effect.code ?? code);
  }

  /** The first effect of a type that strikes; rules that are not met do not count. */
  #struck<Type extends ContentEffect['type']>(
    type: Type,
    isMet: (rule: ArmedRule, effect: EffectOf<Type>) => boolean = () => true,
  ): EffectOf<Type> | undefined {
    for (const rule of this.#rules) {
      if (rule.rule.effect.type !== type) continue;
      const effect = rule.rule.effect as EffectOf<Type>;
      if (!isMet(rule, effect) || !rule.strike()) continue;
      this.#count(rule, effect);
      return effect;
    }
    return undefined;
  }
}

function holds(ordinals: readonly number[], { scope }: ArmedRule): boolean {
  return scope.message !== undefined && ordinals.includes(scope.message);
}

function isShown({ scope }: ArmedRule, { members }: PoisonEffect, shape: Shape, isExpanded: boolean): boolean {
  if (scope.attachment !== undefined) return isExpanded;
  if (!members) return true;
  return members.some((member) => {
    if (member === 'id') return true;
    if (member === 'attachments') return isExpanded;
    return shape.selected?.has(member) ?? (DEFAULT_MEMBERS as readonly string[]).includes(member);
  });
}
