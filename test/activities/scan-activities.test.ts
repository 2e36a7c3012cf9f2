import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { openGraph } from '../../graph/graph.ts';
import type { ScanFilters } from '../../model/scan.ts';
import { loadActive } from '../../store/connections.ts';
import { addScan } from '../../store/scans.ts';
import { unique } from '../store/support.ts';
import { useMailboxes } from './stage.ts';

const log = { debug() {}, info() {}, warn() {} };

describe('the activities of a scan', () => {
  const stage = useMailboxes({
    mailboxes: 5,
    messagesPerMailbox: 1,
    folders: 1,
    users: [
      { kind: 'guest', displayName: 'Gil Guest' },
      { kind: 'shared', displayName: 'Port Office' },
      { kind: 'disabled', displayName: 'Former Employee' },
      { kind: 'unlicensed', displayName: 'No Mailbox' },
      { kind: 'user', displayName: 'Odd Name', userPrincipalName: "o'neil#1@harbour.example" },
    ],
  });

  interface Asked {
    readonly filters?: Partial<ScanFilters>;
    readonly clientSecret?: string;
    readonly organizationId?: string;
  }
  /** A running scan whose credential is a candidate still. */
  async function newScan({ filters, clientSecret, organizationId }: Asked = {}): Promise<Input> {
    const { simulator } = stage;
    const id = organizationId ?? stage.organization.organizationId;
    const { scanNo } = await addScan(stage.store.db, {
      organizationId: id,
      scanId: unique('scan'),
      mode: 'full',
      status: 'running',
      filters: { folders: ['all'], ...filters },
      candidate: {
        tenantId: simulator.tenantId,
        clientId: simulator.clientId,
        cloud: 'global',
        credential: { kind: 'secret', clientSecret: clientSecret ?? simulator.clientSecret },
      },
    });
    return { organizationId: id, scanNo };
  }
  interface Input {
    readonly organizationId: string;
    readonly scanNo: number;
  }
  const environmentOf = (heartbeatDetails?: unknown): MockActivityEnvironment =>
    new MockActivityEnvironment({ heartbeatDetails });
  const check = (input: Input, environment = environmentOf()) =>
    environment.run(() => stage.scans.checkCredential(input));
  const discover = (input: Input, environment = environmentOf()) =>
    environment.run(() => stage.scans.discoverMailboxes(input));
  const listed = (scanNo: number): Promise<{ id: string; state: string; reason: string | null; position: number }[]> =>
    stage.store.sql(
      `SELECT mailbox_id AS id, state, reason, position FROM outhaul.scan_mailboxes WHERE scan_no = $1 ORDER BY position`,
      [scanNo],
    );
  const userOf = (kind: string): string =>
    stage.simulator.control.truth.mailboxes().find((mailbox) => mailbox.kind === kind)?.id ?? '';

  describe('which check its credential', () => {
    it('make a candidate that works the active connection', async () => {
      const scan = await newScan();
      expect(await check(scan)).toEqual({ status: 'accepted' });
      expect(await loadActive(stage.store.db, scan.organizationId)).toMatchObject({
        credential: { clientSecret: stage.simulator.clientSecret },
      });
    });

    it('end the scan as failed, with the reason, when the secret is wrong, and keep the active connection', async () => {
      await check(await newScan());
      const scan = await newScan({ clientSecret: 'wrong' });
      expect(await check(scan)).toMatchObject({
        status: 'refused',
        reason: expect.stringContaining('AADSTS7000215') as string,
      });
      const [row] = await stage.store.sql<{ status: string }>('SELECT status FROM outhaul.scans WHERE scan_no = $1', [
        scan.scanNo,
      ]);
      expect(row).toEqual({ status: 'failed' });
      expect(await loadActive(stage.store.db, scan.organizationId)).toMatchObject({
        credential: { clientSecret: stage.simulator.clientSecret },
      });
    });

    it('end when they are cancelled, without a verdict', async () => {
      const scan = await newScan();
      const hold = stage.simulator.control.hold({ kind: 'users' });
      const environment = environmentOf();
      const checking = check(scan, environment);
      const refused = expect(checking).rejects.toThrow(CancelledFailure);
      await hold.reached();
      environment.cancel('CANCELLED');
      await refused;
      hold.release();
      const [row] = await stage.store.sql<{ status: string }>('SELECT status FROM outhaul.scans WHERE scan_no = $1', [
        scan.scanNo,
      ]);
      expect(row).toEqual({ status: 'running' });
    });
  });

  describe('which discover the mailboxes', () => {
    it('list every user once; shared mailboxes and former employees wait, guests are skipped', async () => {
      const scan = await newScan();
      await check(scan);
      const users = stage.simulator.control.truth.mailboxes();
      expect(await discover(scan)).toEqual({ mailboxes: users.length });
      const rows = await listed(scan.scanNo);
      expect(rows.map(({ id }) => id).sort()).toEqual(users.map(({ id }) => id).sort());
      expect(rows.map(({ position }) => position)).toEqual(users.map((_user, index) => index + 1));
      const stateOf = (kind: string) => rows.find(({ id }) => id === userOf(kind));
      expect(stateOf('guest')).toMatchObject({ state: 'skipped', reason: 'guest' });
      for (const kind of ['shared', 'disabled', 'unlicensed'])
        expect(stateOf(kind)).toMatchObject({ state: 'waiting' });
      expect(rows.filter(({ state }) => state === 'skipped')).toHaveLength(1);
    });

    it('list a user whose name needs encoding', async () => {
      const scan = await newScan({ filters: { mailboxes: { include: ["O'Neil#1@harbour.example"] } } });
      await check(scan);
      await discover(scan);
      expect((await listed(scan.scanNo)).filter(({ state }) => state === 'waiting')).toHaveLength(1);
    });

    it('keep to the mailboxes to include and to exclude, and say which is which', async () => {
      const [first, second] = stage.mailboxes as [string, string];
      const scan = await newScan({ filters: { mailboxes: { include: [first, second], exclude: [second] } } });
      await check(scan);
      await discover(scan);
      const rows = await listed(scan.scanNo);
      const reasonOf = (id: string) => rows.find((row) => row.id === id)?.reason;
      expect([reasonOf(first), reasonOf(second)]).toEqual([null, 'excluded']);
      expect(rows.filter(({ reason }) => reason === 'not_included').length).toBe(rows.length - 3);
      expect(rows.filter(({ state }) => state === 'waiting').map(({ id }) => id)).toEqual([first]);
    });

    it('go on from the page that an earlier attempt had reached', async () => {
      const scan = await newScan();
      await check(scan);
      const { url, tenantId, clientId, clientSecret, control } = stage.simulator;
      const graph = openGraph(
        { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret } },
        { log, graphUrl: url, authorityUrl: url },
      );
      const first = await graph.usersPage({ pageSize: 3 }, new AbortController().signal);
      await graph.close();
      const all = control.truth.mailboxes().length;
      const details = { failures: 1, progress: { link: first.next, mailboxes: 3 } };
      expect(await discover(scan, environmentOf(details))).toEqual({ mailboxes: all });
      const rows = await listed(scan.scanNo);
      const seen = new Set(first.users.map(({ id }) => id));
      expect(rows).toHaveLength(all - 3);
      expect(rows.some(({ id }) => seen.has(id))).toBe(false);
    });

    it('start anew where Graph does not know that page any more', async () => {
      const scan = await newScan();
      await check(scan);
      const link = `${stage.simulator.url}/v1.0/users?$skiptoken=forgotten`;
      await discover(scan, environmentOf({ failures: 0, progress: { link, mailboxes: 0 } }));
      expect(await listed(scan.scanNo)).toHaveLength(stage.simulator.control.truth.mailboxes().length);
    });

    it('run twice list nobody twice, and keep what is known', async () => {
      const scan = await newScan();
      await check(scan);
      await discover(scan);
      const before = await listed(scan.scanNo);
      await discover(scan);
      expect(await listed(scan.scanNo)).toEqual(before);
    });

    it('end when they are cancelled', async () => {
      const scan = await newScan();
      await check(scan);
      const hold = stage.simulator.control.hold({ kind: 'users' });
      const environment = environmentOf();
      const discovering = discover(scan, environment);
      const refused = expect(discovering).rejects.toThrow(CancelledFailure);
      await hold.reached();
      environment.cancel('CANCELLED');
      await refused;
      hold.release();
      expect(await listed(scan.scanNo)).toEqual([]);
    });
  });

  it('hand out the mailboxes in stretches, each once, and know which are not finished', async () => {
    const scan = await newScan();
    await check(scan);
    await discover(scan);
    const ids: string[] = [];
    for (let after = 0; ;) {
      const stretch = await stage.scans.nextMailboxes({ scanNo: scan.scanNo, after, limit: 2 });
      if (stretch.mailboxIds.length === 0) break;
      ids.push(...stretch.mailboxIds);
      after = stretch.after;
    }
    const waiting = (await listed(scan.scanNo)).filter(({ state }) => state === 'waiting').map(({ id }) => id);
    expect(ids).toEqual(waiting);
    const [failed, ...others] = ids as [string, ...string[]];
    const failure = { ...scan, scanNos: [scan.scanNo], mailboxId: failed, reason: 'graph_failed' } as const;
    await stage.scans.recordFailedMailbox(failure);
    await stage.scans.recordFailedMailbox({ ...failure, reason: 'internal_error' });
    expect([...(await stage.scans.unfinishedMailboxes({ scanNo: scan.scanNo, mailboxIds: ids }))].sort()).toEqual(
      others.sort(),
    );
    expect((await listed(scan.scanNo)).find(({ id }) => id === failed)).toMatchObject({
      state: 'failed',
      reason: 'graph_failed',
    });
  });
});
