import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createUpkeepActivities,
  type UpkeepActivities,
  type UpkeepActivitiesOptions,
  type UpkeepStep,
} from '../../activities/upkeep-activities.ts';
import { openSender } from '../../destinations/open-sender.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { noteHealth } from '../../store/attendance.ts';
import { putBlob } from '../../store/blob-rows.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { createDestination, destinationById, pauseDestination } from '../../store/destinations.ts';
import { removedDestinations } from '../../store/removed-destinations.ts';
import { json, startReceiver, type Receiver } from '../destinations/support/receiver.ts';
import { Outbox, batch, redisList, utility } from '../store/outbox-support.ts';
import { unique, useStore } from '../store/support.ts';

const store = useStore();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-upkeep-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The activities, and what they have had done; each test looks only at what is its own. */
function stage(options: Partial<UpkeepActivitiesOptions> = {}) {
  const woken = new Set<number>();
  const fed = new Set<string>();
  const readers: string[] = [];
  const logged: object[] = [];
  const activities = createUpkeepActivities({
    db: store.db,
    blobs: folderBlobStores(folder),
    wake: async (destinationNos) => void destinationNos.forEach((no) => woken.add(no)),
    feed: async ({ id }) => void fed.add(id),
    wakeMailboxes: async (organizationId, mailboxIds) => {
      readers.push(...mailboxIds.map((id) => `${organizationId}/${id}`));
    },
    openSender,
    log: { warn: (fields: object) => void logged.push(fields) },
    ...options,
  });
  const doing = (step: keyof UpkeepActivities): Promise<UpkeepStep> =>
    new MockActivityEnvironment().run(async () => activities[step]());
  return { woken, fed, readers, logged, doing };
}

const set = (outbox: Outbox, assignments: string) =>
  store.sql(`UPDATE outhaul.deliveries SET ${assignments} WHERE destination_no = $1`, [
    outbox.destination.destinationNo,
  ]);

describe('waking destinations', () => {
  it('wakes those that have something due, ordered or not, and has new ones fed', async () => {
    const [due, inOrder, later, idle, paused] = [
      await Outbox.of(store, utility),
      await Outbox.of(store, batch),
      await Outbox.of(store, utility),
      await Outbox.of(store, utility),
      await Outbox.of(store, utility),
    ] as const;
    for (const outbox of [due, inOrder, later, paused]) await outbox.owe(['a', 'b']);
    await set(later, `next_at = now() + interval '1 hour'`);
    await pauseDestination(store.db, paused.destination);
    const { doing, woken, fed } = stage();
    await doing('wakeDestinations');
    const isWoken = ({ destination }: Outbox) => woken.has(destination.destinationNo);
    expect([due, inOrder, later, idle, paused].map(isWoken)).toEqual([true, true, false, false, false]);
    expect(fed).toContain(idle.destination.id);
  });

  it('wakes one whose claims have run out with a worker', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(['a']);
    await outbox.claim('lost worker');
    const { doing, woken } = stage();
    await doing('wakeDestinations');
    expect(woken).not.toContain(outbox.destination.destinationNo);
    await outbox.passClaims();
    await doing('wakeDestinations');
    expect(woken).toContain(outbox.destination.destinationNo);
  });

  it('goes on with the others where one cannot be fed, and logs ids only', async () => {
    const [bad, good] = [await Outbox.of(store, utility), await Outbox.of(store, utility)];
    const fed = new Set<string>();
    const { doing, logged } = stage({
      feed: async ({ id }) => {
        if (id === bad.destination.id) throw new TypeError('ada@contoso.example');
        fed.add(id);
      },
    });
    const { failed } = await doing('wakeDestinations');
    expect(failed).toBe(1);
    expect(fed).toContain(good.destination.id);
    const { organizationId, id: destinationId } = bad.destination;
    expect(logged).toEqual([{ organizationId, destinationId, reason: 'TypeError' }]);
  });
});

describe('waking readers', () => {
  it('wakes those of mailboxes whose messages wait for attachments, but not at once', async () => {
    const outbox = await Outbox.of(store, redisList);
    await outbox.owe(['a', 'b'], { owing: 'waiting' });
    const { doing, readers } = stage();
    const mailbox = `${outbox.organization.organizationId}/${outbox.reading.mailboxId}`;
    await doing('wakeWaitingReaders');
    expect(readers).not.toContain(mailbox);
    await set(outbox, `owed_at = now() - interval '40 s'`);
    await doing('wakeWaitingReaders');
    expect(readers.filter((one) => one === mailbox)).toHaveLength(1);
  });

  it('wakes a mailbox seldom that has waited for long, and often again for what is new there', async () => {
    const outbox = await Outbox.of(store, redisList);
    await outbox.owe(['old', 'new'], { owing: 'waiting' });
    const { doing, readers } = stage();
    const mailbox = `${outbox.organization.organizationId}/${outbox.reading.mailboxId}`;
    const woken = async (age: string): Promise<boolean> => {
      await set(outbox, `owed_at = now() - interval '${age}'`);
      readers.length = 0;
      await doing('wakeWaitingReaders');
      return readers.includes(mailbox);
    };
    expect(await woken('5 minutes')).toBe(true);
    expect(await woken('20 minutes 10 s')).toBe(false);
    expect(await woken('30 minutes 10 s')).toBe(true);
    await set(
      outbox,
      `owed_at = now() - CASE delivery_no % 2 WHEN 0 THEN interval '20 minutes' ELSE interval '1 minute' END`,
    );
    readers.length = 0;
    await doing('wakeWaitingReaders');
    expect(readers).toContain(mailbox);
  });
});

describe('clearing deliveries', () => {
  it('makes dead letters of what was owed for too long, and forgets what was delivered long ago', async () => {
    const outboxes = [
      await Outbox.of(store, utility),
      await Outbox.of(store, batch),
      await Outbox.of(store, redisList),
    ];
    const { doing } = stage();
    for (const outbox of outboxes) {
      await outbox.owe(['late', 'in-time', 'long-ago', 'lately']);
      const aged = `CASE email_no - (SELECT min(email_no) FROM outhaul.deliveries d WHERE d.destination_no = $1)`;
      await set(
        outbox,
        `owed_at = now() - ${aged} WHEN 0 THEN interval '8 days' ELSE interval '6 days' END,
          status = ${aged} WHEN 2 THEN 'delivered' WHEN 3 THEN 'delivered' ELSE status END,
          delivered_at = now() - ${aged} WHEN 2 THEN interval '31 days' WHEN 3 THEN interval '29 days' END`,
      );
    }
    await doing('clearDeliveries');
    for (const outbox of outboxes) {
      expect((await outbox.statuses()).sort()).toEqual(['in-time owed', 'late dead', 'lately delivered']);
    }
  });
});

describe('removing destinations', () => {
  it('finishes what was interrupted', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a', 'b']);
    await store.sql(`UPDATE outhaul.destinations SET status = 'removed' WHERE destination_no = $1`, [destinationNo]);
    await stage().doing('clearDeliveries');
    expect(await outbox.statuses()).toEqual([]);
    expect(await removedDestinations(store.db)).not.toContain(destinationNo);
  });
});

describe('watching destinations', () => {
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await startReceiver();
  });
  afterAll(() => receiver.close());

  const make = async (endpoint: string, more: Partial<KindSettings['settings']> = {}) => {
    const { organization } = await Outbox.of(store, utility);
    const settings = { ...withDefaults('utility', { endpoint, allowPrivate: true }), ...more };
    return createDestination(store.db, organization, {
      ...({ kind: 'utility', settings } as KindSettings),
      name: unique('watched'),
      starts: 'now',
      secret: { token: 'token', signingKey: 'key' },
    });
  };
  const healthOf = async (id: string) => (await destinationById(store.db, id, null))?.health;

  it('notes how they are: well, not well, out of reach, or not set up', async () => {
    receiver.answer = (response, { headers, url }) => {
      const sick = headers.authorization !== 'Bearer token' || url !== '/well/health';
      json(response, sick ? 503 : 200, { status: sick ? 'unhealthy' : 'healthy' });
    };
    const well = await make(`${receiver.url}/well`);
    const sick = await make(`${receiver.url}/sick`);
    const away = await make('http://127.0.0.1:1');
    const bare = (await Outbox.of(store, utility)).destination;
    const paused = await make(`${receiver.url}/well`);
    await pauseDestination(store.db, paused);
    const { doing } = stage();
    await doing('watchDestinations');
    expect(await healthOf(well.id)).toMatchObject({ healthy: true, detail: expect.stringContaining('200') as string });
    expect(await healthOf(sick.id)).toMatchObject({ healthy: false, detail: expect.stringContaining('503') as string });
    expect(await healthOf(away.id)).toMatchObject({ healthy: false });
    expect(await healthOf(bare.id)).toMatchObject({ healthy: false, detail: expect.stringContaining('key') as string });
    expect(await healthOf(paused.id)).toBeNull();
  });

  it('leaves it at what a sender has found while something is owed, however well it looks', async () => {
    const [busy, idle] = [await Outbox.of(store, redisList), await Outbox.of(store, redisList)];
    await busy.owe(['a']);
    const full = { healthy: false, reason: 'full', detail: 'The list holds 9 items' } as const;
    for (const { destination } of [busy, idle]) await noteHealth(store.db, destination.destinationNo, full);
    const looked = { healthy: true, latencyMs: 1, detail: 'It is there' };
    const { doing } = stage({
      openSender: () => ({
        async *send() {},
        health: async () => looked,
        close: async () => undefined,
      }),
    });
    await doing('watchDestinations');
    expect(await healthOf(busy.destination.id)).toEqual(full);
    expect(await healthOf(idle.destination.id)).toEqual(looked);
  });

  it('waits for one that does not answer no longer than for a while', async () => {
    receiver.instead = () => undefined;
    const silent = await make(`${receiver.url}/silent`);
    const { doing } = stage();
    await doing('watchDestinations');
    receiver.instead = undefined;
    expect(await healthOf(silent.id)).toMatchObject({ healthy: false });
  }, 30_000);
});

describe('tidying blobs', () => {
  it('removes what nothing refers to, once an hour for each organization, whatever fails elsewhere', async () => {
    const [one, other] = [await Outbox.of(store, utility), await Outbox.of(store, utility)];
    const blobs = folderBlobStores(folder);
    const put = ({ organization }: Outbox) =>
      putBlob(store.db, organization, blobs.of(organization), Readable.from([Buffer.from('a file')]));
    const blob = await put(one);
    await put(other);
    const faulty = await mkdtemp(join(folder, 'faulty-'));
    await writeFile(join(faulty, 'file'), '');
    const { doing, logged } = stage({
      blobGraceMs: 0,
      blobs: {
        of: (organization) =>
          organization.schema === other.organization.schema
            ? folderBlobStores(join(faulty, 'file')).of(organization)
            : blobs.of(organization),
      },
    });
    const rows = ({ organization }: Outbox) => store.sql(`SELECT FROM ${organization.schema}.blobs`);
    const { failed } = await doing('tidyBlobs');
    expect(failed).toBe(1);
    expect(logged).toEqual([{ organizationId: other.organization.organizationId, reason: 'BlobsUnavailable' }]);
    expect(await blobs.of(one.organization).has(blob)).toBe(false);
    expect(await rows(one)).toHaveLength(0);
    expect(await rows(other)).toHaveLength(1);
    await put(one);
    expect(await doing('tidyBlobs')).toEqual({ done: 0, failed: 0 });
    expect(await rows(one)).toHaveLength(1);
  });
});
