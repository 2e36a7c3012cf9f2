import { GraphError } from './errors.ts';
import type { GraphLogger } from './options.ts';
import { SharedRun } from './waiting.ts';

/** A token as Entra issued it; times are `Date.now()` milliseconds. */
export interface IssuedToken {
  readonly value: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Asks Entra for a fresh token, past every cache. */
export type TokenIssuer = (signal: AbortSignal) => Promise<IssuedToken>;

/** Tokens are renewed this long before their end, or in the last quarter of a shorter life. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** A token this near to its end is not used any more. */
const UNUSABLE_BEFORE_MS = 30_000;
/** The least time between two renewals that fail while the old token still works. */
const RENEWAL_PAUSE_MS = 15_000;

/**
 * The token of one connection. It is kept in memory only, renewed before it ends while requests go on with the old one,
 * and asked for once however many requests wait for it.
 */
export class TokenSource {
  readonly #renewal: SharedRun<IssuedToken>;
  readonly #closing: AbortSignal;
  readonly #log: GraphLogger;
  readonly #now: () => number;
  #current: IssuedToken | undefined;
  #renewalAt = 0;
  #blocked: { until: number; error: GraphError } | undefined;

  /** @param now the clock, in milliseconds; for tests */
  constructor(issue: TokenIssuer, closing: AbortSignal, log: GraphLogger, now: () => number = () => Date.now()) {
    this.#closing = closing;
    this.#log = log;
    this.#now = now;
    this.#renewal = new SharedRun(async (signal) => {
      this.#refuseWhileBlocked();
      try {
        this.#current = await issue(signal);
        this.#renewalAt = this.#current.expiresAt - margin(this.#current, RENEW_BEFORE_MS, 4);
        return this.#current;
      } catch (error) {
        this.#remember(error);
        throw error;
      }
    });
  }

  /**
   * A token that works for some time yet.
   * @throws GraphError `credential_refused`, `throttled` or `unavailable`
   */
  async token(signal: AbortSignal): Promise<string> {
    const now = this.#now();
    const current = this.#current;
    if (current === undefined || now >= current.expiresAt - margin(current, UNUSABLE_BEFORE_MS, 10)) {
      return (await this.#renewal.join(signal)).value;
    }
    if (now >= this.#renewalAt) this.#renewInBackground(now);
    return current.value;
  }

  /** A token other than `refused`, which Graph did not accept: one that came meanwhile, or a new one. */
  async renew(refused: string, signal: AbortSignal): Promise<string> {
    const current = this.#current;
    if (current !== undefined && current.value !== refused) return current.value;
    return (await this.#renewal.join(signal)).value;
  }

  /** `value` itself while it is younger than `ageMs`; else a token that was issued later. */
  async newerThan(value: string, ageMs: number, signal: AbortSignal): Promise<string> {
    const current = this.#current;
    if (current?.value === value && this.#now() - current.issuedAt < ageMs) return value;
    return this.renew(value, signal);
  }

  #renewInBackground(now: number): void {
    this.#renewalAt = now + RENEWAL_PAUSE_MS;
    this.#renewal.join(this.#closing).catch((error: unknown) => {
      if (this.#closing.aborted) return;
      const { code, status } = error instanceof GraphError ? error : { code: 'Unknown', status: undefined };
      this.#log.warn({ code, status }, 'The token could not be renewed; the old one still works');
    });
  }

  /** Entra's `Retry-After` holds for every caller, so nobody asks again before it is over. */
  #remember(error: unknown): void {
    if (error instanceof GraphError && error.retryAfterMs !== undefined) {
      this.#blocked = { until: this.#now() + error.retryAfterMs, error };
    }
  }

  #refuseWhileBlocked(): void {
    if (this.#blocked === undefined) return;
    const { until, error } = this.#blocked;
    const retryAfterMs = until - this.#now();
    if (retryAfterMs > 0) throw new GraphError(error.message, { ...error, retryAfterMs, cause: error });
    this.#blocked = undefined;
  }
}

function margin({ issuedAt, expiresAt }: IssuedToken, ms: number, part: number): number {
  return Math.min(ms, (expiresAt - issuedAt) / part);
}
