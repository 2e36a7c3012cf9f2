import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../store/database.ts';
import { LeaseLost } from '../store/errors.ts';
import { acquireLease, releaseLease, renewLease, type LeaseAnswer } from '../store/leases.ts';
import type { MailboxMemory } from '../store/mailbox-memory.ts';
import type { Organization } from '../store/organizations.ts';

/** How long a lease lasts unless it is renewed; a successor of a frozen reader waits this long at most. */
const LEASE_SECONDS = 12;
const RENEW_EVERY_MS = 3000;

/** The right to read a mailbox: `token` is checked by every write, `signal` says when the right has ended. */
export interface Lease {
  readonly token: string;
  readonly signal: AbortSignal;
  /** What earlier reads have left behind. */
  readonly memory: MailboxMemory;
  /**
   * Asked before each request to Graph. A process that was frozen wakes up in the middle of its work, before any timer
   * can abort `signal`; the clock has gone on meanwhile.
   * @throws {LeaseLost}
   */
  readonly assertHeld: () => void;
  /**
   * Whether requests of a reader that was lost may still be open at Graph: up to three, so that this one may have one at
   * a time.
   */
  readonly isAlone: () => boolean;
}

export interface LeaseOptions {
  readonly signal: AbortSignal;
  /** How long a request to Graph takes at most, ms. */
  readonly requestTimeoutMs: number;
}

/**
 * Requests of a lost reader are taken for ended this many deadlines after its lease. One that it began at the last moment
 * has its own; a process that is frozen keeps no deadline and leaves answers unread, for Graph to give up.
 */
const DEADLINES = 2;

/**
 * Holds the mailbox's lease while `work` runs. Temporal gives one running workflow, not one running attempt: a worker
 * that was frozen or cut off may still be reading when its successor starts. So the successor waits here for the end
 * of the lease, and the old reader's writes and requests end with it: a lease that cannot be renewed in time aborts
 * `work`. Only a reader that gives its lease back says that its requests have ended; of one that was lost nobody knows.
 * @throws {LeaseLost} when another reader has it, or it ran out.
 */
export async function withLease<T>(
  db: Database,
  organization: Organization,
  mailboxId: string,
  { signal, requestTimeoutMs }: LeaseOptions,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const token = randomUUID();
  const taken = await acquired(db, organization, mailboxId, token, signal);
  const { memory, lost: predecessor } = taken;
  let { endsAt } = taken;
  const aloneUntil = predecessor ? performance.now() + DEADLINES * requestTimeoutMs - predecessor.agoMs : 0;
  const lost = new AbortController();
  const renewing = setInterval(() => void renew(), RENEW_EVERY_MS);
  let expiry = setTimeout(expire, endsAt - performance.now());

  async function renew(): Promise<void> {
    try {
      const asked = performance.now();
      const { remainingMs } = await renewLease(db, organization, { mailboxId, token, seconds: LEASE_SECONDS });
      endsAt = asked + remainingMs;
      clearTimeout(expiry);
      expiry = setTimeout(expire, endsAt - performance.now());
    } catch (error) {
      if (error instanceof LeaseLost) lost.abort(error);
    }
  }
  function expire(): void {
    lost.abort(new LeaseLost(mailboxId));
  }
  function assertHeld(): void {
    if (performance.now() >= endsAt) throw new LeaseLost(mailboxId);
  }

  function isAlone(): boolean {
    return performance.now() < aloneUntil;
  }

  try {
    return await work({ token, signal: AbortSignal.any([signal, lost.signal]), memory, assertHeld, isAlone });
  } finally {
    clearInterval(renewing);
    clearTimeout(expiry);
    const claim = { mailboxId, token, lost: isAlone() ? predecessor : undefined };
    await releaseLease(db, organization, claim).catch(() => undefined);
  }
}

type Taken = Extract<LeaseAnswer, { acquired: true }>;

/** Waits for the lease; `endsAt` by this process's monotonic clock. */
async function acquired(
  db: Database,
  organization: Organization,
  mailboxId: string,
  token: string,
  signal: AbortSignal,
): Promise<Omit<Taken, 'endsAt'> & { readonly endsAt: number }> {
  for (;;) {
    const asked = performance.now();
    const answer = await acquireLease(db, organization, { mailboxId, token, seconds: LEASE_SECONDS });
    if (answer.acquired) return { ...answer, endsAt: asked + answer.remainingMs };
    await delay(Math.min(answer.waitMs, 1000) + 50, undefined, { signal });
  }
}
