import { beforeAll, describe, expect, it } from 'vitest';
import { LeaseLost, UnknownMailbox } from '../../store/errors.ts';
import { acquireLease, releaseLease, renewLease } from '../../store/leases.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { addScan } from '../../store/scans.ts';
import { unique, user, useStore } from './support.ts';

const store = useStore();
let organization: Organization;

beforeAll(async () => {
  organization = await ensureOrganization(store.db, 'leases');
});

async function mailbox(): Promise<string> {
  const mailboxId = unique('mailbox');
  const scan = { organizationId: 'leases', scanId: mailboxId, mode: 'full', filters: { folders: [] } } as const;
  const { scanNo } = await addScan(store.db, { ...scan, status: 'pending' });
  await recordUsers(store.db, organization, { scanNo, tenantId: 't', users: [{ user: user(mailboxId) }] });
  return mailboxId;
}

const passed = (mailboxId: string): Promise<unknown> =>
  store.sql(
    `UPDATE ${organization.schema}.mailboxes SET _lease_ends_at = clock_timestamp() - interval '1 ms' WHERE id = $1`,
    [mailboxId],
  );

describe('a lease', () => {
  it('is held by one of many that ask at once, and the others are told how long to wait', async () => {
    const mailboxId = await mailbox();
    const dbs = Array.from({ length: 8 }, () => store.open({ poolSize: 1 }));
    const answers = await Promise.all(
      dbs.map((db, i) => acquireLease(db, organization, { mailboxId, token: `token-${i}`, seconds: 30 })),
    );
    expect(answers.filter(({ acquired }) => acquired)).toHaveLength(1);
    for (const answer of answers) {
      if (answer.acquired) expect(answer.remainingMs).toBeGreaterThan(29_000);
      else expect(answer.waitMs).toBeGreaterThan(29_000);
    }
  });

  it('is given again under the same token', async () => {
    const mailboxId = await mailbox();
    const claim = { mailboxId, token: 'mine', seconds: 30 };
    await acquireLease(store.db, organization, claim);
    const again = await acquireLease(store.db, organization, { ...claim, seconds: 60 });
    expect(again).toMatchObject({ acquired: true });
    if (again.acquired) expect(again.remainingMs).toBeGreaterThan(59_000);
  });

  it('can be taken when it ran out, by the database’s clock', async () => {
    const mailboxId = await mailbox();
    await acquireLease(store.db, organization, { mailboxId, token: 'first', seconds: 30 });
    const claim = { mailboxId, token: 'second', seconds: 30 };
    expect(await acquireLease(store.db, organization, claim)).toMatchObject({ acquired: false });
    await passed(mailboxId);
    expect(await acquireLease(store.db, organization, claim)).toMatchObject({ acquired: true });
    await expect(renewLease(store.db, organization, { mailboxId, token: 'first', seconds: 30 })).rejects.toThrow(
      LeaseLost,
    );
  });

  it('that ran out tells whoever takes it over since when, and one that was given back does not', async () => {
    const mailboxId = await mailbox();
    const claim = (token: string) => ({ mailboxId, token, seconds: 30 });
    await acquireLease(store.db, organization, claim('first'));
    await passed(mailboxId);
    // Its own holder is not lost.
    expect(await acquireLease(store.db, organization, claim('first'))).not.toHaveProperty('lost');
    await passed(mailboxId);
    const [row] = await store.sql<{ ended: string }>(
      `SELECT _lease_ends_at AS ended FROM ${organization.schema}.mailboxes WHERE id = $1`,
      [mailboxId],
    );
    const second = await acquireLease(store.db, organization, claim('second'));
    if (!second.acquired || !second.lost) throw new Error('The lease is not taken over');
    expect(second.lost).toEqual({ endedAt: row?.ended, agoMs: expect.any(Number) as number });
    expect(second.lost.agoMs).toBeGreaterThanOrEqual(1);
    await releaseLease(store.db, organization, { mailboxId, token: 'second' });
    expect(await acquireLease(store.db, organization, claim('third'))).not.toHaveProperty('lost');
  });

  it('can be given back with word of the lost one that it followed, and is free then', async () => {
    const mailboxId = await mailbox();
    const claim = (token: string) => ({ mailboxId, token, seconds: 30 });
    await acquireLease(store.db, organization, claim('first'));
    await passed(mailboxId);
    const second = await acquireLease(store.db, organization, claim('second'));
    const lost = second.acquired ? second.lost : undefined;
    await releaseLease(store.db, organization, { mailboxId, token: 'second', lost });
    for (const token of ['first', 'second']) {
      await expect(renewLease(store.db, organization, claim(token))).rejects.toThrow(LeaseLost);
    }
    const third = await acquireLease(store.db, organization, claim('third'));
    expect(third).toMatchObject({ acquired: true, lost: { endedAt: lost?.endedAt } });
  });

  it('is renewed even late, as long as nobody else has taken it', async () => {
    const mailboxId = await mailbox();
    const claim = { mailboxId, token: 'mine', seconds: 30 };
    await acquireLease(store.db, organization, claim);
    await passed(mailboxId);
    const { remainingMs, endsAt } = await renewLease(store.db, organization, claim);
    expect(remainingMs).toBeGreaterThan(29_000);
    expect(endsAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('is free once it was released, and only its holder releases it', async () => {
    const mailboxId = await mailbox();
    await acquireLease(store.db, organization, { mailboxId, token: 'mine', seconds: 30 });
    await releaseLease(store.db, organization, { mailboxId, token: 'not mine' });
    const claim = { mailboxId, token: 'next', seconds: 30 };
    expect(await acquireLease(store.db, organization, claim)).toMatchObject({ acquired: false });
    await releaseLease(store.db, organization, { mailboxId, token: 'mine' });
    expect(await acquireLease(store.db, organization, claim)).toMatchObject({ acquired: true });
  });

  it('of a mailbox that is not known is an error', async () => {
    const claim = { mailboxId: `'; DROP SCHEMA outhaul; --`, token: 't', seconds: 30 };
    await expect(acquireLease(store.db, organization, claim)).rejects.toThrow(UnknownMailbox);
    await expect(renewLease(store.db, organization, claim)).rejects.toThrow(LeaseLost);
  });
});
