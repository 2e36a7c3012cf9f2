import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { URGENCY } from '../../model/delivery.ts';
import { transaction } from '../../store/database.ts';
import {
  CLAIM,
  NEXT_IN_ORDER,
  SETTLE,
  claimDeliveries,
  dueIn,
  nextInOrder,
  renewClaims,
  settleDeliveries,
  type OwedDelivery,
  type Settled,
} from '../../store/deliveries.ts';
import { claimDestination, claimToken, releaseDestination, renewDestination } from '../../store/destination-claims.ts';
import { pauseDestination, resumeDestination } from '../../store/destinations.ts';
import { ClaimLost, UnknownDestination } from '../../store/errors.ts';
import { releaseWaiting } from '../../store/owing.ts';
import { batch, Outbox, redisList, utility } from './outbox-support.ts';
import { useStore } from './support.ts';

const store = useStore();

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${String(at).padStart(5, '0')}`);
const accepted = (deliveries: readonly OwedDelivery[]): Settled[] =>
  deliveries.map(({ deliveryNo }) => ({ deliveryNo, status: 'accepted' }));

describe('claims of a destination without an order', () => {
  it('give each delivery to one of two who claim at the same time', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(names(300));
    const dbs = [store.open({ poolSize: 1 }), store.open({ poolSize: 1 })];
    const taken: number[] = [];
    await Promise.all(
      dbs.map(async (db, at) => {
        for (;;) {
          const claimed = await outbox.claim(`worker-${at}`, { limit: 7, db });
          if (claimed.length === 0) return;
          taken.push(...claimed.map(({ deliveryNo }) => deliveryNo));
        }
      }),
    );
    expect(taken).toHaveLength(300);
    expect(new Set(taken).size).toBe(300);
  });

  it('wait for nobody who holds other rows, and pass over those', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(['a', 'b', 'c']);
    const [first] = await outbox.rows();
    await transaction(store.open(), async (client) => {
      await client.query('SELECT FROM outhaul.deliveries WHERE delivery_no = $1 FOR UPDATE', [first?.no]);
      expect(await outbox.names(await outbox.claim('worker'))).toEqual(['b', 'c']);
    });
    expect(await outbox.names(await outbox.claim('worker'))).toEqual(['a']);
  });

  it('take the urgent first, and of these what is due longest', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(['old-1', 'old-2'], { urgency: URGENCY.stored });
    await outbox.owe(['scanned'], { urgency: URGENCY.scanned });
    await outbox.owe(['new-1', 'new-2']);
    expect(await outbox.names(await outbox.claim('worker', { limit: 4 }))).toEqual([
      'new-1',
      'new-2',
      'scanned',
      'old-1',
    ]);
  });

  it('are lost by a worker that was killed, and then settle nothing any more', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a']);
    const [killed] = await outbox.claim('killed');
    expect(await outbox.claim('next')).toEqual([]);
    expect(await dueIn(store.db, destinationNo)).toBeGreaterThan(50_000);
    await outbox.passClaims();
    expect(await dueIn(store.db, destinationNo)).toBe(0);
    const [again] = await outbox.claim('next');
    expect(again).toEqual({ ...killed, lost: 1 });
    const outcomes = accepted([again as OwedDelivery]);
    const nothing = { delivered: 0, dead: 0, settled: 0 };
    expect(await settleDeliveries(store.db, { destinationNo, token: 'killed' }, outcomes)).toEqual(nothing);
    expect(await outbox.statuses()).toEqual(['a claimed']);
    expect(await settleDeliveries(store.db, { destinationNo, token: 'next' }, outcomes)).toEqual({
      ...nothing,
      ...{ delivered: 1, settled: 1 },
    });
    expect(await settleDeliveries(store.db, { destinationNo, token: 'next' }, outcomes)).toEqual(nothing);
    expect(await outbox.statuses()).toEqual(['a delivered']);
  });

  it('are renewed as long as nobody else has them', async () => {
    const outbox = await Outbox.of(store, utility);
    await outbox.owe(['a', 'b']);
    const deliveryNos = (await outbox.claim('one')).map(({ deliveryNo }) => deliveryNo);
    await outbox.passClaims();
    await outbox.claim('two', { limit: 1 });
    expect(await renewClaims(store.db, { token: 'one', seconds: 60, deliveryNos })).toEqual(deliveryNos.slice(1));
    expect(await outbox.claim('three')).toEqual([]);
  });

  it('find nothing in a destination that is paused, or not there', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a']);
    await pauseDestination(store.db, outbox.destination);
    expect(await outbox.claim('worker')).toEqual([]);
    expect(await dueIn(store.db, destinationNo)).toBeNull();
    await resumeDestination(store.db, outbox.destination);
    expect(await dueIn(store.db, destinationNo)).toBe(0);
    expect(await outbox.claim('worker')).toHaveLength(1);
    const claim = { destinationNo: 999_999, token: 'worker', seconds: 60, limit: 1 };
    expect(await claimDeliveries(store.db, claim)).toEqual([]);
    await expect(settleDeliveries(store.db, claim, [])).rejects.toThrow(UnknownDestination);
  });
});

describe('settling', () => {
  it('counts attempts where there were any, and says when the next is due', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['taken', 'wrong', 'later', 'never', 'away']);
    const claimed = await outbox.claim('worker');
    const [taken, wrong, later, never, away] = claimed.map(({ deliveryNo }) => deliveryNo) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const settlement = await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      { deliveryNo: taken, status: 'accepted', httpStatus: 204 },
      { deliveryNo: wrong, status: 'accepted', httpStatus: 200, answer: 'no such\u0000 customer' },
      { deliveryNo: later, status: 'refused', cause: 'Http503', error: 'HTTP 503', httpStatus: 503, retryInMs: 60_000 },
      { deliveryNo: never, status: 'refused', cause: 'Http400', httpStatus: 400, retryInMs: null },
      { deliveryNo: away, status: 'untouched' },
    ]);
    expect(settlement).toEqual({ delivered: 2, dead: 1, settled: 5 });
    const rows = await outbox.rows(
      `, cause, last_error, http_status AS http, answer, delivered_at IS NOT NULL AS made, dead_at IS NOT NULL AS died,
        status = 'owed' AND next_at > now() + interval '50 s' AS "notYet"`,
    );
    expect(rows.map(({ no: _, attachment: __, ...row }) => row)).toEqual([
      row('taken', 'delivered', 1, { http: 204, made: true }),
      row('wrong', 'delivered', 1, { http: 200, made: true, answer: 'no such\ufffd customer' }),
      row('later', 'owed', 1, { cause: 'Http503', last_error: 'HTTP 503', http: 503, notYet: true }),
      row('never', 'dead', 1, { cause: 'Http400', http: 400, died: true }),
      row('away', 'owed', 0, {}),
    ]);
    expect(await outbox.names(await outbox.claim('worker'))).toEqual(['away']);
    const [counts] = await store.sql('SELECT delivered, answered FROM outhaul.destinations WHERE destination_no = $1', [
      destinationNo,
    ]);
    expect(counts).toEqual({ delivered: 2, answered: 1 });
  });

  const row = (id: string, status: string, attempts: number, more: object): object => ({
    ...{ id, status, attempts, cause: null, last_error: null, http: null, answer: null },
    ...{ made: false, died: false, notYet: false, ...more },
  });
});

describe('an ordered destination', () => {
  it('has one who sends, whoever asks at once', async () => {
    const { destination } = await Outbox.of(store, batch);
    const { destinationNo } = destination;
    const dbs = Array.from({ length: 5 }, () => store.open({ poolSize: 1 }));
    const answers = await Promise.all(
      dbs.map((db, at) => claimDestination(db, { destinationNo, token: `worker-${at}`, seconds: 60 })),
    );
    expect(answers.filter(({ acquired }) => acquired)).toHaveLength(1);
    for (const answer of answers) if (!answer.acquired) expect(answer.waitMs).toBeGreaterThan(50_000);
    await expect(claimDestination(store.db, { destinationNo: 999_999, token: 't', seconds: 1 })).rejects.toThrow(
      UnknownDestination,
    );
  });

  it('goes from one attempt of an activity to a later one at once, and to no other', async () => {
    const { destinationNo } = (await Outbox.of(store, batch)).destination;
    const claim = (activity: string, attempt: number): Promise<boolean> =>
      claimDestination(store.db, { destinationNo, token: claimToken(activity, attempt), seconds: 60 }).then(
        ({ acquired }) => acquired,
      );
    expect(await claim('run/1', 2)).toBe(true);
    expect(await claim('run/1', 1)).toBe(false);
    expect(await claim('run/2', 3)).toBe(false);
    expect(await claim('run/1', 10)).toBe(true);
    const earlier = { destinationNo, token: claimToken('run/1', 2), seconds: 60 };
    await expect(renewDestination(store.db, earlier)).rejects.toThrow(ClaimLost);
    await releaseDestination(store.db, earlier);
    expect(await claim('run/2', 1)).toBe(false);
  });

  it('gives its deliveries in the order in which they were stored, the same until they are settled', async () => {
    const outbox = await Outbox.of(store, batch);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['c', 'a']);
    await outbox.owe(['b']);
    const first = await outbox.next('worker', 2);
    expect(await outbox.names(first)).toEqual(['c', 'a']);
    expect(await outbox.next('worker', 2)).toEqual(first);
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, accepted(first));
    expect(await outbox.names(await outbox.next('worker', 2))).toEqual(['b']);
  });

  it('lets one that was fenced off see nothing and settle nothing', async () => {
    const outbox = await Outbox.of(store, batch);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a', 'b']);
    const seen = await outbox.next('frozen');
    await store.sql(`UPDATE outhaul.destinations SET claim_ends_at = now() WHERE destination_no = $1`, [destinationNo]);
    expect(await outbox.next('next')).toEqual(seen);
    const frozen = { destinationNo, token: 'frozen' };
    await expect(settleDeliveries(store.db, frozen, accepted(seen))).rejects.toThrow(ClaimLost);
    await expect(nextInOrder(store.db, { ...frozen, limit: 1 })).rejects.toThrow(ClaimLost);
    await expect(renewDestination(store.db, { ...frozen, seconds: 1 })).rejects.toThrow(ClaimLost);
    await releaseDestination(store.db, frozen);
    expect(await outbox.statuses()).toEqual(['a owed', 'b owed']);
    await renewDestination(store.db, { destinationNo, token: 'next', seconds: 60 });
    await releaseDestination(store.db, { destinationNo, token: 'next' });
    expect(await claimDestination(store.db, { ...frozen, seconds: 1 })).toEqual({ acquired: true });
  });

  it('is given from a place on to whoever sends what stands before', async () => {
    const outbox = await Outbox.of(store, batch);
    await outbox.owe(names(6));
    const [, , third] = await outbox.next('worker');
    const { destinationNo } = outbox.destination;
    const behind = { destinationNo, token: 'worker', limit: 2 };
    const next = await nextInOrder(store.db, { ...behind, after: third?.place });
    expect(await outbox.names(next)).toEqual(names(6).slice(3, 5));
  });

  it('waits where the first of the line has to', async () => {
    const outbox = await Outbox.of(store, batch);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a', 'b', 'c']);
    const [first, second] = await outbox.next('worker');
    const deliveryNo = second?.deliveryNo ?? 0;
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      { deliveryNo, status: 'refused', cause: 'Http503', retryInMs: 60_000 },
    ]);
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['a']);
    expect(await dueIn(store.db, destinationNo)).toBe(0);
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, accepted(first ? [first] : []));
    expect(await outbox.next('worker')).toEqual([]);
    expect(await dueIn(store.db, destinationNo)).toBeGreaterThan(50_000);
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      { deliveryNo, status: 'refused', cause: 'Http503', retryInMs: null },
    ]);
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['c']);
  });

  it('is held back by a message that waits for its attachments, for a minute at most, and has it in its place', async () => {
    const outbox = await Outbox.of(store, redisList);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['before']);
    await outbox.owe(['waits'], { owing: 'waiting' });
    await outbox.owe(['after']);
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['before']);
    const pass = (): Promise<unknown> =>
      store.sql(`UPDATE outhaul.deliveries SET next_at = now() WHERE destination_no = $1 AND status = 'waiting'`, [
        destinationNo,
      ]);
    await pass();
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['before', 'after']);
    const [{ emailNo } = { emailNo: 0 }] = await store.sql<{ emailNo: number }>(
      `SELECT email_no AS "emailNo" FROM outhaul.deliveries WHERE destination_no = $1 AND status = 'waiting'`,
      [destinationNo],
    );
    await transaction(store.db, (client) => releaseWaiting(client, [{ destinationNo, emailNo, owed: ['z', 'y'] }]));
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['before', 'waits z', 'waits y', 'after']);
  });

  it('has nothing while it is paused', async () => {
    const outbox = await Outbox.of(store, batch);
    await outbox.owe(['a']);
    await pauseDestination(store.db, outbox.destination);
    expect(await outbox.next('worker')).toEqual([]);
    await resumeDestination(store.db, outbox.destination);
    expect(await outbox.next('worker')).toHaveLength(1);
  });
});

describe('the order, while others write', () => {
  const clients: pg.Client[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end();
  });
  async function writer(): Promise<pg.Client> {
    const client = new pg.Client(store.url);
    await client.connect();
    clients.push(client);
    await client.query('BEGIN');
    return client;
  }
  const owe = (client: pg.Client, { destination, organization }: Outbox, emailNo: number): Promise<unknown> =>
    client.query(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
        VALUES ($1, $2, 1, $3, true, 'owed', 1)`,
      [destination.destinationNo, organization.organizationId, emailNo],
    );
  const emailNos = async (outbox: Outbox): Promise<number[]> =>
    (await outbox.next('worker')).map(({ emailNo }) => emailNo);
  const emailNosNow = async ({ destination: { destinationNo } }: Outbox): Promise<number[]> => {
    await claimDestination(store.db, { destinationNo, token: 'worker', seconds: 60 });
    const next = await nextInOrder(store.db, { destinationNo, token: 'worker', limit: 10 });
    return next.map(({ emailNo }) => emailNo);
  };

  it('is that in which transactions began: one that began first and commits last is not overtaken', async () => {
    const outbox = await Outbox.of(store, batch);
    const [first, second] = [await writer(), await writer()];
    await owe(first, outbox, 2);
    await owe(second, outbox, 1);
    await second.query('COMMIT');
    expect(await emailNosNow(outbox)).toEqual([]);
    expect(await dueIn(store.db, outbox.destination.destinationNo)).toBe(0);
    await first.query('COMMIT');
    expect(await emailNos(outbox)).toEqual([2, 1]);
  });

  it('goes on where the one that began first is lost', async () => {
    const outbox = await Outbox.of(store, batch);
    const [first, second] = [await writer(), await writer()];
    await owe(first, outbox, 2);
    await owe(second, outbox, 1);
    await second.query('COMMIT');
    await first.query('ROLLBACK');
    expect(await emailNos(outbox)).toEqual([1]);
  });

  it('has a place for what comes from another server, whose transactions are far ahead', async () => {
    const outbox = await Outbox.of(store, batch);
    await outbox.owe(['a', 'b']);
    await store.sql(`UPDATE outhaul.deliveries SET owed_xid = '9999999999' WHERE destination_no = $1`, [
      outbox.destination.destinationNo,
    ]);
    expect(await outbox.names(await outbox.next('worker'))).toEqual(['a', 'b']);
  });
});

describe('ten thousand that are owed', () => {
  /** What the plan of a statement says, made for any parameters, as the store's connections make it. */
  async function planOf(statement: string, values: readonly unknown[]): Promise<string> {
    return transaction(store.db, async (client) => {
      await client.query(`PREPARE planned AS ${statement}`);
      const given = values.map((value) => (typeof value === 'number' ? String(value) : `'${String(value)}'`));
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) EXECUTE planned(${given.join(', ')})`,
      );
      await client.query('DEALLOCATE planned');
      return rows.map((line) => line['QUERY PLAN']).join('\n');
    });
  }

  it('are claimed and settled by their indexes, in any number, also by plans of an empty table', async () => {
    const fresh = await Outbox.of(store, utility);
    await store.sql('ANALYZE outhaul.deliveries');
    for (const kind of [utility, batch]) {
      const outbox = kind === utility ? fresh : await Outbox.of(store, kind);
      const { destinationNo } = outbox.destination;
      await store.sql(
        `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
          SELECT $1, $2, 1, no, $3, 'owed', 1 FROM generate_series(1, 10000) no`,
        [destinationNo, outbox.organization.organizationId, kind === batch],
      );
      const taken = kind === batch ? await outbox.next('worker') : await outbox.claim('worker');
      expect(taken.map(({ emailNo }) => emailNo)).toEqual(names(100).map((_, at) => at + 1));
      const line = kind === batch ? 'deliveries_in_order' : 'deliveries_due';
      const ask = kind === batch ? NEXT_IN_ORDER : CLAIM;
      const asked = kind === batch ? [destinationNo, 'worker', 100, '0', 0, -1] : [destinationNo, 'other', 60, 100];
      const claim = await planOf(ask, asked);
      expect(claim).toContain(`using ${line} on deliveries`);
      const nos = taken.map(({ deliveryNo }) => deliveryNo);
      const records = JSON.stringify(Object.fromEntries(nos.map((no) => [no, { status: 'delivered', attempt: 1 }])));
      const settling = await planOf(SETTLE, [destinationNo, 'worker', `{${nos.join()}}`, records]);
      expect(settling).toMatch(/Index Scan (using|on) deliveries_pkey/);
      for (const plan of [claim, settling]) {
        expect(plan).not.toContain('Seq Scan on deliveries');
        const most = [...plan.matchAll(/(?:rows=|Removed by Filter: )(\d+)/g)].map(([, rows]) => Number(rows));
        expect(Math.max(...most)).toBeLessThan(1_000);
      }
    }
  });
});
