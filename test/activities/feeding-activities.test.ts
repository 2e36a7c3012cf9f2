import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createFeedingActivities, type Fed } from '../../activities/feeding-activities.ts';
import { removeDestination } from '../../store/destinations.ts';
import { writePage } from '../../store/pages.ts';
import { Outbox, redisList, utility } from '../store/outbox-support.ts';
import { message, useStore } from '../store/support.ts';

const store = useStore();

const YEAR = { since: '2024-01-01T00:00:00Z', until: '2025-01-01T00:00:00Z' };

describe('feeding and replaying', () => {
  /** The activities, and who was woken by them. */
  function stage(outbox: Outbox, { away = false, stopAfter = Infinity } = {}) {
    const woken: number[] = [];
    const readers: string[] = [];
    const env = new MockActivityEnvironment();
    const activities = createFeedingActivities({
      db: store.db,
      log: { warn: () => undefined },
      wake: async (destinationNos) => {
        if (away) throw new Error('Temporal is away');
        woken.push(...destinationNos);
        if (woken.length >= stopAfter) env.cancel();
      },
      wakeMailboxes: async (_, mailboxIds) => void readers.push(...mailboxIds),
      stretch: 2,
    });
    const { id: destinationId } = outbox.destination;
    return {
      woken,
      readers,
      feed: () => env.run(() => activities.feedStored({ destinationId })),
      begin: () => new MockActivityEnvironment().run(async (): Promise<string> => activities.beginReplay()),
      replay: (begunAt: string, env = new MockActivityEnvironment()): Promise<Fed> =>
        env.run(() => activities.replayStored({ destinationId, ...YEAR, begunAt })),
    };
  }
  const keep = (outbox: Outbox, ids: readonly string[], more: object = {}) => {
    const messages = ids.map((id) => message(id, more));
    return writePage(store.db, outbox.organization, outbox.reading.page(messages));
  };
  const known = (outbox: Outbox) =>
    store.sql(`UPDATE outhaul.destinations SET created_at = now() - interval '2 minutes' WHERE destination_no = $1`, [
      outbox.destination.destinationNo,
    ]);

  it('feeds a new destination with all that is stored, once everybody knows of it, and wakes it', async () => {
    const outbox = await Outbox.of(store, utility, { starts: 'stored' });
    await keep(outbox, ['a', 'b', 'c', 'd', 'e']);
    const { feed, woken, readers } = stage(outbox);
    expect(await feed()).toEqual({ waitMs: expect.closeTo(90_000, -4) as number });
    expect(woken).toEqual([]);
    await known(outbox);
    expect(await feed()).toEqual({ read: 5, owed: 5 });
    expect(await outbox.statuses()).toEqual(['a owed', 'b owed', 'c owed', 'd owed', 'e owed']);
    expect(new Set(woken)).toEqual(new Set([outbox.destination.destinationNo]));
    expect(readers).toEqual([]);
    expect(await feed()).toEqual({ read: 0, owed: 0 });
  });

  it('wakes the readers of mailboxes whose messages wait for their attachments', async () => {
    const outbox = await Outbox.of(store, redisList, { starts: 'stored' });
    await keep(outbox, ['with'], { hasAttachments: true });
    await keep(outbox, ['without']);
    await known(outbox);
    const { feed, readers } = stage(outbox);
    expect(await feed()).toEqual({ read: 2, owed: 1 });
    expect(await outbox.statuses()).toEqual(['with waiting']);
    expect(readers).toEqual([outbox.reading.mailboxId]);
  });

  it('leaves drafts out', async () => {
    const outbox = await Outbox.of(store, utility, { starts: 'stored' });
    await keep(outbox, ['draft'], { isDraft: true });
    await keep(outbox, ['with'], { isDraft: true, hasAttachments: true });
    await keep(outbox, ['mail', 'odd'], { isDraft: null });
    await known(outbox);
    const { feed, begin, replay } = stage(outbox);
    expect(await feed()).toMatchObject({ owed: 2 });
    expect(await replay(await begin())).toMatchObject({ owed: 0 });
    expect(await outbox.statuses()).toEqual(['mail owed', 'odd owed']);
  });

  it('goes on where it was lost: what is owed stays owed once', async () => {
    const outbox = await Outbox.of(store, utility, { starts: 'stored' });
    await keep(outbox, ['a', 'b', 'c', 'd', 'e']);
    await known(outbox);
    await expect(stage(outbox, { stopAfter: 2 }).feed()).rejects.toThrow();
    expect(await outbox.statuses()).toHaveLength(4);
    expect(await stage(outbox).feed()).toEqual({ read: 1, owed: 1 });
    expect(await outbox.statuses()).toHaveLength(5);
  });

  it('owes all of it while nobody can be woken for it: upkeep does that later', async () => {
    const outbox = await Outbox.of(store, utility, { starts: 'stored' });
    await keep(outbox, ['a', 'b', 'c']);
    await known(outbox);
    expect(await stage(outbox, { away: true }).feed()).toEqual({ read: 3, owed: 3 });
  });

  it('replays what was received in a window, stretch by stretch, and after an interruption only the rest', async () => {
    const outbox = await Outbox.of(store, utility);
    await keep(outbox, ['a', 'b', 'c', 'd', 'e']);
    await keep(outbox, ['older'], { receivedDateTime: '2023-12-31T23:59:59Z' });
    const first = stage(outbox);
    const begunAt = await first.begin();
    expect(await first.replay(begunAt)).toEqual({ read: 5, owed: 5 });
    expect(await outbox.statuses()).toHaveLength(5);
    const progress = { failures: 0, progress: { after: 4, read: 4, owed: 4 } };
    const env = new MockActivityEnvironment({ heartbeatDetails: progress });
    expect(await stage(outbox).replay(begunAt, env)).toEqual({ read: 5, owed: 4 });
  });

  it('ends where the destination is gone', async () => {
    const outbox = await Outbox.of(store, utility);
    const { feed, begin, replay } = stage(outbox);
    await removeDestination(store.db, outbox.destination, { drop: true });
    expect(await feed()).toEqual({ read: 0, owed: 0 });
    expect(await replay(await begin())).toEqual({ read: 0, owed: 0 });
  });
});
