import { beforeAll, describe, expect, it } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { loadConnection } from '../../store/connections.ts';
import { connectionById, listConnections, removeConnection } from '../../store/connection-list.ts';
import { UnknownOrganization, UnknownSession } from '../../store/errors.ts';
import { acquireLease, releaseLease } from '../../store/leases.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { promoteCandidate } from '../../store/connections.ts';
import { openScans, statistics } from '../../store/scan-figures.ts';
import { listScans, scansNamed } from '../../store/scan-list.ts';
import { addScan, scanOf, takeSlot } from '../../store/scans.ts';
import { credentialsByKey, resealCredentials } from '../../store/sealed-credentials.ts';
import { mailboxLosses, messagesSeen, sessionFigures } from '../../store/session-figures.ts';
import { beginListing, endListing, followUsers } from '../../store/session-mailboxes.ts';
import {
  beginSession,
  endSession,
  markRunning,
  markStopping,
  setNotifications,
  setSweepSeconds,
  setTrouble,
  workWaits,
} from '../../store/session-status.ts';
import {
  addSession,
  clientStateKeyOf,
  discardSession,
  openSession,
  openSessions,
  sessionByNo,
  sessionHistory,
  type NewSession,
  type SessionRow,
} from '../../store/sessions.ts';
import { unique, user, useStore } from './support.ts';

const store = useStore();

const newSession = (organizationId: string, more: Partial<NewSession> = {}): NewSession => ({
  organizationId,
  sessionId: unique('session'),
  pollingMode: 'scheduled',
  pollingSeconds: 300,
  notifications: true,
  notificationUrl: 'https://outhaul.contoso.example/webhooks/graph',
  markAsRead: false,
  onlyUnread: false,
  filters: { folders: ['inbox'] },
  ...more,
});

async function organization(): Promise<Organization> {
  return ensureOrganization(store.db, unique('sessions'));
}
const add = async (organizationId: string, more: Partial<NewSession> = {}): Promise<SessionRow> =>
  addSession(store.db, newSession(organizationId, more));

const candidate = {
  tenantId: 'contoso.onmicrosoft.example',
  clientId: 'client-id-0001',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret: 'secret' },
} as const;

describe('a session', () => {
  it('is recorded with its settings, and sees messages under a number of its own', async () => {
    const { organizationId } = await organization();
    const filters = { folders: ['all'], mailboxes: { include: ['contoso.example'] } };
    const session = await add(organizationId, { filters, markAsRead: true, pollingSeconds: 60 });
    expect(session).toMatchObject({
      organizationId,
      scanId: session.sessionId,
      status: 'starting',
      pollingMode: 'scheduled',
      pollingSeconds: 60,
      sweepSeconds: 60,
      notifications: 'starting',
      markAsRead: true,
      onlyUnread: false,
      filters,
      endedAt: null,
      notificationsTaken: 0,
    });
    expect(await openSession(store.db, organizationId)).toEqual(session);
    expect(await sessionByNo(store.db, session.sessionNo)).toEqual(session);
    await store.sql('INSERT INTO outhaul.scan_messages VALUES ($1, 1), ($1, 2)', [session.scanNo]);
    expect(await messagesSeen(store.db, session.scanNo)).toBe(2);
  });

  it('has a key for its client states only where notifications are wanted, and until it has ended', async () => {
    const { organizationId } = await organization();
    const told = await add(organizationId);
    const key = await clientStateKeyOf(store.db, told.sessionNo);
    expect(key).toHaveLength(32);
    await endSession(store.db, told.sessionNo, { status: 'stopped', reason: 'user_requested' });
    expect(await clientStateKeyOf(store.db, told.sessionNo)).toBeUndefined();
    const polling = await add(organizationId, { notifications: false, pollingMode: 'manual', notificationUrl: null });
    expect(await clientStateKeyOf(store.db, polling.sessionNo)).toBeUndefined();
    expect(polling).toMatchObject({ notifications: 'off', sweepSeconds: null });
  });

  it('needs an organization, and a number that is known', async () => {
    await expect(add('nobody')).rejects.toThrow(UnknownOrganization);
    await expect(sessionByNo(store.db, 999_999)).rejects.toThrow(UnknownSession);
    await expect(endSession(store.db, 999_999, { status: 'stopped', reason: 'x' })).rejects.toThrow(UnknownSession);
  });

  it('may bring the first credential of its organization, which is forgotten where it was not accepted', async () => {
    const { organizationId } = await organization();
    const session = await add(organizationId, { candidate });
    expect(await loadConnection(store.db, session.scanNo)).toEqual(candidate);
    await endSession(store.db, session.sessionNo, { status: 'failed', reason: 'refused' });
    expect(await loadConnection(store.db, session.scanNo)).toBeUndefined();
  });

  it('is open until it ends, and the one that came first while a second is being turned down', async () => {
    const { organizationId } = await organization();
    const first = await add(organizationId);
    const second = await add(organizationId);
    expect((await openSession(store.db, organizationId))?.sessionNo).toBe(first.sessionNo);
    await discardSession(store.db, second.sessionNo);
    await discardSession(store.db, second.sessionNo);
    expect((await openSessions(store.db, organizationId)).map(({ sessionNo }) => sessionNo)).toEqual([first.sessionNo]);
    expect(await store.sql('SELECT to_regclass($1) AS left', [`outhaul.scan_messages_${second.scanNo}`])).toEqual([
      { left: null },
    ]);
    expect(await store.sql('SELECT FROM outhaul.scans WHERE scan_no = $1', [second.scanNo])).toEqual([]);
  });

  it('ends those of its organization that were left behind when it begins', async () => {
    const { organizationId } = await organization();
    const left = await add(organizationId);
    const next = await add(organizationId);
    const foreign = await add((await organization()).organizationId);
    await beginSession(store.db, next.sessionNo);
    expect(await sessionByNo(store.db, left.sessionNo)).toMatchObject({
      status: 'failed',
      stopReason: 'was left behind',
    });
    expect((await openSession(store.db, organizationId))?.sessionNo).toBe(next.sessionNo);
    expect((await sessionByNo(store.db, foreign.sessionNo)).endedAt).toBeNull();
  });

  it('goes from starting to running to stopping to its end, and never back', async () => {
    const { organizationId } = await organization();
    const { sessionNo } = await add(organizationId);
    expect(await markRunning(store.db, sessionNo)).toBe('running');
    expect(await markStopping(store.db, sessionNo, 'user_requested')).toBe('stopping');
    expect(await markRunning(store.db, sessionNo)).toBe('stopping');
    expect(await markStopping(store.db, sessionNo, 'again')).toBe('stopping');
    const ends = { status: 'stopped', reason: 'user_requested' } as const;
    expect(await endSession(store.db, sessionNo, ends)).toBe('stopped');
    expect(await endSession(store.db, sessionNo, { status: 'failed', reason: 'late' })).toBe('stopped');
    expect(await markStopping(store.db, sessionNo, 'late')).toBe('stopped');
    expect(await sessionByNo(store.db, sessionNo)).toMatchObject({ status: 'stopped', stopReason: 'user_requested' });
    expect(await openSession(store.db, organizationId)).toBeUndefined();
  });

  it('says how its parts stand', async () => {
    const { organizationId } = await organization();
    const { sessionNo } = await add(organizationId);
    await setNotifications(store.db, sessionNo, { notifications: 'unreachable', reason: 'no public URL' });
    await setSweepSeconds(store.db, sessionNo, 60);
    await setTrouble(store.db, sessionNo, 'the secret has expired');
    expect(await sessionByNo(store.db, sessionNo)).toMatchObject({
      notifications: 'unreachable',
      notificationsReason: 'no public URL',
      sweepSeconds: 60,
      trouble: 'the secret has expired',
    });
    await setNotifications(store.db, sessionNo, { notifications: 'on' });
    expect(await sessionByNo(store.db, sessionNo)).toMatchObject({ notifications: 'on', notificationsReason: null });
  });

  it('has work in flight while one of its mailboxes is being read', async () => {
    const harbour = await organization();
    const { sessionNo } = await add(harbour.organizationId);
    const users = [{ user: user('read') }, { user: user('left out'), skip: 'guest' as const }];
    await followUsers(store.db, harbour, { sessionNo, tenantId: 't', users });
    const lease = (mailboxId: string) => ({ mailboxId, token: `token-${mailboxId}`, seconds: 30 });
    await acquireLease(store.db, harbour, lease('left out'));
    expect(await workWaits(store.db, harbour, sessionNo)).toBe(false);
    await acquireLease(store.db, harbour, lease('read'));
    expect(await workWaits(store.db, harbour, sessionNo)).toBe(true);
    await releaseLease(store.db, harbour, lease('read'));
    expect(await workWaits(store.db, harbour, sessionNo)).toBe(false);
  });

  it('keeps its totals when it has ended, and the history has the newest first', async () => {
    const harbour = await organization();
    const { organizationId } = harbour;
    const ended: number[] = [];
    for (const reason of ['first', 'second']) {
      const { sessionNo, scanNo } = await add(organizationId);
      await store.sql(
        `INSERT INTO outhaul.session_mailboxes (session_no, mailbox_id, state, told, missed)
          VALUES ($1, 'a', 'followed', 8, 1), ($1, 'b', 'left', 1, 1), ($1, 'c', 'skipped', 0, 0)`,
        [sessionNo],
      );
      await store.sql('INSERT INTO outhaul.scan_messages VALUES ($1, 1), ($1, 2), ($1, 3)', [scanNo]);
      await store.sql(
        `INSERT INTO outhaul.subscriptions (session_no, mailbox_id, organization_id, client_state_hash) VALUES ($1, 'a', $2, '')`,
        [sessionNo, organizationId],
      );
      await store.sql(`INSERT INTO outhaul.hints (organization_id, mailbox_id, message_id) VALUES ($1, 'a', 'm')`, [
        organizationId,
      ]);
      expect(await workWaits(store.db, harbour, sessionNo)).toBe(true);
      await endSession(store.db, sessionNo, { status: 'stopped', reason });
      expect(await workWaits(store.db, harbour, sessionNo)).toBe(false);
      expect(await store.sql('SELECT FROM outhaul.subscriptions WHERE session_no = $1', [sessionNo])).toEqual([]);
      ended.unshift(sessionNo);
    }
    const history = await sessionHistory(store.db, organizationId, { limit: 5 });
    expect(history.map(({ sessionNo }) => sessionNo)).toEqual(ended);
    expect(history[0]).toMatchObject({ stopReason: 'second', mailboxes: 2, messages: 3, told: 9, missed: 2 });
    expect(await sessionHistory(store.db, organizationId, { limit: 1 })).toHaveLength(1);
  });
});

describe('the mailboxes of a session', () => {
  const listed = async (
    { organizationId, schema }: Organization,
    sessionNo: number,
    users: Parameters<typeof followUsers>[2]['users'],
  ) => {
    const since = await beginListing(store.db);
    await followUsers(store.db, { organizationId, schema }, { sessionNo, tenantId: 'tenant', users });
    return endListing(store.db, { sessionNo, since });
  };
  const states = (sessionNo: number) =>
    store.sql<{ id: string; state: string; reason: string | null }>(
      'SELECT mailbox_id AS id, state, reason FROM outhaul.session_mailboxes WHERE session_no = $1 ORDER BY 1',
      [sessionNo],
    );

  it('join when they are listed, leave when they are not, and come back', async () => {
    const org = await organization();
    const { sessionNo } = await add(org.organizationId);
    const [a, b, guest] = [{ user: user('a') }, { user: user('b') }, { user: user('g'), skip: 'guest' as const }];
    expect(await listed(org, sessionNo, [a, b, guest])).toEqual({ followed: 2, joined: 2, left: 0 });
    expect(await listed(org, sessionNo, [a, guest])).toEqual({ followed: 1, joined: 0, left: 1 });
    expect(await states(sessionNo)).toEqual([
      { id: 'a', state: 'followed', reason: null },
      { id: 'b', state: 'left', reason: null },
      { id: 'g', state: 'skipped', reason: 'guest' },
    ]);
    expect(await listed(org, sessionNo, [a, b, { user: user('g') }])).toEqual({ followed: 3, joined: 2, left: 0 });
    expect((await sessionByNo(store.db, sessionNo)).lastDiscoveryAt).not.toBeNull();
    expect(await store.sql(`SELECT id, _scan_id FROM ${org.schema}.mailboxes ORDER BY 1`)).toHaveLength(3);
  });

  it('stay skipped where Graph refused them', async () => {
    const org = await organization();
    const { sessionNo } = await add(org.organizationId);
    await listed(org, sessionNo, [{ user: user('a') }]);
    await store.sql(`UPDATE outhaul.session_mailboxes SET state = 'skipped', reason = 'denied' WHERE session_no = $1`, [
      sessionNo,
    ]);
    expect(await listed(org, sessionNo, [{ user: user('a') }])).toEqual({ followed: 0, joined: 0, left: 0 });
    expect(await states(sessionNo)).toEqual([{ id: 'a', state: 'skipped', reason: 'denied' }]);
  });

  it('are counted, with what notifications told and missed', async () => {
    const org = await organization();
    const { organizationId } = org;
    const { sessionNo } = await add(organizationId);
    await listed(org, sessionNo, [{ user: user('a') }, { user: user('b') }, { user: user('c'), skip: 'excluded' }]);
    await store.sql(
      `UPDATE outhaul.session_mailboxes SET told = 8, missed = 2, delta_wanted_at = now()
        WHERE session_no = $1 AND mailbox_id IN ('a', 'b')`,
      [sessionNo],
    );
    await store.sql(
      `INSERT INTO outhaul.subscriptions (session_no, mailbox_id, organization_id, client_state_hash, state)
        VALUES ($1, 'a', $2, '', 'active'), ($1, 'b', $2, '', 'refused')`,
      [sessionNo, organizationId],
    );
    expect(await sessionFigures(store.db, { organizationId, sessionNo })).toEqual({
      mailboxes: { followed: 2, left: 0, skipped: 1, due: 2 },
      found: { told: 16, missed: 4 },
      subscriptions: { wanted: 0, active: 1, refused: 1 },
      hints: { waiting: 0, oldestAt: null },
      quarantined: 0,
    });
    await store.sql(`UPDATE outhaul.session_mailboxes SET missed = 3 WHERE session_no = $1 AND mailbox_id = 'b'`, [
      sessionNo,
    ]);
    expect(await mailboxLosses(store.db, sessionNo, { limit: 5 })).toEqual([
      { mailboxId: 'b', told: 8, missed: 3 },
      { mailboxId: 'a', told: 8, missed: 2 },
    ]);
  });
});

describe('whoever looks at scans', () => {
  let org: Organization;
  let session: SessionRow;
  beforeAll(async () => {
    org = await organization();
    session = await add(org.organizationId);
    await store.sql(
      `INSERT INTO outhaul.scan_mailboxes (scan_no, mailbox_id, position, state, records, updated_at)
        VALUES ($1, 'a', 1, 'running', 5, now() - interval '1 hour')`,
      [session.scanNo],
    );
    await store.sql(
      `INSERT INTO outhaul.scan_folders (scan_no, mailbox_id, folder_id, path, state) VALUES ($1, 'a', 'f', 'Inbox', 'running')`,
      [session.scanNo],
    );
  });

  it('finds no session among them', async () => {
    const { organizationId } = org;
    expect(await listScans(store.db, { organizationId, limit: 10, offset: 0 })).toEqual({ scans: [], total: 0 });
    expect(await statistics(store.db, organizationId)).toMatchObject({ total: 0, records: 0 });
    expect(await openScans(store.db, organizationId)).toEqual([]);
    expect(await scanOf(store.db, organizationId, session.sessionId)).toBeUndefined();
    expect(await scansNamed(store.db, session.sessionId)).toEqual([]);
    expect(await store.sql('SELECT FROM jobs WHERE id = $1', [session.sessionId])).toEqual([]);
    expect(await store.sql('SELECT FROM job_checkpoints WHERE job_id = $1', [session.sessionId])).toEqual([]);
  });

  it('gets its turn, whatever sessions run', async () => {
    const scan = { organizationId: org.organizationId, scanId: unique('scan'), mode: 'full' } as const;
    const { scanNo } = await addScan(store.db, { ...scan, filters: { folders: ['inbox'] }, status: 'pending' });
    expect(await takeSlot(store.db, scanNo, 1)).toBe('running');
  });
});

describe('an organization with a session', () => {
  it('keeps its connection until the session has ended', async () => {
    const { organizationId } = await organization();
    const { sessionNo, scanNo, sessionId } = await add(organizationId, { candidate });
    await promoteCandidate(store.db, scanNo);
    const [{ id } = { id: '' }] = await listConnections(store.db, organizationId);
    expect(await removeConnection(store.db, id)).toEqual({ status: 'in_use', scanIds: [sessionId] });
    await endSession(store.db, sessionNo, { status: 'stopped', reason: 'user_requested' });
    expect(await removeConnection(store.db, id)).toEqual({ status: 'removed' });
    expect(await connectionById(store.db, id, null)).toBeUndefined();
  });

  it('has the key of its client states sealed anew with the credentials', async () => {
    const [old, fresh] = [generateKey(), generateKey()];
    const before = store.open({ sealer: parseKeyRing(old) });
    const { organizationId } = await organization();
    const { sessionNo } = await addSession(before, newSession(organizationId));
    const key = await clientStateKeyOf(before, sessionNo);
    const after = store.open({ sealer: parseKeyRing(`${fresh},${old}`) });
    const [oldId = '', freshId = ''] = [old, fresh].map((entry) => entry.split(':')[0]);
    expect((await credentialsByKey(after)).get(oldId)).toBe(1);
    expect(await resealCredentials(after, freshId)).toBeGreaterThanOrEqual(1);
    expect((await credentialsByKey(after)).get(oldId)).toBeUndefined();
    expect(await clientStateKeyOf(store.open({ sealer: parseKeyRing(fresh) }), sessionNo)).toEqual(key);
  });
});
