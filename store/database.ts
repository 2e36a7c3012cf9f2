import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Sealer } from '../model/sealing.ts';
import { StoreUnavailable, toStoreError } from './errors.ts';
import type { Organization } from './organizations.ts';
import { types } from './values.ts';

/** Where the store says what an operator should know. A pino logger fits. */
export interface StoreLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; or the parts below. */
  readonly url?: string | undefined;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  /** Connections at most. Default 10. */
  readonly poolSize?: number;
  /** Milliseconds to wait for a connection, new or free. Default 30,000. */
  readonly poolTimeoutMs?: number;
  /**
   * Milliseconds after which PostgreSQL gives a statement up; some time later the caller does, should PostgreSQL not
   * answer at all. Default 60,000.
   */
  readonly statementTimeoutMs?: number;
  /** As `pg_stat_activity` shows it. Default `outhaul`. */
  readonly applicationName?: string;
  readonly sealer: Sealer;
  readonly log: StoreLog;
}

/** The first parameter of every function of the store. */
export interface Database {
  readonly pool: pg.Pool;
  /** One connection more, without limits of time: for what waits for others, or takes long and rarely happens. */
  readonly patientPool: pg.Pool;
  readonly sealer: Sealer;
  readonly log: StoreLog;
  /** Organizations whose schema this process knows to be there and up to date, by id. */
  readonly organizations: Map<string, Promise<Organization>>;
}

/** A connection of the pool in the middle of a transaction. */
export type Client = pg.ClientBase;

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Whether every read of a mailbox needs it: to parse and plan it costs more than to run it, so it stays prepared. */
  readonly prepared?: boolean;
}

/** A statement worth preparing; the name always means the same text. */
export interface NamedStatement extends Statement {
  readonly name: string;
}

/**
 * What every connection is set to. The store finds rows by their keys and asks for little else, and its tables grow from
 * nothing: plans are made once, for any parameters, and of nothing but index look-ups, so that a plan made while a table
 * was small is right when it has grown. A process that freezes in the middle of a transaction loses it, and its locks,
 * before anyone's patience ends.
 */
const settings = (statementTimeoutMs: number): string => `
  SET TIME ZONE 'UTC';
  SET statement_timeout = ${Math.trunc(statementTimeoutMs)};
  SET idle_in_transaction_session_timeout = '15s';
  SET plan_cache_mode = force_generic_plan;
  SET enable_seqscan = off;
  SET enable_hashjoin = off;
  SET enable_mergejoin = off;
  SET jit = off`;

/** Makes the pools; no connection is made before the first use. */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, host, port, database, user, password, sealer, log, statementTimeoutMs = 60_000 } = options;
  const connection: pg.PoolConfig = {
    ...(url !== undefined ? { connectionString: url } : { host, port, database, user, password }),
    connectionTimeoutMillis: options.poolTimeoutMs ?? 30_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: options.applicationName ?? 'outhaul',
    types,
  };
  // The pool waits for it before it hands a new connection out, though its type does not say so.
  const hooks = { onConnect: (client: Client): Promise<unknown> => client.query(settings(statementTimeoutMs)) };
  const pool = new pg.Pool({
    ...connection,
    ...hooks,
    max: options.poolSize ?? 10,
    maxLifetimeSeconds: 1_800,
    query_timeout: statementTimeoutMs * 1.2 + 1_000,
  });
  const patientPool = new pg.Pool({ ...connection, max: 1 });
  for (const each of [pool, patientPool]) {
    each.on('error', (error) => log.warn({ err: error }, 'An idle connection to the database was lost'));
  }
  return { pool, patientPool, sealer, log, organizations: new Map() };
}

/** Ends every connection when what runs on it has ended. */
export async function closeDatabase({ pool, patientPool }: Database): Promise<void> {
  await Promise.all([pool, patientPool].filter((each) => !each.ending).map((each) => each.end()));
}

/** Runs one statement, in a transaction of its own. */
export async function query<Row extends object = never>(
  { pool }: Pick<Database, 'pool'>,
  { prepared: staysPrepared = false, ...statement }: Statement,
): Promise<Row[]> {
  if (staysPrepared) {
    const named = { name: nameOf(statement), ...statement };
    return withClient(pool, (client) => runPrepared<Row>(client, named));
  }
  try {
    const { rows } = await pool.query<Row>(statement as pg.QueryConfig);
    return rows;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Runs one statement on a connection. */
export async function run<Row extends object = never>(client: Client, statement: Statement): Promise<Row[]> {
  const { rows } = await client.query<Row>(statement as pg.QueryConfig);
  return rows;
}

/** The same for the same text; PostgreSQL cuts names that are longer than 63 bytes. */
export const nameOf = ({ text }: Statement): string => createHash('sha256').update(text).digest('base64url');

/**
 * Statements that a connection keeps prepared at most. That of a page weighs two thirds of a megabyte there, the others a
 * tenth of it.
 */
const MOST_PREPARED = 40;
const prepared = new WeakMap<Client, Set<string>>();

/**
 * As `run`, and the statement stays prepared on the connection under its name, as long as there are few of them: beyond
 * that it is parsed and planned anew, which costs time but no memory.
 */
export function runPrepared<Row extends object = never>(
  client: Client,
  { name, ...statement }: NamedStatement,
): Promise<Row[]> {
  const names = prepared.get(client) ?? new Set();
  prepared.set(client, names);
  const keeps = names.has(name) || names.size < MOST_PREPARED;
  if (keeps) names.add(name);
  const config = keeps ? { name, ...statement } : statement;
  return run(client, config);
}

/**
 * Does the work on one connection of the pool; whatever passes comes out as `StoreUnavailable`. After that nobody knows
 * what the connection is at, so it is closed.
 */
export async function withClient<Result>(pool: pg.Pool, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error);
  });
  // A connection may be lost between two statements; an event that nobody listens to would end the process.
  let broken: Error | undefined;
  const onLoss = (error: Error): void => void (broken = error);
  client.on('error', onLoss);
  try {
    return await work(client);
  } catch (error) {
    const storeError = toStoreError(error);
    if (storeError instanceof StoreUnavailable) broken = storeError;
    throw storeError;
  } finally {
    client.off('error', onLoss);
    client.release(broken);
  }
}

/** Does the work in one transaction: all of it is committed, or none. */
export const transaction = <Result>({ pool }: Database, work: (client: Client) => Promise<Result>): Promise<Result> =>
  withClient(pool, async (client) => {
    await client.query('BEGIN');
    try {
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      // Where this fails too the connection is lost, the transaction with it, and the pool will find out.
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  });
