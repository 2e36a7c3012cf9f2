import { deferred } from './deferred.ts';
import { GraphFault } from './fault.ts';
import type { GraphRequest } from './request.ts';
import type { RouteKind } from './route.ts';

/** Which requests a hold or a fault concerns; absent members concern all. */
export interface RequestMatch {
  /** A user's id or principal name. */
  mailbox?: string;
  kind?: RouteKind;
  /** How many matching requests pass first. Default 0. */
  after?: number;
}

/** Requests that are kept waiting until someone lets them go. */
export interface Hold {
  readonly id: number;
  /** Requests waiting now. */
  readonly waiting: number;
  /** Settles as soon as the first request waits, or the hold is released. */
  reached(): Promise<void>;
  /** Lets the waiting requests go and holds no more. */
  release(): void;
}

/** Requests that fail instead of being answered. */
export interface FaultRule extends RequestMatch {
  status: number;
  /** Default `UnknownError`. */
  code?: string;
  message?: string;
  /** The `Retry-After` header. */
  retryAfter?: string | number;
  /** How many requests fail. Default 1. */
  times?: number;
}

interface Rule {
  match: RequestMatch;
  toPass: number;
}

interface HoldRule extends Rule {
  id: number;
  waiting: number;
  reached: () => void;
  opened: Promise<void>;
}

interface FailRule extends Rule {
  fault: FaultRule;
  left: number;
}

/**
 * The one step in which requests are held open or made to fail on purpose, between their arrival and their answer.
 * A rule's mailbox must be the user's id here; the control API translates principal names.
 */
export class Gate {
  readonly #holds = new Map<HoldRule, Hold>();
  readonly #fails = new Set<FailRule>();
  #nextId = 1;

  /** Whether nothing is held and nothing fails. */
  get isOpen(): boolean {
    return this.#holds.size === 0 && this.#fails.size === 0;
  }

  /** The holds that are in force. */
  holds(): Hold[] {
    return [...this.#holds.values()];
  }

  /** Holds every matching request from now on. */
  hold(match: RequestMatch = {}): Hold {
    const opened = deferred();
    const reached = deferred();
    const rule: HoldRule = {
      id: this.#nextId++,
      match,
      toPass: match.after ?? 0,
      waiting: 0,
      reached: reached.resolve,
      opened: opened.promise,
    };
    const hold: Hold = {
      id: rule.id,
      get waiting() {
        return rule.waiting;
      },
      reached: () => reached.promise,
      release: () => {
        this.#holds.delete(rule);
        opened.resolve();
        reached.resolve();
      },
    };
    this.#holds.set(rule, hold);
    return hold;
  }

  /** Makes the next matching requests fail. */
  failNext(fault: FaultRule): void {
    this.#fails.add({ match: fault, toPass: fault.after ?? 0, fault, left: fault.times ?? 1 });
  }

  /** Ends every hold and every fault. */
  clear(): void {
    for (const hold of this.holds()) hold.release();
    this.#fails.clear();
  }

  /** Lets a request pass, late where it is held. @throws GraphFault where it is to fail. */
  async pass(request: GraphRequest): Promise<void> {
    for (const rule of this.#holds.keys()) if (concerns(rule, request)) await wait(rule);
    for (const rule of this.#fails) {
      if (!concerns(rule, request)) continue;
      if (--rule.left <= 0) this.#fails.delete(rule);
      const { status, code = 'UnknownError', message = '', retryAfter } = rule.fault;
      throw new GraphFault(status, code, message, retryAfter === undefined ? {} : { 'retry-after': `${retryAfter}` });
    }
  }
}

async function wait(rule: HoldRule): Promise<void> {
  rule.waiting++;
  rule.reached();
  await rule.opened;
  rule.waiting--;
}

function concerns(rule: Rule, request: GraphRequest): boolean {
  const { mailbox, kind } = rule.match;
  if (kind !== undefined && request.route.kind !== kind) return false;
  if (mailbox !== undefined && request.userId !== mailbox) return false;
  if (rule.toPass === 0) return true;
  rule.toPass--;
  return false;
}
