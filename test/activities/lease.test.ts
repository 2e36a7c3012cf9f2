import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { withLease, type Lease } from '../../activities/lease.ts';
import { LeaseLost } from '../../store/errors.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { addScan } from '../../store/scans.ts';
import { unique, user, useStore } from '../store/support.ts';

const store = useStore();
let organization: Organization;

beforeAll(async () => {
  organization = await ensureOrganization(store.db, 'readers');
});
afterEach(() => void vi.restoreAllMocks());

async function ownMailbox(): Promise<string> {
  const mailboxId = unique('mailbox');
  const scan = { organizationId: 'readers', scanId: mailboxId, mode: 'full', filters: { folders: [] } } as const;
  const { scanNo } = await addScan(store.db, { ...scan, status: 'pending' });
  await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [{ user: user(mailboxId) }] });
  return mailboxId;
}

const unhurried = (): AbortSignal => new AbortController().signal;
const holding = <T>(mailboxId: string, work: (lease: Lease) => Promise<T>, signal = unhurried()): Promise<T> =>
  withLease(store.db, organization, mailboxId, { signal, requestTimeoutMs: 30_000 }, work);

/** A reader's lease has run out so long ago, without being given back. */
const lose = (mailboxId: string, ago = '1 s'): Promise<unknown> =>
  store.sql(
    `UPDATE ${organization.schema}.mailboxes SET _lease_token = 'other', _lease_ends_at = clock_timestamp() - $2::interval
    WHERE id = $1`,
    [mailboxId, ago],
  );

/** Rejects with the signal's reason. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

describe('a reader', () => {
  it('holds the lease while it works, and gives it back, also when it fails', async () => {
    const mailboxId = await ownMailbox();
    expect(await holding(mailboxId, ({ token }) => Promise.resolve(token))).toMatch(/^[\da-f-]{36}$/);
    await expect(holding(mailboxId, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await holding(mailboxId, () => Promise.resolve('free'))).toBe('free');
  });

  it('stops within a renewal, with a reason, when a successor has the lease', async () => {
    const mailboxId = await ownMailbox();
    const working = holding(mailboxId, async ({ signal }) => {
      await store.sql(`UPDATE ${organization.schema}.mailboxes SET _lease_token = 'other' WHERE id = $1`, [mailboxId]);
      return untilAborted(signal);
    });
    await expect(working).rejects.toThrow(LeaseLost);
  });

  it('that wakes from a freeze may send no request, though no timer has told it yet', async () => {
    const mailboxId = await ownMailbox();
    await holding(mailboxId, ({ signal, assertHeld }) => {
      assertHeld();
      const now = performance.now();
      vi.spyOn(performance, 'now').mockReturnValue(now + 30_001);
      expect(assertHeld).toThrow(LeaseLost);
      expect(signal.aborted).toBe(false);
      return Promise.resolve();
    });
  });

  it('that takes over from one that was lost is alone until the requests of that one must have ended', async () => {
    const mailboxId = await ownMailbox();
    await lose(mailboxId);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    await holding(mailboxId, ({ isAlone }) => {
      expect(isAlone()).toBe(true);
      clock.mockReturnValue(now + 58_000);
      expect(isAlone()).toBe(true);
      clock.mockReturnValue(now + 60_000);
      expect(isAlone()).toBe(false);
      return Promise.resolve();
    });
    expect(await holding(mailboxId, ({ isAlone }) => Promise.resolve(isAlone()))).toBe(false);
  });

  it('that hands over while it is alone leaves its successor alone', async () => {
    const mailboxId = await ownMailbox();
    await lose(mailboxId);
    for (let reader = 1; reader <= 3; reader++) {
      expect(await holding(mailboxId, ({ isAlone }) => Promise.resolve(isAlone()))).toBe(true);
    }
  });

  it('is not alone where the one before has given the lease back, or was lost long ago', async () => {
    const mailboxId = await ownMailbox();
    await holding(mailboxId, () => Promise.resolve());
    expect(await holding(mailboxId, ({ isAlone }) => Promise.resolve(isAlone()))).toBe(false);
    await lose(mailboxId, '61 s');
    expect(await holding(mailboxId, ({ isAlone }) => Promise.resolve(isAlone()))).toBe(false);
  });

  it('that waits for the lease of another can be cancelled', async () => {
    const mailboxId = await ownMailbox();
    const controller = new AbortController();
    await holding(mailboxId, async () => {
      const successor = holding(mailboxId, () => Promise.resolve(), controller.signal);
      const refused = expect(successor).rejects.toThrow();
      controller.abort(new Error('cancelled'));
      await refused;
    });
  });
});
