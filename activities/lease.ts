import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../store/database.ts';
import { LeaseLost } from '../store/errors.ts';
import { acquireLease, releaseLease, renewLease } from '../store/leases.ts';
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
}

/**
 * Holds the mailbox's lease while `work` runs. Temporal gives one running workflow, not one running attempt: a worker
 * that was frozen or cut off may still be reading when its successor starts. So the successor waits here for the end
 * of the lease, and the old reader's writes and requests end with it: a lease that cannot be renewed in time aborts
 * `work`.
 * @throws {LeaseLost} when another reader has it, or it ran out.
 */
export async function withLease<T>(
  db: Database,
  organization: Organization,
  mailboxId: string,
  signal: AbortSignal,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const token = randomUUID();
  const { memory, endsAt: firstEnd } = await acquired(db, organization, mailboxId, token, signal);
  let endsAt = firstEnd;
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

  try {
    return await work({ token, signal: AbortSignal.any([signal, lost.signal]), memory, assertHeld });
  } finally {
    clearInterval(renewing);
    clearTimeout(expiry);
    await releaseLease(db, organization, { mailboxId, token }).catch(() => undefined);
  }
}

/** Waits for the lease; `endsAt` by this process's monotonic clock. */
async function acquired(
  db: Database,
  organization: Organization,
  mailboxId: string,
  token: string,
  signal: AbortSignal,
): Promise<{ readonly endsAt: number; readonly memory: MailboxMemory }> {
  for (;;) {
    const asked = performance.now();
    const answer = await acquireLease(db, organization, { mailboxId, token, seconds: LEASE_SECONDS });
    if (answer.acquired) return { endsAt: asked + answer.remainingMs, memory: answer.memory };
    await delay(Math.min(answer.waitMs, 1000) + 50, undefined, { signal });
  }
}
