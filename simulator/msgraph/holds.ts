import { deferred } from './deferred.ts';
import type { GraphRequest } from './request.ts';
import type { RouteKind } from './route.ts';

/** Which requests a hold concerns; absent members concern all. */
export interface HoldMatch {
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

interface HoldRule {
  id: number;
  match: HoldMatch;
  toPass: number;
  waiting: number;
  reached: () => void;
  opened: Promise<void>;
}

/** Keeps requests open between their arrival and their answer. A match's mailbox must be the user's id here. */
export class Holds {
  readonly #holds = new Map<HoldRule, Hold>();
  #nextId = 1;

  /** Whether nothing is held. */
  get isEmpty(): boolean {
    return this.#holds.size === 0;
  }

  /** The holds that are in force. */
  list(): Hold[] {
    return [...this.#holds.values()];
  }

  /** Holds every matching request from now on. */
  add(match: HoldMatch = {}): Hold {
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

  /** Ends every hold. */
  clear(): void {
    for (const hold of this.list()) hold.release();
  }

  /** Lets a request pass, late where it is held. */
  async pass(request: GraphRequest): Promise<void> {
    for (const rule of this.#holds.keys()) if (concerns(rule, request)) await wait(rule);
  }
}

async function wait(rule: HoldRule): Promise<void> {
  rule.waiting++;
  rule.reached();
  await rule.opened;
  rule.waiting--;
}

function concerns(rule: HoldRule, request: GraphRequest): boolean {
  const { mailbox, kind } = rule.match;
  if (kind !== undefined && request.route.kind !== kind) return false;
  if (mailbox !== undefined && request.userId !== mailbox) return false;
  if (rule.toPass === 0) return true;
  rule.toPass--;
  return false;
}
