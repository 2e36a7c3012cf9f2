import { MockActivityEnvironment } from '@temporalio/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import type { GraphConnections } from '../../activities/graph-connections.ts';
import { createSessionActivities, type SweepSchedule } from '../../activities/session-activities.ts';
import type { Graph } from '../../graph/graph.ts';
import { beginListing } from '../../store/session-mailboxes.ts';
import { endSession, markStopping, setNotifications } from '../../store/session-status.ts';
import { sessionByNo } from '../../store/sessions.ts';
import { user } from '../store/support.ts';
import { useSession } from './session-stage.ts';

const MAILBOXES = 4;
const log = { info() {}, warn() {} };

describe('the activities of a session', () => {
  const stage = useSession({
    mailboxes: MAILBOXES,
    messagesPerMailbox: 1,
    folders: 1,
    users: [{ kind: 'guest', displayName: 'Gil Guest' }],
  });
  let kept: Parameters<SweepSchedule['keep']>[0][] = [];
  const sweeps: SweepSchedule = {
    keep: async (schedule) => void kept.push(schedule),
    sweepNow: async () => undefined,
    remove: async () => undefined,
  };
  const activities = (connections = stage.connections) =>
    createSessionActivities({ db: stage.store.db, connections, sweeps, log });
  const follow = (environment = new MockActivityEnvironment(), connections = stage.connections) =>
    environment.run(() => activities(connections).followMailboxes(stage.name));
  const states = async (): Promise<Record<string, string>> => {
    const rows = await stage.store.sql<{ id: string; state: string }>(
      'SELECT mailbox_id AS id, state FROM outhaul.session_mailboxes WHERE session_no = $1',
      [stage.session.sessionNo],
    );
    return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
  };
  beforeEach(() => {
    kept = [];
  });

  it('follow every mailbox but guests, and newcomers as well; who is gone is followed no longer', async () => {
    await stage.start();
    const [newcomer = ''] = stage.mailboxes;
    await stage.follow(['gone']);
    await stage.store.sql('DELETE FROM outhaul.session_mailboxes WHERE mailbox_id = $1', [newcomer]);
    expect(await follow()).toEqual({ followed: MAILBOXES, joined: 1, left: 1 });
    const { gone, ...others } = await states();
    expect(gone).toBe('left');
    expect(Object.values(others).sort()).toEqual([...Array<string>(MAILBOXES).fill('followed'), 'skipped']);
    expect(await follow()).toEqual({ followed: MAILBOXES, joined: 0, left: 0 });
  });

  it('follow only the mailboxes that the filters name', async () => {
    const [included = ''] = stage.mailboxes;
    await stage.start({ filters: { folders: ['all'], mailboxes: { include: [included] } } });
    expect(await follow()).toMatchObject({ followed: 1 });
    expect((await states())[included]).toBe('followed');
  });

  it('go on where a listing was interrupted, and nobody seen before that has left', async () => {
    await stage.start();
    await stage.store.sql('DELETE FROM outhaul.session_mailboxes WHERE session_no = $1', [stage.session.sessionNo]);
    const links: (string | undefined)[] = [];
    const graph = (broken: boolean): GraphConnections => {
      async function* users({ link }: { link?: string }) {
        links.push(link);
        if (link === undefined) yield { users: [user('a'), user('b')], next: 'page-2' };
        if (broken) throw new Error('cut');
        yield { users: [user('c')] };
      }
      return { graphFor: async () => ({ users }) as unknown as Graph } as unknown as GraphConnections;
    };
    const since = await beginListing(stage.store.db);
    await expect(follow(new MockActivityEnvironment(), graph(true))).rejects.toThrow('cut');
    const heartbeatDetails = { failures: 0, progress: { link: 'page-2', since } };
    const second = new MockActivityEnvironment({ heartbeatDetails });
    expect(await follow(second, graph(false))).toMatchObject({ followed: 3, left: 0 });
    expect(links).toEqual([undefined, 'page-2']);
    expect(Object.keys(await states()).sort()).toEqual(['a', 'b', 'c']);
  });

  it('have sweeps as often as was asked for, and more often where Graph cannot reach us', async () => {
    const { organizationId, sessionNo, startedAt } = await stage.start({ pollingSeconds: 300 });
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: 300 });
    await setNotifications(stage.store.db, sessionNo, { notifications: 'unreachable', reason: 'no public URL' });
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: 60 });
    expect(kept).toEqual([
      { organizationId, seconds: 300, startedAt },
      { organizationId, seconds: 60, startedAt },
    ]);
    expect((await sessionByNo(stage.store.db, sessionNo)).sweepSeconds).toBe(60);
  });

  it('have sweeps more often where many notifications are lost', async () => {
    const { sessionNo } = await stage.start({ pollingSeconds: 300 });
    await setNotifications(stage.store.db, sessionNo, { notifications: 'on' });
    const count = (mailboxId: string | undefined, told: number, missed: number) =>
      stage.store.sql(
        'UPDATE outhaul.session_mailboxes SET told = $3, missed = $4 WHERE session_no = $1 AND mailbox_id = $2',
        [sessionNo, mailboxId, told, missed],
      );
    const [one, other] = stage.mailboxes;
    await count(one, 100, 1);
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: 300 });
    await count(other, 0, 20);
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: 75 });
  });

  it('have no Schedule where polling is manual, or the session is being stopped, or has ended', async () => {
    await stage.start({ pollingMode: 'manual' });
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: null });
    const { sessionNo } = await stage.start();
    await markStopping(stage.store.db, sessionNo, 'user_requested');
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: null });
    await endSession(stage.store.db, sessionNo, { status: 'stopped', reason: 'user_requested' });
    expect(await activities().keepSweeps(stage.name)).toEqual({ sweepSeconds: null });
    expect(kept).toEqual([]);
  });
});
