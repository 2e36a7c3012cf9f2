import { describe, expect, it, vi } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { CLOSED } from '../../model/circuit.ts';
import { withDefaults } from '../../model/destination.ts';
import { SealError } from '../../model/sealing.ts';
import { transaction } from '../../store/database.ts';
import { circuitOf, tellCircuit } from '../../store/destination-claims.ts';
import {
  changeDestination,
  createDestination,
  destinationById,
  listDestinations,
  loadDestination,
  pauseDestination,
  removeDestination,
  resumeDestination,
} from '../../store/destinations.ts';
import { DestinationExists, UnknownDestination } from '../../store/errors.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { finishRemoval, removedDestinations } from '../../store/removed-destinations.ts';
import { credentialsByKey, resealCredentials } from '../../store/sealed-credentials.ts';
import { batch, Outbox, utility } from './outbox-support.ts';
import { sealer, unique, useStore } from './support.ts';

const store = useStore();
const organization = () => ensureOrganization(store.db, unique('org'));

describe('a destination', () => {
  it('is made, listed, found by its id and loaded with its secret, which nothing else shows', async () => {
    const own = await organization();
    const secret = { token: 'bearer-token', signingKey: 'signing-key' };
    const made = await createDestination(store.db, own, { ...utility, name: 'invoices', starts: 'now', secret });
    expect(made).toEqual({
      ...utility,
      ...{ destinationNo: expect.any(Number) as number, id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
      ...{ organizationId: own.organizationId, name: 'invoices', status: 'active', starts: 'now', fed: false },
      ...{ circuit: null, health: null, healthAt: null, hasSecret: true },
      ...{ createdAt: expect.any(String) as string, changedAt: made.createdAt },
    });
    const other = await createDestination(store.db, own, { ...batch, name: 'batches', starts: 'stored' });
    expect(await listDestinations(store.db, own.organizationId)).toEqual([made, other]);
    expect((await listDestinations(store.db, null)).length).toBeGreaterThanOrEqual(2);
    expect(await destinationById(store.db, made.id.toUpperCase(), null)).toEqual(made);
    expect(await destinationById(store.db, made.id, own.organizationId)).toEqual(made);
    expect(await destinationById(store.db, made.id, 'another')).toBeUndefined();
    expect(await destinationById(store.db, 'no uuid', null)).toBeUndefined();
    expect(await loadDestination(store.db, made.id)).toEqual({ destination: made, secret });
    expect(await loadDestination(store.db, other.id)).toEqual({ destination: other, secret: {} });
    const [row] = await store.sql<{ all: string }>(
      'SELECT d::text AS all FROM outhaul.destinations d WHERE name = $1',
      ['invoices'],
    );
    expect(row?.all).not.toContain('bearer-token');
    expect(row?.all).not.toContain(Buffer.from('bearer-token').toString('hex'));
  });

  it('has a name that no other of its organization has', async () => {
    const own = await organization();
    const named = { ...utility, name: 'taken', starts: 'now' } as const;
    await createDestination(store.db, own, named);
    await createDestination(store.db, await organization(), named);
    await expect(createDestination(store.db, own, named)).rejects.toThrow(DestinationExists);
    const other = await createDestination(store.db, own, { ...named, name: 'free' });
    await expect(changeDestination(store.db, other, { name: 'taken' })).rejects.toThrow(DestinationExists);
  });

  it('is changed in what is given, and keeps the rest', async () => {
    const secret = { token: 'one' };
    const made = await createDestination(store.db, await organization(), {
      ...{ ...utility, name: 'changing', starts: 'now', secret },
    });
    const settings = withDefaults('utility', { endpoint: 'https://other.example', filters: { subject: ['x'] } });
    expect(await changeDestination(store.db, made, { settings })).toMatchObject({ name: 'changing', settings });
    expect(await loadDestination(store.db, made.id)).toMatchObject({ secret });
    const renamed = await changeDestination(store.db, made, { name: 'changed', secret: { token: 'two' } });
    expect(renamed).toMatchObject({ name: 'changed', settings, hasSecret: true });
    expect(await loadDestination(store.db, made.id)).toMatchObject({ secret: { token: 'two' } });
    expect(await changeDestination(store.db, made, { secret: null })).toMatchObject({ hasSecret: false });
    await removeDestination(store.db, made, { drop: false });
    expect(await changeDestination(store.db, made, { name: 'x' })).toBeUndefined();
  });

  it('has the defaults of today in settings that were stored before there were any', async () => {
    const made = await createDestination(store.db, await organization(), { ...utility, name: 'old', starts: 'now' });
    await store.sql(
      `UPDATE outhaul.destinations SET settings = '{"endpoint": "https://old.example"}' WHERE destination_id = $1`,
      [made.id],
    );
    expect(await destinationById(store.db, made.id, null)).toMatchObject({
      settings: withDefaults('utility', { endpoint: 'https://old.example' }),
    });
  });

  it('is paused and resumed', async () => {
    const made = await createDestination(store.db, await organization(), { ...utility, name: 'p', starts: 'now' });
    expect(await pauseDestination(store.db, made)).toMatchObject({ status: 'paused' });
    expect(await resumeDestination(store.db, made)).toMatchObject({ status: 'active' });
  });

  it('is removed with what is owed to it only where that is wanted', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(['a', 'b']);
    expect(await removeDestination(store.db, outbox.destination, { drop: false })).toEqual({
      status: 'owing',
      owing: 2,
    });
    expect(await outbox.statuses()).toHaveLength(2);
    expect(await removeDestination(store.db, outbox.destination, { drop: true })).toEqual({
      status: 'removed',
      dropped: 2,
    });
    expect(await outbox.statuses()).toEqual([]);
    expect(await removeDestination(store.db, outbox.destination, { drop: true })).toEqual({ status: 'unknown' });
  });

  it('that is being removed is known to nobody, though a page may still owe to it', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destination, organization } = outbox;
    const { id, destinationNo, name } = destination;
    await outbox.owe(['a', 'b']);
    await store.sql(`UPDATE outhaul.destinations SET status = 'removed', name = $2 WHERE destination_no = $1`, [
      ...[destinationNo, unique('removed')],
    ]);
    await outbox.owe(['late']);
    expect(await listDestinations(store.db, organization.organizationId)).toEqual([]);
    expect(await destinationById(store.db, id, null)).toBeUndefined();
    expect(await loadDestination(store.db, id)).toBeUndefined();
    expect(await resumeDestination(store.db, destination)).toBeUndefined();
    expect(await removeDestination(store.db, destination, { drop: true })).toEqual({ status: 'unknown' });
    await createDestination(store.db, organization, { ...utility, name, starts: 'now' });
    expect(await removedDestinations(store.db)).toContain(destinationNo);
    await Promise.all([finishRemoval(store.db, destinationNo), finishRemoval(store.db, destinationNo)]);
    expect(await removedDestinations(store.db)).not.toContain(destinationNo);
    expect(await outbox.statuses()).toEqual([]);
  });

  it('that is removed frees its name at once, however long its deliveries take to go', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destination, organization } = outbox;
    await outbox.owe(['a', 'b']);
    const removal = await transaction(store.open(), async (client) => {
      await client.query('SELECT FROM outhaul.deliveries WHERE destination_no = $1 FOR UPDATE', [
        destination.destinationNo,
      ]);
      const removing = removeDestination(store.db, destination, { drop: true });
      await vi.waitFor(async () => expect(await listDestinations(store.db, organization.organizationId)).toEqual([]));
      await createDestination(store.db, organization, { ...utility, name: destination.name, starts: 'now' });
      return { removing };
    });
    expect(await removal.removing).toEqual({ status: 'removed', dropped: 2 });
    expect(await outbox.statuses()).toEqual([]);
  });

  it('keeps its secret when keys rotate, and its secret opens as no other’s', async () => {
    const [old, fresh] = [generateKey(), generateKey()];
    const [before, after] = [old, `${fresh},${old}`].map((keys) => store.open({ sealer: parseKeyRing(keys) }));
    if (!before || !after) throw new Error('No key ring');
    const own = await organization();
    const one = await createDestination(before, own, {
      ...utility,
      name: '1',
      starts: 'now',
      secret: { token: 'one' },
    });
    const two = await createDestination(before, own, {
      ...utility,
      name: '2',
      starts: 'now',
      secret: { token: 'two' },
    });
    const freshId = fresh.split(':')[0] ?? '';
    expect(await resealCredentials(after, freshId, { batch: 1 })).toBe(2);
    expect((await credentialsByKey(after)).get(freshId)).toBe(2);
    const alone = store.open({ sealer: parseKeyRing(fresh) });
    expect(await loadDestination(alone, one.id)).toMatchObject({ secret: { token: 'one' } });
    await store.sql(
      `UPDATE outhaul.destinations SET sealed_secret =
        (SELECT sealed_secret FROM outhaul.destinations WHERE destination_id = $1) WHERE destination_id = $2`,
      [one.id, two.id],
    );
    await expect(loadDestination(alone, two.id)).rejects.toThrow(SealError);
    await expect(loadDestination(store.open({ sealer }), one.id)).rejects.toThrow(SealError);
  });
});

describe('the circuit of a destination', () => {
  it('is kept, and one of many who ask at once may try', async () => {
    const { destinationNo, id } = await createDestination(store.db, await organization(), {
      ...{ ...utility, name: 'circuit', starts: 'now' },
    });
    expect(await circuitOf(store.db, destinationNo)).toMatchObject({ circuit: CLOSED });
    const limits = { failures: 2, openMs: 0, probeMs: 60_000 };
    const { after } = await tellCircuit(store.db, destinationNo, ['failed', 'failed'], limits);
    expect(after).toMatchObject({ state: 'open' });
    expect((await destinationById(store.db, id, null))?.circuit).toEqual(after);
    const asked = await Promise.all([1, 2, 3].map(() => tellCircuit(store.db, destinationNo, ['probing'], limits)));
    expect(asked.filter((answer) => answer.before.state === 'open')).toHaveLength(1);
    await tellCircuit(store.db, destinationNo, ['answered']);
    expect((await destinationById(store.db, id, null))?.circuit).toBeNull();
    for (const of of [circuitOf(store.db, 999_999), tellCircuit(store.db, 999_999, ['failed'])]) {
      await expect(of).rejects.toThrow(UnknownDestination);
    }
  });

  it('is closed by whoever resumes it', async () => {
    const made = await createDestination(store.db, await organization(), { ...utility, name: 'c', starts: 'now' });
    await tellCircuit(store.db, made.destinationNo, ['failed'], { failures: 1 });
    expect(await resumeDestination(store.db, made)).toMatchObject({ circuit: null });
  });
});
