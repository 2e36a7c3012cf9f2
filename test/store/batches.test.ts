import { describe, expect, it } from 'vitest';
import { markBatches, recordBatches, unfinishedBatches, type BatchRecord } from '../../store/batches.ts';
import { settleDeliveries } from '../../store/deliveries.ts';
import { retryDeadLetters } from '../../store/dead-letters.ts';
import { claimDestination, releaseDestination } from '../../store/destination-claims.ts';
import { pauseDestination } from '../../store/destinations.ts';
import { ClaimLost } from '../../store/errors.ts';
import { batch, Outbox } from './outbox-support.ts';
import { useStore } from './support.ts';

const store = useStore();
const TOKEN = 'sender';

/** A batch receiver that is owed messages of these names, and whose line is claimed. */
async function owing(...names: readonly string[]) {
  const outbox = await Outbox.of(store, batch);
  const { destinationNo } = outbox.destination;
  await outbox.owe(names);
  const line = await outbox.next(TOKEN);
  const batchOf = (id: string, ...chosen: readonly string[]): BatchRecord => ({
    id,
    members: chosen.flatMap((name) => {
      const delivery = line[names.indexOf(name)];
      return delivery ? [{ deliveryNo: delivery.deliveryNo, xid: delivery.place.xid }] : [];
    }),
  });
  const no = (name: string): number => line[names.indexOf(name)]?.deliveryNo ?? 0;
  return {
    ...{ outbox, batchOf, no, claim: { destinationNo, token: TOKEN } },
    record: (batches: readonly BatchRecord[], forget: readonly string[] = []) =>
      recordBatches(store.db, { destinationNo, token: TOKEN }, { batches, forget }),
    unfinished: async (): Promise<string[]> => {
      const { batches } = await unfinishedBatches(store.db, { destinationNo, token: TOKEN });
      const told = batches.map(async ({ id, deliveries }) => [id, ...(await outbox.names(deliveries))].join(' '));
      return Promise.all(told);
    },
    rows: () => store.sql('SELECT FROM outhaul.batches WHERE destination_no = $1', [destinationNo]),
  };
}

describe('batches that are recorded', () => {
  it('are there in the order of the line, each as it was cut, until they are forgotten', async () => {
    const { record, unfinished, batchOf, rows } = await owing('a', 'b', 'c', 'd');
    await record([batchOf('later', 'd', 'c')]);
    await record([batchOf('sooner', 'a', 'b')]);
    expect(await unfinished()).toEqual(['sooner a b', 'later d c']);
    await record([], ['sooner']);
    expect(await unfinished()).toEqual(['later d c']);
    await record([], ['later']);
    expect(await rows()).toEqual([]);
  });

  it('are replaced by their halves at once, also where an id comes again', async () => {
    const { record, unfinished, batchOf } = await owing('a', 'b', 'c');
    await record([batchOf('whole', 'a', 'b', 'c')]);
    await record([batchOf('first', 'a', 'b'), batchOf('second', 'c')], ['whole']);
    expect(await unfinished()).toEqual(['first a b', 'second c']);
    await record([batchOf('second', 'b', 'c')], ['first', 'second']);
    expect(await unfinished()).toEqual(['second b c']);
  });

  it('name what is still owed of them; one that is over names nothing', async () => {
    const { record, unfinished, batchOf, claim, no } = await owing('a', 'b', 'c', 'd');
    await record([batchOf('over', 'a'), batchOf('begun', 'b', 'c', 'd')]);
    await settleDeliveries(store.db, claim, [
      { deliveryNo: no('a'), status: 'accepted' },
      { deliveryNo: no('c'), status: 'refused', cause: 'rejected', retryInMs: null },
    ]);
    expect(await unfinished()).toEqual(['begun b d', 'over']);
  });

  it('do not name what was settled, and is owed anew', async () => {
    const { record, unfinished, batchOf, claim, no, outbox } = await owing('a', 'b');
    await record([batchOf('batch', 'a', 'b')]);
    await settleDeliveries(store.db, claim, [
      { deliveryNo: no('a'), status: 'refused', cause: 'rejected', retryInMs: null },
    ]);
    await retryDeadLetters(store.db, outbox.organization, { answered: false });
    expect(await outbox.statuses()).toEqual(['b owed', 'a owed']);
    expect(await unfinished()).toEqual(['batch b']);
  });

  it('may be sent when the first in line is due, unless their destination is paused', async () => {
    const { record, batchOf, claim, no, outbox } = await owing('a', 'b');
    const isDue = async (): Promise<boolean> => (await unfinishedBatches(store.db, claim)).due;
    await record([batchOf('batch', 'a', 'b')]);
    expect(await isDue()).toBe(true);
    await settleDeliveries(store.db, claim, [{ deliveryNo: no('b'), status: 'untouched', inMs: 60_000 }]);
    expect(await isDue()).toBe(true);
    await settleDeliveries(store.db, claim, [{ deliveryNo: no('a'), status: 'untouched', inMs: 60_000 }]);
    expect(await isDue()).toBe(false);
    await settleDeliveries(store.db, claim, [{ deliveryNo: no('a'), status: 'untouched' }]);
    expect(await isDue()).toBe(true);
    await pauseDestination(store.db, outbox.destination);
    expect(await isDue()).toBe(false);
  });

  it('are known not to be taken as far as that was said, until they are sent, or cut anew', async () => {
    const { record, batchOf, claim } = await owing('a', 'b', 'c');
    const notTaken = async (): Promise<string[]> => {
      const { batches } = await unfinishedBatches(store.db, claim);
      return batches.filter((batch) => batch.notTaken).map(({ id }) => id);
    };
    await record([batchOf('first', 'a'), batchOf('second', 'b'), batchOf('third', 'c')]);
    expect(await notTaken()).toEqual([]);
    await markBatches(store.db, claim, { ids: ['first', 'third'], notTaken: true });
    expect(await notTaken()).toEqual(['first', 'third']);
    await markBatches(store.db, claim, { ids: ['first'], notTaken: false });
    await record([batchOf('third', 'c')]);
    expect(await notTaken()).toEqual([]);
    await releaseDestination(store.db, claim);
    await expect(markBatches(store.db, claim, { ids: ['first'], notTaken: true })).rejects.toThrow(ClaimLost);
  });

  it('are recorded and read by nobody who has lost the claim', async () => {
    const { record, unfinished, batchOf, claim } = await owing('a');
    await record([batchOf('batch', 'a')]);
    await releaseDestination(store.db, claim);
    await claimDestination(store.db, { ...claim, token: 'successor', seconds: 60 });
    await expect(record([batchOf('another', 'a')], ['batch'])).rejects.toThrow(ClaimLost);
    await expect(unfinished()).rejects.toThrow(ClaimLost);
    const { batches } = await unfinishedBatches(store.db, { ...claim, token: 'successor' });
    expect(batches.map(({ id }) => id)).toEqual(['batch']);
  });

  it('go with their destination', async () => {
    const { record, batchOf, claim, rows } = await owing('a');
    await record([batchOf('batch', 'a')]);
    await store.sql('DELETE FROM outhaul.deliveries WHERE destination_no = $1', [claim.destinationNo]);
    await store.sql('DELETE FROM outhaul.destinations WHERE destination_no = $1', [claim.destinationNo]);
    expect(await rows()).toEqual([]);
  });
});
