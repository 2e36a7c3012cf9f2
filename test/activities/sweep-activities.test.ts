import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSweepActivities, type SweepResult } from '../../activities/sweep-activities.ts';
import { useSession } from './session-stage.ts';

const MAILBOXES = 45;

describe('a sweep', () => {
  const stage = useSession({ mailboxes: MAILBOXES, messages: 450 });
  let woken: string[] = [];
  const removed: string[] = [];
  beforeEach(async () => {
    await stage.start();
    woken = [];
  });
  afterEach(() => {
    stage.simulator.control.clearFaults();
    stage.simulator.control.resetStats();
  });

  interface How {
    readonly stretch?: number;
    readonly environment?: MockActivityEnvironment;
    readonly wake?: (mailboxId: string) => Promise<void>;
  }
  const sweep = ({ stretch = 20, environment, wake }: How = {}): Promise<SweepResult> => {
    const activities = createSweepActivities({
      db: stage.store.db,
      connections: stage.connections,
      wakeReader: async (_, mailboxId) => {
        await wake?.(mailboxId);
        woken.push(mailboxId);
      },
      removeSchedule: async (id) => void removed.push(id),
      stretch,
      pauseMs: 1,
    });
    const { organizationId } = stage.organization;
    return (environment ?? new MockActivityEnvironment()).run(() => activities.probeMailboxes({ organizationId }));
  };
  /** As readers do once they have read. */
  const read = (mailboxIds = stage.mailboxes) =>
    stage.store.sql(
      `UPDATE outhaul.session_mailboxes SET delta_wanted_at = NULL, delta_read_at = now()
       WHERE session_no = $1 AND mailbox_id = ANY($2)`,
      [stage.session.sessionNo, mailboxIds],
    );
  /** A first sweep, and readers that have done what it asked for. */
  const settle = async () => {
    await sweep();
    await read();
    woken = [];
    stage.simulator.control.resetStats();
  };
  const stateOf = async (mailboxId: string) => {
    const [row] = await stage.store.sql<{ state: string; reason: string | null; wanted: boolean }>(
      `SELECT state, reason, delta_wanted_at IS NOT NULL AS wanted FROM outhaul.session_mailboxes
       WHERE session_no = $1 AND mailbox_id = $2`,
      [stage.session.sessionNo, mailboxId],
    );
    return row;
  };
  const links = async () =>
    new Map(
      (
        await stage.store.sql<{ id: string; link: string | null }>(
          `SELECT id, _tree_link AS link FROM ${stage.organization.schema}.mailboxes`,
        )
      ).map(({ id, link }) => [id, link]),
    );
  const probes = () => stage.simulator.control.stats().byKind.mailFoldersDelta ?? 0;
  const [mailbox, other] = [(at = 3) => stage.mailboxes[at] ?? '', () => stage.mailboxes[30] ?? ''];

  it('has every mailbox read that it has not seen before', async () => {
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES, changed: MAILBOXES, skipped: 0, untold: 0 });
    expect([...woken].sort()).toEqual([...stage.mailboxes].sort());
    expect([...(await links()).values()]).not.toContain(null);
  });

  it('costs one request for each mailbox that is idle, and wakes nobody', async () => {
    await settle();
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES, changed: 0 });
    expect(woken).toEqual([]);
    expect(probes()).toBe(MAILBOXES);
    expect(stage.simulator.control.stats().byKind).toEqual({ batch: 3, mailFoldersDelta: MAILBOXES });
    expect(stage.simulator.control.stats().peakMailboxConcurrency).toBe(1);
  });

  it('finds the mailboxes in which something arrived, was read or was deleted', async () => {
    const { control } = stage.simulator;
    const { id } = control.addMessage({ mailbox: mailbox(0), folder: 'inbox' });
    const unread = control.addMessage({ mailbox: mailbox(1), folder: 'inbox' });
    await settle();
    control.removeMessage({ mailbox: mailbox(0), id });
    control.changeMessage({ mailbox: mailbox(1), id: unread.id }, { isRead: true });
    control.addMessage({ mailbox: mailbox(20), folder: 'drafts' });
    expect(await sweep()).toMatchObject({ changed: 3 });
    expect([...woken].sort()).toEqual([mailbox(0), mailbox(1), mailbox(20)].sort());
    expect(await stateOf(mailbox(0))).toMatchObject({ wanted: true });
  });

  it('does not probe a mailbox whose reader was lost a moment ago, but has it read', async () => {
    await settle();
    const { schema } = stage.organization;
    const lease = (mailboxId: string, end: string) =>
      stage.store.sql(
        `UPDATE ${schema}.mailboxes SET _lease_token = 'reader', _lease_ends_at = now() + $2::interval WHERE id = $1`,
        [mailboxId, end],
      );
    await lease(mailbox(0), '10 seconds');
    await lease(mailbox(1), '-1 second');
    await lease(mailbox(2), '-1 hour');
    const before = await links();
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES, changed: 1 });
    expect(woken).toEqual([mailbox(1)]);
    expect(probes()).toBe(MAILBOXES - 1);
    expect((await links()).get(mailbox(1))).toBe(before.get(mailbox(1)));
  });

  it('asks the readers once more that have not done what an earlier sweep asked for', async () => {
    await settle();
    stage.simulator.control.addMessage({ mailbox: mailbox(), folder: 'inbox' });
    await sweep();
    expect(await sweep()).toMatchObject({ changed: 1 });
    expect(woken).toEqual([mailbox(), mailbox()]);
  });

  it('has a mailbox read once a day, whatever its folders show', async () => {
    await settle();
    await stage.store.sql(
      `UPDATE outhaul.session_mailboxes SET delta_read_at = now() - interval '25 hours' WHERE mailbox_id = $1`,
      [mailbox()],
    );
    await sweep();
    expect(woken).toEqual([mailbox()]);
  });

  it('begins anew where Graph has forgotten the link', async () => {
    await settle();
    stage.simulator.control.addFault({
      kind: 'mailFoldersDelta',
      mailbox: mailbox(),
      times: 1,
      effect: { type: 'expireLinks' },
    });
    expect(await sweep()).toMatchObject({ changed: 1, untold: 0 });
    expect(woken).toEqual([mailbox()]);
    await read();
    expect(await sweep()).toMatchObject({ changed: 0 });
    expect(probes()).toBe(2 * MAILBOXES + 1);
  });

  it('walks a large folder tree to its end', async () => {
    await settle();
    stage.simulator.control.createTree(mailbox(), 'inbox', { wide: 600 });
    await sweep();
    await read();
    stage.simulator.control.resetStats();
    woken = [];
    expect(await sweep()).toMatchObject({ changed: 0 });
    expect(probes()).toBe(MAILBOXES);
  });

  it('skips mailboxes that are closed or gone, with the reason, and takes them up again', async () => {
    await settle();
    const { control } = stage.simulator;
    control.addFault({ mailbox: mailbox(), effect: { type: 'mailbox', state: 'denied' } });
    control.addFault({ mailbox: other(), effect: { type: 'mailbox', state: 'gone' } });
    expect(await sweep()).toMatchObject({ changed: 0, skipped: 2 });
    expect(await stateOf(mailbox())).toEqual({ state: 'skipped', reason: 'denied', wanted: false });
    expect(await stateOf(other())).toEqual({ state: 'skipped', reason: 'no_mailbox', wanted: false });
    control.clearFaults();
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES - 2 });
    await stage.store.sql(`UPDATE ${stage.organization.schema}.mailboxes SET _probed_at = now() - interval '2 hours'`);
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES, changed: 2 });
    expect(await stateOf(mailbox())).toEqual({ state: 'followed', reason: null, wanted: true });
  });

  it('leaves a throttled or failing mailbox to the next sweep; the others are probed', async () => {
    await settle();
    const { control } = stage.simulator;
    control.failNext({
      kind: 'mailFoldersDelta',
      mailbox: mailbox(),
      status: 429,
      code: 'ApplicationThrottled',
      retryAfter: 60,
    });
    control.failNext({ kind: 'mailFoldersDelta', mailbox: other(), status: 503, code: 'ErrorServerBusy' });
    control.addMessage({ mailbox: mailbox(), folder: 'inbox' });
    control.addMessage({ mailbox: mailbox(4), folder: 'inbox' });
    expect(await sweep()).toMatchObject({ changed: 1, skipped: 0, untold: 2 });
    expect(await sweep()).toMatchObject({ changed: 2, untold: 0 });
    expect([...new Set(woken)].sort()).toEqual([mailbox(), mailbox(4)].sort());
  });

  it('waits where Graph throttles the app inside of a batch, and then asks again', async () => {
    await settle();
    const { control } = stage.simulator;
    control.failNext({ kind: 'mailFoldersDelta', status: 429, code: 'TooManyRequests', retryAfter: 1, times: 3 });
    const startedAt = performance.now();
    expect(await sweep()).toMatchObject({ mailboxes: MAILBOXES, untold: 0 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1000);
    expect(probes()).toBe(MAILBOXES + 3);
  });

  it('fails as throttled where that lasts, and asks nothing meanwhile', async () => {
    await settle();
    const { control } = stage.simulator;
    control.failNext({ kind: 'batch', status: 429, code: 'TooManyRequests', retryAfter: 60, times: 1, after: 1 });
    await expect(sweep()).rejects.toMatchObject({ kind: 'throttled', scope: 'connection', retryAfterMs: 60_000 });
    const asked = probes();
    expect(asked).toBeLessThan(MAILBOXES);
    await expect(sweep()).rejects.toMatchObject({ kind: 'throttled' });
    expect(probes()).toBe(asked);
  });

  it('goes on where it was when its worker was lost', async () => {
    await settle();
    const sorted = [...stage.mailboxes].sort();
    const progress = {
      ...{ sessionNo: stage.session.sessionNo, after: sorted[39], startedAt: Date.now() - 5000 },
      ...{ mailboxes: 40, changed: 7, skipped: 1, untold: 0 },
    };
    const environment = new MockActivityEnvironment({ heartbeatDetails: { failures: 0, progress } });
    const result = await sweep({ environment });
    expect(result).toMatchObject({ mailboxes: MAILBOXES, changed: 7, skipped: 1 });
    expect(result.ms).toBeGreaterThanOrEqual(5000);
    expect(probes()).toBe(5);
  });

  it('wakes them all when it is tried again, should Temporal have been away', async () => {
    let calls = 0;
    const wake = async () => {
      if (++calls === 7) throw new Error('Temporal is away');
    };
    await expect(sweep({ wake })).rejects.toThrow('away');
    await sweep({});
    expect(new Set(woken).size).toBe(MAILBOXES);
  });

  it('is told in the session', async () => {
    await sweep();
    const [row] = await stage.store.sql(
      `SELECT last_sweep_at IS NOT NULL AS at, last_sweep_ms >= 0 AS ms, last_sweep_changed AS changed
       FROM outhaul.sessions WHERE session_no = $1`,
      [stage.session.sessionNo],
    );
    expect(row).toEqual({ at: true, ms: true, changed: MAILBOXES });
  });

  it('does nothing where no session runs, but takes its Schedule away, which is there by mistake', async () => {
    await stage.store.sql('UPDATE outhaul.sessions SET ended_at = now() WHERE session_no = $1', [
      stage.session.sessionNo,
    ]);
    expect(await sweep()).toMatchObject({ mailboxes: 0, changed: 0 });
    expect(probes()).toBe(0);
    expect(removed).toEqual([stage.organization.organizationId]);
  });
});
