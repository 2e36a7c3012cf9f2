import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { closeDatabase, openDatabase, query, runPrepared, transaction, withClient } from '../../store/database.ts';
import { StoreUnavailable, toStoreError } from '../../store/errors.ts';
import { health, whenDatabaseAnswers } from '../../store/health.ts';
import { handedOver } from '../../store/values.ts';
import { log, sealer, useStore } from './support.ts';

const store = useStore();

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a database that is away', () => {
  it('makes every call fail as unavailable, with its cause', async () => {
    const db = openDatabase({ host: '127.0.0.1', port: await deadPort(), user: 'u', database: 'd', sealer, log });
    const failure = await health(db).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect((failure as StoreUnavailable).cause).toMatchObject({ code: 'ECONNREFUSED' });
    await expect(transaction(db, async () => 1)).rejects.toThrow(StoreUnavailable);
    await closeDatabase(db);
    await closeDatabase(db);
  });

  it('is waited for with a word, until patience ends', async () => {
    const db = openDatabase({ host: '127.0.0.1', port: await deadPort(), user: 'u', database: 'd', sealer, log });
    const lines: string[] = [];
    const never = (): Promise<void> => Promise.reject(new Error('it does not answer'));
    const waiting = whenDatabaseAnswers(db, { patienceMs: 700, log: (line) => lines.push(line) }, never);
    await expect(waiting).rejects.toThrow(StoreUnavailable);
    expect(lines).toHaveLength(1);
    const signal = AbortSignal.abort();
    const aborted = whenDatabaseAnswers(db, { patienceMs: 60_000, log: () => undefined, signal }, never);
    await expect(aborted).rejects.toThrow('aborted');
    await closeDatabase(db);
  });

  it('does not answer to a wrong password, and waiting does not mend that', async () => {
    const url = new URL(store.url);
    url.pathname = '/no_such_database';
    const db = store.open({ url: url.href });
    const patience = { patienceMs: 60_000, log: () => undefined };
    const failure = await whenDatabaseAnswers(db, patience, () => health(db)).catch(String);
    expect(failure).toContain('does not exist');
  });

  it('may go away again in what is done as soon as it answers: that is done once more', async () => {
    const db = store.open({ poolSize: 1 });
    let tries = 0;
    const work = async (): Promise<string> => {
      tries += 1;
      if (tries === 1) await query(db, { text: 'SELECT pg_terminate_backend(pg_backend_pid())' });
      return 'done';
    };
    const patience = { patienceMs: 60_000, log: () => undefined };
    expect(await whenDatabaseAnswers(db, patience, work)).toBe('done');
    expect(tries).toBe(2);
  });
});

describe('a connection that is cut', () => {
  it('in a statement, fails as unavailable, and the next call has a new one', async () => {
    const db = store.open({ poolSize: 1 });
    const suicide = query(db, { text: 'SELECT pg_terminate_backend(pg_backend_pid())' });
    await expect(suicide).rejects.toThrow(StoreUnavailable);
    expect((await health(db)).version).toMatch(/^\d+/);
  });

  it('between two statements of a transaction, or while idle, does not end the process', async () => {
    const db = store.open({ poolSize: 1 });
    const cut = async (pid: number): Promise<void> => {
      await store.sql('SELECT pg_terminate_backend($1, 5000)', [pid]);
    };
    const pidOf = 'SELECT pg_backend_pid() AS pid';
    const failing = transaction(db, async (client) => {
      const { rows } = await client.query<{ pid: number }>(pidOf);
      await cut(rows[0]?.pid ?? 0);
      await client.query('SELECT 1');
    });
    await expect(failing).rejects.toThrow(StoreUnavailable);
    const [idle] = await query<{ pid: number }>(db, { text: pidOf });
    await cut(idle?.pid ?? 0);
    await expect.poll(() => db.pool.totalCount).toBe(0);
    expect((await health(db)).version).toMatch(/^\d+/);
  });
});

describe('a database that stops answering', () => {
  it('is given up, and the next call has a new connection', async () => {
    const { hostname, port } = new URL(store.url);
    const silent = new Set<Socket>();
    let deaf = false;
    const proxy = createServer((client) => {
      const server = connect(Number(port), hostname);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        silent.add(from);
        from
          .on('data', (data) => deaf || to.write(data))
          .on('close', () => to.destroy())
          .on('error', () => undefined);
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = new URL(store.url);
    url.port = String((proxy.address() as AddressInfo).port);
    const db = store.open({ url: url.href, poolSize: 1, statementTimeoutMs: 100 });
    await health(db);
    deaf = true;
    const unanswered = withClient(db.pool, (client) => client.query('SELECT 1'));
    await expect(unanswered).rejects.toThrow(StoreUnavailable);
    deaf = false;
    await health(db);
    for (const socket of silent) socket.destroy();
    proxy.close();
  });
});

describe('a pool', () => {
  it('that is used up makes callers wait, and then fails as unavailable', async () => {
    const db = store.open({ poolSize: 1, poolTimeoutMs: 200 });
    await withClient(db.pool, async () => {
      await expect(health(db)).rejects.toThrow(StoreUnavailable);
    });
    await health(db);
  });

  it('gives a statement up that takes too long', async () => {
    const db = store.open({ statementTimeoutMs: 100 });
    await expect(query(db, { text: 'SELECT pg_sleep(60)' })).rejects.toThrow(StoreUnavailable);
  });

  it('rolls back what failed and goes on', async () => {
    await store.sql('CREATE TABLE public.tried (n int)');
    const failing = transaction(store.db, async (client) => {
      await client.query('INSERT INTO public.tried VALUES (1)');
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(await store.sql('SELECT * FROM public.tried')).toEqual([]);
  });

  it('answers times as ISO 8601 in UTC and counts as numbers, whatever the server’s zone', async () => {
    const url = new URL(store.url);
    url.searchParams.set('options', '-c TimeZone=Asia/Kolkata');
    const db = store.open({ url: url.href });
    const [row] = await query(db, {
      text: `SELECT '2024-01-01T00:00:00.25Z'::timestamptz AS t, '0001-01-01T00:00:00Z'::timestamptz AS first,
        '9999-12-31T23:59:59Z'::timestamptz AS last, 9007199254740991::bigint AS n, 1.5::numeric AS d`,
    });
    expect(row).toEqual({
      t: '2024-01-01T00:00:00.25Z',
      first: '0001-01-01T00:00:00Z',
      last: '9999-12-31T23:59:59Z',
      n: 9_007_199_254_740_991,
      d: 1.5,
    });
  });

  it('keeps few statements prepared on a connection, and runs the others all the same', async () => {
    await withClient(store.open().pool, async (client) => {
      for (let i = 0; i < 60; i++) {
        const rows = await runPrepared<{ n: number }>(client, { name: `s${i}`, text: `SELECT ${i} AS n` });
        expect(rows).toEqual([{ n: i }]);
      }
      const { rows } = await client.query<{ count: number }>('SELECT count(*) AS count FROM pg_prepared_statements');
      expect(rows[0]?.count).toBe(40);
    });
  });

  it('keeps a statement that every read needs prepared, whatever runs between', async () => {
    const db = store.open({ poolSize: 1 });
    const often = { text: 'SELECT $1::int AS n', prepared: true };
    for (const n of [1, 2, 3]) {
      expect(await query<{ n: number }>(db, { ...often, values: [n] })).toEqual([{ n }]);
      await query(db, { text: 'SELECT 1' });
    }
    const kept = { text: 'SELECT count(*) AS count FROM pg_prepared_statements' };
    expect(await query<{ count: number }>(db, kept)).toEqual([{ count: 1 }]);
  });
});

describe('an error', () => {
  const withCode = (code: string): Error => Object.assign(new Error('x'), { code });

  it.each(['08006', '53300', '57P01', '57P03', '40P01', '40001', '57014', 'ECONNRESET', 'ENOTFOUND', 'EPIPE'])(
    'of code %s passes',
    (code) => {
      expect(toStoreError(withCode(code))).toBeInstanceOf(StoreUnavailable);
      expect(toStoreError(new AggregateError([withCode(code)]))).toBeInstanceOf(StoreUnavailable);
    },
  );

  it.each(['23505', '42601', '22021', '28P01', '3D000', '42501', 'ERR_INVALID_ARG_TYPE'])(
    'of code %s does not',
    (code) => {
      const error = withCode(code);
      expect(toStoreError(error)).toBe(error);
    },
  );

  it('that is none, or the store’s own, stays what it is', () => {
    const own = new StoreUnavailable('x');
    for (const each of [own, 'text', undefined, new TypeError('x')]) expect(toStoreError(each)).toBe(each);
  });
});

describe('A text that is handed over', () => {
  it('arrives as a parameter, once', async () => {
    const text = handedOver('Grüße \u{1f48c}');
    const statement = { text: 'SELECT $1::text AS text', values: [text] };
    expect(await query(store.db, statement)).toEqual([{ text: 'Grüße \u{1f48c}' }]);
    await expect(query(store.db, statement)).rejects.toThrow('handed over already');
  });
});
