import { createServer } from 'node:http';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createSubscriptionActivities,
  type SubscriptionActivities,
  type SubscriptionActivitiesOptions,
} from '../../activities/subscription-activities.ts';
import { clientStateHash, clientStateOf } from '../../model/client-state.ts';
import { DEFAULT_SETTINGS } from '../../simulator/notify/settings.ts';
import { clientStateKeyOf } from '../../store/sessions.ts';
import { Receiver } from '../simulator/receiver.ts';
import { useSession } from './session-stage.ts';

const MAILBOXES = 12;
const MINUTE = 60_000;

interface Row {
  readonly mailbox_id: string;
  readonly subscription_id: string | null;
  readonly state: string;
  readonly error_code: string | null;
  readonly reason: string | null;
  readonly adopted: boolean;
  readonly attempts: number;
  /** Minutes from now. */
  readonly due: number;
  readonly expires: number | null;
  readonly client_state_hash: Buffer;
}

describe('subscriptions of a session', () => {
  const stage = useSession({ mailboxes: MAILBOXES, messages: 0 });
  let receiver: Receiver;
  /** Mailboxes whose readers were asked. */
  const woken: string[] = [];
  beforeAll(async () => {
    receiver = await Receiver.start();
  });
  afterAll(() => receiver.close());
  beforeEach(async () => {
    await stage.start({ notificationUrl: receiver.url });
  });
  afterEach(() => {
    const { control } = stage.simulator;
    control.clearFaults();
    control.subscriptions.expire({ all: true });
    control.notifications.set(DEFAULT_SETTINGS);
    control.resetStats();
    receiver.answering = () => undefined;
    receiver.came.length = 0;
    woken.length = 0;
  });

  const ask = <Name extends keyof SubscriptionActivities>(
    name: Name,
    options: Partial<SubscriptionActivitiesOptions> = {},
  ): ReturnType<SubscriptionActivities[Name]> => {
    const { db } = stage.store;
    const wakeReader = (_organizationId: string, mailboxId: string): Promise<void> => {
      woken.push(mailboxId);
      return Promise.resolve();
    };
    const settings = {
      ...{ db, wakeReader, connections: stage.connections },
      ...{ perSecond: 1000, patienceMs: 10, ...options },
    };
    const activities = createSubscriptionActivities(settings);
    const run = () => activities[name](stage.name) as Promise<never>;
    return new MockActivityEnvironment().run(run) as ReturnType<SubscriptionActivities[Name]>;
  };
  const keep = (options?: Partial<SubscriptionActivitiesOptions>) => ask('keepSubscriptions', options);
  const rows = () =>
    stage.store.sql<Row>(
      `SELECT *, extract(epoch FROM due_at - now()) / 60 AS due, extract(epoch FROM expires_at - now()) / 60 AS expires
       FROM outhaul.subscriptions WHERE session_no = $1 ORDER BY mailbox_id`,
      [stage.session.sessionNo],
    );
  const rowOf = async (mailboxId: string) => (await rows()).find((row) => row.mailbox_id === mailboxId);
  const makeDue = () =>
    stage.store.sql('UPDATE outhaul.subscriptions SET due_at = now() WHERE session_no = $1', [stage.session.sessionNo]);
  const atGraph = () => stage.simulator.control.subscriptions.list();
  const [mailbox, other] = [() => stage.mailboxes[3] ?? '', () => stage.mailboxes[5] ?? ''];
  const wanted = async () =>
    (
      await stage.store.sql<{ id: string }>(
        'SELECT mailbox_id AS id FROM outhaul.session_mailboxes WHERE session_no = $1 AND delta_wanted_at IS NOT NULL',
        [stage.session.sessionNo],
      )
    ).map(({ id }) => id);
  const settleDeltas = () =>
    stage.store.sql('UPDATE outhaul.session_mailboxes SET delta_wanted_at = NULL WHERE session_no = $1', [
      stage.session.sessionNo,
    ]);
  /** Plants a subscription as another run, or another program, has made it. */
  const plant = async (mailboxId: string, change: { url?: string; clientState?: string } = {}) => {
    const graph = await stage.connections.graphFor(stage.name.organizationId);
    const { url = receiver.url, clientState = 'of another' } = change;
    return graph.subscriptions.create(
      {
        mailboxId,
        notificationUrl: `${url}/webhooks/graph`,
        lifecycleUrl: `${url}/webhooks/graph/lifecycle`,
        clientState,
        expiresAt: new Date(Date.now() + 60 * MINUTE),
      },
      new AbortController().signal,
    );
  };
  const stateOf = async (mailboxId: string): Promise<string> => {
    const key = await clientStateKeyOf(stage.store.db, stage.session.sessionNo);
    return clientStateOf(key ?? Buffer.alloc(0), mailboxId);
  };

  it('are created for every mailbox, to be renewed at half of their life', async () => {
    const kept = await keep();
    expect(kept).toMatchObject({ active: MAILBOXES, refused: 0 });
    expect(kept.nextDueMs / MINUTE).toBeCloseTo(5000, -2);
    for (const row of await rows()) {
      expect(row).toMatchObject({ state: 'active', adopted: false, attempts: 0, error_code: null });
      expect(row.expires).toBeCloseTo(10_000, -1);
      expect(row.due).toBeCloseTo(5_000, -1);
      const there = atGraph().find(({ id }) => id === row.subscription_id);
      expect(there).toMatchObject({
        mailboxId: row.mailbox_id,
        folderId: null,
        immutableIds: true,
        notificationUrl: `${receiver.url}/webhooks/graph`,
        lifecycleNotificationUrl: `${receiver.url}/webhooks/graph/lifecycle`,
        clientState: await stateOf(row.mailbox_id),
      });
      expect(clientStateHash(there?.clientState ?? '')).toEqual(row.client_state_hash);
    }
    expect(new Set(atGraph().map(({ clientState }) => clientState)).size).toBe(MAILBOXES);
    expect((await wanted()).length).toBe(MAILBOXES);
    expect(woken.toSorted()).toEqual([...stage.mailboxes].sort());
  });

  it('are left alone until they are due', async () => {
    await keep();
    stage.simulator.control.resetStats();
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect(stage.simulator.control.stats().requests).toBe(0);
  });

  it('are renewed when they are due, and keep their ids', async () => {
    await keep({ subscriptionMinutes: 100 });
    const before = await rows();
    await settleDeltas();
    await makeDue();
    await keep();
    const after = await rows();
    expect(after.map((row) => row.subscription_id)).toEqual(before.map((row) => row.subscription_id));
    expect(after.every(({ expires }) => (expires ?? 0) > 9_000)).toBe(true);
    expect(await wanted()).toEqual([]);
  });

  it('are created anew where Graph has them no longer, and their mailboxes are read', async () => {
    await keep();
    await settleDeltas();
    woken.length = 0;
    stage.simulator.control.subscriptions.expire({ mailboxId: mailbox() });
    await makeDue();
    const before = await rowOf(mailbox());
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    const after = await rowOf(mailbox());
    expect(after?.subscription_id).not.toBe(before?.subscription_id);
    expect(atGraph().map(({ id }) => id)).toContain(after?.subscription_id);
    expect(await wanted()).toEqual([mailbox()]);
    expect(woken).toEqual([mailbox()]);
  });

  it('are kept where no reader can be asked, and the next sweep finds the mailboxes due', async () => {
    const wakeReader = () => Promise.reject(new Error('Temporal is away'));
    await expect(keep({ wakeReader })).rejects.toThrow('Temporal is away');
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect(atGraph()).toHaveLength(MAILBOXES);
    expect(await wanted()).toHaveLength(MAILBOXES);
  });

  it.each([404, 410])('stay active where a renewal is answered %i, be they there or not', async (status) => {
    await keep();
    const before = await rowOf(mailbox());
    await makeDue();
    stage.simulator.control.failNext({ kind: 'subscriptions', mailbox: mailbox(), status, code: 'ResourceNotFound' });
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect(await rowOf(mailbox())).toMatchObject({ state: 'active', subscription_id: before?.subscription_id });
  });

  it('ask for less where Graph gives no such life', async () => {
    const kept = await keep({ subscriptionMinutes: 20_000 });
    expect(kept.active).toBe(MAILBOXES);
    for (const row of await rows()) expect(row.expires).toBeCloseTo(10_069, -1);
    expect(stage.simulator.control.stats().byStatus['400']).toBeLessThanOrEqual(4);
  });

  it('are adopted where a run that was lost has made them', async () => {
    const planted = await plant(mailbox(), { clientState: await stateOf(mailbox()) });
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect(await rowOf(mailbox())).toMatchObject({ subscription_id: planted.id, adopted: true, state: 'active' });
    expect((await rowOf(mailbox()))?.expires).toBeGreaterThan(9_000);
    expect(await wanted()).toContain(mailbox());
    await makeDue();
    await keep();
    expect(await rowOf(mailbox())).toMatchObject({ subscription_id: planted.id, adopted: true });
  });

  it('take the place of one with another secret', async () => {
    const planted = await plant(mailbox());
    await keep();
    expect((await rowOf(mailbox()))?.subscription_id).not.toBe(planted.id);
    expect(atGraph().filter(({ mailboxId }) => mailboxId === mailbox())).toHaveLength(1);
  });

  it('do not take the place of one of another session', async () => {
    await keep();
    const first = await rows();
    await stage.start({ notificationUrl: receiver.url });
    expect(await keep()).toMatchObject({ active: 0, refused: MAILBOXES });
    expect(await rowOf(mailbox())).toMatchObject({ state: 'refused', error_code: 'SubscriptionTaken' });
    expect(
      atGraph()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(first.map((row) => row.subscription_id).sort());
  });

  it('are refused with a reason for a mailbox that Graph closes, and tried again a day later', async () => {
    const { control } = stage.simulator;
    control.addFault({ mailbox: mailbox(), effect: { type: 'mailbox', state: 'denied' } });
    control.addFault({ mailbox: other(), effect: { type: 'mailbox', state: 'notEnabled' } });
    expect(await keep()).toMatchObject({ active: MAILBOXES - 2, refused: 2 });
    const refused = await rowOf(mailbox());
    expect(refused).toMatchObject({ state: 'refused', subscription_id: null });
    expect(refused?.reason).toMatch(/does not notify the app of changes in this mailbox/);
    expect(refused?.due).toBeCloseTo(24 * 60, -1);
    expect((await rowOf(other()))?.reason).toMatch(/no mailbox/);
    control.clearFaults();
    await makeDue();
    expect(await keep()).toMatchObject({ active: MAILBOXES, refused: 0 });
    expect(await rowOf(mailbox())).toMatchObject({ state: 'active', reason: null, error_code: null });
  });

  it('say so where a mailbox has as many as Graph allows', async () => {
    stage.simulator.control.notifications.set({ subscriptionsPerMailbox: 0 });
    expect(await keep()).toMatchObject({ refused: MAILBOXES });
    expect((await rowOf(mailbox()))?.reason).toMatch(/as many subscriptions as Microsoft Graph allows/);
  });

  it('wait where Graph fails for one mailbox, and the others go on', async () => {
    const { control } = stage.simulator;
    control.addFault({ mailbox: mailbox(), effect: { type: 'mailbox', state: 'onHold' }, kind: 'subscriptions' });
    const kept = await keep();
    expect(kept).toMatchObject({ active: MAILBOXES - 1, refused: 0 });
    expect(kept.nextDueMs).toBeLessThan(MINUTE);
    expect(await rowOf(mailbox())).toMatchObject({ state: 'wanted', attempts: 1, subscription_id: null });
    control.clearFaults();
    await makeDue();
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect(await rowOf(mailbox())).toMatchObject({ state: 'active', attempts: 0 });
  });

  it('stop for as long as Graph throttles the app; what was done is saved', async () => {
    const { control } = stage.simulator;
    control.failNext({ kind: 'subscriptions', status: 429, code: 'TooManyRequests', retryAfter: 60, after: 5 });
    await expect(keep()).rejects.toMatchObject({ kind: 'throttled', retryAfterMs: 60_000 });
    const states = (await rows()).map(({ state }) => state);
    expect(states.filter((state) => state === 'active')).toHaveLength(atGraph().length);
    expect(atGraph().length).toBeGreaterThanOrEqual(5);
  });

  it('are no failures of theirs where Graph is away', async () => {
    stage.simulator.control.addFault({
      kind: 'subscriptions',
      effect: { type: 'status', status: 503, retryAfter: 20 },
    });
    await expect(keep()).rejects.toMatchObject({ name: 'GraphError', status: 503 });
  });

  it('are not created where Graph cannot reach us, and the reason is told', async () => {
    receiver.answering = ({ token }, response) => {
      if (token === null) return undefined;
      response.writeHead(403).end();
      return true;
    };
    const kept = await keep();
    expect(kept).toMatchObject({ active: 0, refused: 0 });
    expect(kept.unreachable).toMatch(/OUTHAUL_PUBLIC_URL.*answered "Forbidden"/);
    expect(receiver.came.length).toBeLessThan(12);
    receiver.answering = () => undefined;
    // Those that were tried in vain are not due yet: the others show that Graph reaches us.
    expect(await keep()).toMatchObject({ active: MAILBOXES });
    expect((await keep()).unreachable).toBeUndefined();
  });

  it('are tried again soon where Graph could not reach us, and then ever less often', async () => {
    receiver.answering = ({ token }, response) => {
      if (token === null) return undefined;
      response.writeHead(403).end();
      return true;
    };
    const pauses: number[] = [];
    for (let look = 0; look < 7; look++) {
      await makeDue();
      const { nextDueMs, unreachable } = await keep();
      expect(unreachable).toMatch(/answered "Forbidden"/);
      pauses.push(Math.round(nextDueMs / 1000));
    }
    expect(pauses).toEqual([15, 30, 60, 120, 240, 300, 300]);
    expect(receiver.came.length).toBeLessThan(7 * 12);
  });

  it('leave it at that where the session looks at them before any is due', async () => {
    receiver.answering = ({ token }, response) => {
      if (token === null) return undefined;
      response.writeHead(403).end();
      return true;
    };
    const [one] = stage.mailboxes;
    await stage.store.sql(
      `UPDATE outhaul.session_mailboxes SET state = 'left' WHERE session_no = $1 AND mailbox_id <> $2`,
      [stage.session.sessionNo, one],
    );
    const first = await keep();
    receiver.came.length = 0;
    const second = await keep();
    expect(second.unreachable).toBe(first.unreachable);
    expect(second.unreachable).toMatch(/answered "Forbidden"/);
    expect(second.nextDueMs).toBeLessThanOrEqual(15_000);
    expect(receiver.came).toEqual([]);
    receiver.answering = () => undefined;
    await makeDue();
    const third = await keep();
    expect(third).toMatchObject({ active: 1 });
    expect(third.unreachable).toBeUndefined();
  });

  it.each([
    ['there is none', null, /OUTHAUL_PUBLIC_URL is not set/],
    ['it is not https', 'http://outhaul.example', /must begin with https/],
  ])('are not asked for where no address leads to us: %s', async (_, notificationUrl, reason) => {
    await stage.start({ notificationUrl });
    const { nextDueMs, ...kept } = await keep();
    expect(kept).toEqual({ active: 0, refused: 0, unreachable: expect.stringMatching(reason) as string });
    expect(nextDueMs).toBe(24 * 60 * MINUTE);
    expect(await ask('checkPublicUrl')).toEqual({ reachable: false, reason: kept.unreachable });
    expect(stage.simulator.control.stats().byKind.subscriptions).toBeUndefined();
  });

  it('survive an endpoint that is away for a moment', async () => {
    let refused = 0;
    receiver.answering = ({ token }, response) => {
      if (token === null || ++refused > 1) return undefined;
      response.destroy();
      return true;
    };
    const kept = await keep({ patienceMs: 50 });
    expect(kept.unreachable).toBeUndefined();
    expect(kept.active).toBe(MAILBOXES);
  });

  it('are renewed although Graph cannot reach us, for that needs no proof', async () => {
    await stage.follow([]);
    await keep();
    const gone = await Receiver.start();
    await stage.store.sql('UPDATE outhaul.sessions SET notification_url = $2 WHERE session_no = $1', [
      stage.session.sessionNo,
      gone.url,
    ]);
    await gone.close();
    stage.simulator.control.subscriptions.expire({ mailboxId: mailbox() });
    await makeDue();
    const kept = await keep();
    expect(kept.active).toBe(MAILBOXES - 1);
    expect(kept.unreachable).toMatch(/could not reach it/);
    expect(await rowOf(mailbox())).toMatchObject({ state: 'wanted', subscription_id: null });
  });

  it('do not overwrite what Graph has told meanwhile', async () => {
    await keep();
    await makeDue();
    const hold = stage.simulator.control.hold({ kind: 'subscriptions', mailbox: mailbox() });
    const keeping = keep();
    await expect.poll(() => stage.simulator.control.stats().inFlight).toBeGreaterThan(0);
    await stage.store.sql(
      `UPDATE outhaul.subscriptions SET subscription_id = NULL, state = 'wanted', due_at = now() + interval '1 hour'
       WHERE mailbox_id = $1 AND session_no = $2`,
      [mailbox(), stage.session.sessionNo],
    );
    hold.release();
    await keeping;
    expect(await rowOf(mailbox())).toMatchObject({ state: 'wanted', subscription_id: null });
  });

  it('go with their mailbox', async () => {
    await keep();
    await stage.store.sql(`UPDATE outhaul.session_mailboxes SET state = 'left' WHERE mailbox_id = $1`, [mailbox()]);
    expect(await keep()).toMatchObject({ active: MAILBOXES - 1 });
    expect(atGraph().map(({ mailboxId }) => mailboxId)).not.toContain(mailbox());
    expect(await rowOf(mailbox())).toBeUndefined();
  });

  it('come in a measured way', async () => {
    const startedAt = performance.now();
    await keep({ perSecond: 10 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1000);
    expect(stage.simulator.control.stats().peakConcurrency).toBeLessThanOrEqual(4);
  });

  it('are all removed at the end, and so are those that nobody knows', async () => {
    await keep();
    await stage.store.sql(
      'UPDATE outhaul.subscriptions SET subscription_id = NULL WHERE session_no = $1 AND mailbox_id = $2',
      [stage.session.sessionNo, mailbox()],
    );
    const elsewhere = await Receiver.start();
    stage.simulator.control.subscriptions.expire({ mailboxId: other() });
    const foreign = await plant(other(), { url: elsewhere.url });
    await elsewhere.close();
    expect(await ask('removeSubscriptions')).toEqual({ removed: MAILBOXES });
    expect(atGraph().map(({ id }) => id)).toEqual([foreign.id]);
    expect(await rows()).toEqual([]);
  });

  it('need no removing where there are none', async () => {
    await stage.start({ notifications: false, notificationUrl: null });
    expect(await ask('removeSubscriptions')).toEqual({ removed: 0 });
    const kept = await keep();
    expect(kept).toMatchObject({ active: 0, refused: 0 });
    expect(kept.unreachable).toBeUndefined();
  });

  describe('and the address that Graph is to reach', () => {
    const check = () => ask('checkPublicUrl');

    it('is reached where Graph creates the first subscription', async () => {
      expect(await check()).toEqual({ reachable: true });
      expect(atGraph()).toHaveLength(1);
    });

    it('is freed of what a lost run has left', async () => {
      const planted = await plant(mailbox());
      await check();
      expect(atGraph().map(({ id }) => id)).not.toContain(planted.id);
    });

    it('is missing where it is not set', async () => {
      await stage.start({ notificationUrl: null });
      expect(await check()).toMatchObject({ reachable: false, reason: expect.stringMatching(/is not set/) as string });
    });

    it('must be https', async () => {
      await stage.start({ notificationUrl: 'http://outhaul.example' });
      expect(await check()).toMatchObject({ reachable: false, reason: expect.stringMatching(/https/) as string });
      expect(stage.simulator.control.stats().byKind.subscriptions).toBeUndefined();
    });

    it('is not reached where nothing listens, as both see', async () => {
      const gone = await Receiver.start();
      await gone.close();
      await stage.start({ notificationUrl: gone.url });
      const answer = await check();
      expect(answer).toMatchObject({
        reachable: false,
        reason: expect.stringMatching(
          /Graph could not reach it\. Asked from here, nothing answers there \(ECONNREFUSED\)/,
        ) as string,
      });
    });

    it('is not reached where something else answers', async () => {
      const server = createServer((_, response) => response.end('Welcome!'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      await stage.start({ notificationUrl: `http://127.0.0.1:${port}` });
      const answer = await check();
      server.close();
      expect(answer).toMatchObject({
        reachable: false,
        reason: expect.stringMatching(
          /answered by something else than Outhaul.*something else than Outhaul answers/,
        ) as string,
      });
    });

    it('is reached, too, where Graph refuses the first mailboxes', async () => {
      const first = [...stage.mailboxes].sort().slice(0, 3);
      for (const each of first)
        stage.simulator.control.addFault({ mailbox: each, effect: { type: 'mailbox', state: 'denied' } });
      expect(await check()).toEqual({ reachable: true });
    });
  });
});
