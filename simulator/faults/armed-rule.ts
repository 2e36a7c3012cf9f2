import { hash } from '../mail/rng.ts';
import type { Fault, FaultEffect, FaultRule, RequestKind } from './fault-rule.ts';

/** What of a rule's match was found in the tenant when it was armed. */
export interface RuleScope {
  /** The user's id. */
  mailbox: string | undefined;
  /** The number of the folder in its mailbox; undefined where the rule names none, or names it for every mailbox. */
  folder: number | undefined;
  /** The message's ordinal. */
  message: number | undefined;
  /** The attachment's number in its message. */
  attachment?: number | undefined;
}

/** A rule in force: what it concerns, and the count of what it met and struck. */
export class ArmedRule implements Fault {
  readonly id: number;
  readonly rule: FaultRule;
  readonly scope: RuleScope;
  readonly kinds: ReadonlySet<RequestKind> | undefined;
  met = 0;
  struck = 0;

  constructor(id: number, rule: FaultRule, scope: RuleScope) {
    this.id = id;
    this.rule = rule;
    this.scope = scope;
    const { kind } = rule;
    this.kinds = kind === undefined ? undefined : new Set(typeof kind === 'string' ? [kind] : kind);
  }

  /** Whether it will never strike again. */
  get isSpent(): boolean {
    return this.rule.times !== undefined && this.struck >= this.rule.times;
  }

  /** Counts a request that it concerns; the effect where it strikes. */
  strike(): FaultEffect | undefined {
    const { after = 0, rate = 1, seed = 1, effect } = this.rule;
    const turn = this.met++;
    if (turn < after || this.isSpent || !isDrawn(seed, turn, rate)) return undefined;
    this.struck++;
    return effect;
  }

  /** One of several, in a turn that follows from the seed and from what was struck before. */
  choose<T>(list: readonly T[]): T | undefined {
    return list[hash(hash(this.rule.seed ?? 1, 0x0f), this.struck) % list.length];
  }
}

function isDrawn(seed: number, turn: number, rate: number): boolean {
  return rate >= 1 || hash(seed, turn) / 0x80000000 < rate;
}

/** What effects are counted as: their type and, of some, which. */
export function labelOf(effect: FaultEffect): string {
  if (effect.type === 'status') return `status ${effect.status}`;
  if (effect.type === 'entra') return `AADSTS ${effect.number}`;
  if (effect.type === 'mailbox') return `mailbox ${effect.state}`;
  if (effect.type === 'reset') return `reset ${effect.moment}`;
  return effect.type;
}
