import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EventPage, type FlowOptions, type FlowReport, type Simulator } from '../../simulator/index.ts';
import { startSimulator } from '../../simulator/index.ts';
import { plannedTurns } from '../../simulator/control/flow-plan.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;

const start = () => startSimulator({ tenant: { mailboxes: 4, messages: 200, specialUsers: false } });

beforeEach(async () => {
  simulator = await start();
  client = new TestClient(simulator);
});
afterEach(() => simulator.close());

const ended = (of = simulator) =>
  expect.poll(() => of.control.flow.report().isRunning, { timeout: 10_000 }).toBe(false);
const MIX = { arrive: 4, move: 2, read: 2, delete: 2, restore: 1 };

describe('the plan of a flow', () => {
  const kinds = (options: FlowOptions) => plannedTurns(options).map(({ kind }) => kind);

  test('has as many changes as its rate says, each in its own stretch of time', () => {
    const turns = plannedTurns({ ratePerMinute: 60, seconds: 30 });
    expect(turns.map(({ atMs }) => Math.floor(atMs / 1000))).toEqual(Array.from({ length: 30 }, (_, at) => at));
    expect(new Set(turns.map(({ kind }) => kind))).toEqual(new Set(['arrive']));
  });

  test('has bursts of arrivals, from the start on', () => {
    const burst = { everySeconds: 60, messages: 10, overSeconds: 5 };
    const times = plannedTurns({ ratePerMinute: 0, burst, seconds: 122 }).map(({ atMs }) => atMs / 1000);
    expect(times).toHaveLength(24);
    expect([times[0], times[9], times[10], times[20]]).toEqual([0, 4.5, 60, 120]);
  });

  test('follows from its seed, and its kinds from their weights', () => {
    const options = { ratePerMinute: 6_000, seconds: 60, mix: { arrive: 3, read: 1, move: 0 } };
    expect(plannedTurns(options)).toEqual(plannedTurns({ ...options, seed: 1 }));
    expect(plannedTurns(options)).not.toEqual(plannedTurns({ ...options, seed: 2 }));
    const reads = kinds(options).filter((kind) => kind === 'read').length;
    expect([reads > 1_350, reads < 1_650]).toEqual([true, true]);
    expect(kinds(options)).not.toContain('move');
  });
});

describe('a flow', () => {
  test('lets mail arrive, move, be read, vanish and come back, and says what it has done', async () => {
    const begun = await client.sim<FlowReport>('POST', '/flow', { ratePerMinute: 12_000, seconds: 1, mix: MIX });
    expect(begun).toMatchObject({ isRunning: true, planned: 200, seed: 1 });
    await ended();
    const report = await client.sim<FlowReport>('GET', '/flow');
    expect(report.done + report.skipped).toBe(200);
    expect(Object.values(report.byKind).reduce((sum, count) => sum + count, 0)).toBe(report.done);
    for (const count of Object.values(report.byKind)) expect(count).toBeGreaterThan(0);
  });

  test('tells each change as an event with its time', async () => {
    const before = Date.now();
    simulator.control.flow.start({ ratePerMinute: 12_000, seconds: 1, mix: MIX });
    await ended();
    const { events, last } = simulator.control.events();
    const { byKind, done } = simulator.control.flow.report();
    const countOf = (kind: string) => events.filter((event) => event.kind === kind).length;
    expect([events.length, last]).toEqual([done, done]);
    expect(events.map(({ no }) => no)).toEqual(events.map((_, index) => index + 1));
    expect(['arrived', 'moved', 'read', 'deleted', 'restored'].map(countOf)).toEqual([
      byKind.arrive,
      byKind.move,
      byKind.read,
      byKind.delete,
      byKind.restore,
    ]);
    for (const { at, atMs } of events) expect([new Date(at).getTime(), atMs >= before]).toEqual([atMs, true]);
    expect(events.map(({ atMs }) => atMs)).toEqual(events.map(({ atMs }) => atMs).sort((a, b) => a - b));
  });

  test('leaves the tenant as its events say', async () => {
    simulator.control.flow.start({ ratePerMinute: 12_000, seconds: 1, mix: MIX });
    await ended();
    const { events } = simulator.control.events();
    const last = new Map(events.map((event) => [event.messageId, event]));
    const truth = new Map(
      [...simulator.control.truth.messages({ scope: 'all' })].map((each) => [each.message.id, each]),
    );
    for (const { messageId, kind, folderId, mailboxId } of last.values()) {
      const found = truth.get(messageId);
      expect(found && [found.mailbox, found.folderId]).toEqual(kind === 'deleted' ? undefined : [mailboxId, folderId]);
    }
  });

  test('does the same to the same tenant for the same seed', async () => {
    const other = await start();
    try {
      for (const each of [simulator, other]) {
        each.control.flow.start({ seed: 5, ratePerMinute: 12_000, seconds: 1, mix: MIX });
      }
      await Promise.all([ended(), ended(other)]);
      const did = ({ control }: Simulator) =>
        control
          .events()
          .events.map(({ kind, mailboxId, messageId, folderId }) => [kind, mailboxId, messageId, folderId]);
      expect(did(other)).toEqual(did(simulator));
    } finally {
      await other.close();
    }
  });

  test('keeps to the first mailboxes, or to those that are named', async () => {
    const ids = simulator.control.truth.mailboxes().map(({ id }) => id);
    simulator.control.flow.start({ ratePerMinute: 6_000, seconds: 0.5, mailboxes: 2 });
    await ended();
    const { events, last } = simulator.control.events();
    expect(new Set(events.map(({ mailboxId }) => mailboxId))).toEqual(new Set(ids.slice(0, 2)));
    await client.sim('POST', '/flow', { ratePerMinute: 6_000, seconds: 0.5, mailboxes: [ids[3]] });
    await ended();
    const page = await client.sim<EventPage>('GET', `/events?after=${last}&limit=10`);
    expect(page.events.map(({ no }) => no)).toEqual(Array.from({ length: 10 }, (_, at) => last + 1 + at));
    expect(new Set(page.events.map(({ mailboxId }) => mailboxId))).toEqual(new Set([ids[3]]));
  });

  test('is the only one until it ends or is ended', async () => {
    await expect(client.sim('GET', '/flow')).rejects.toThrow(/^404 /);
    const endless = { ratePerMinute: 60, seconds: 3_600 };
    await client.sim('POST', '/flow', endless);
    await expect(client.sim('POST', '/flow', endless)).rejects.toThrow(/^409 /);
    expect(await client.sim('DELETE', '/flow')).toMatchObject({ isRunning: false });
    await client.sim('POST', '/flow', endless);
  });

  test.each([
    { seconds: 1 },
    { ratePerMinute: 1, seconds: 1, mix: { arrive: 0 } },
    { ratePerMinute: 1, seconds: 1, mix: { sing: 1 } },
    { ratePerMinute: 600_000, seconds: 86_400 },
    { ratePerMinute: 1, seconds: 1, mailboxes: ['nobody@nowhere.example'] },
  ])('cannot be %j', async (options) => {
    await expect(client.sim('POST', '/flow', options)).rejects.toThrow(/^40[04] /);
  });
});
