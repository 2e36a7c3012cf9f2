import pg from 'pg';
import type { Sealer } from '../model/sealing.ts';
import { toStoreError } from './errors.ts';
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
  /** Milliseconds after which PostgreSQL gives a statement up. Default 60,000. */
  readonly statementTimeoutMs?: number;
  /** As `pg_stat_activity` shows it. Default `outhaul`. */
  readonly applicationName?: string;
  readonly sealer: Sealer;
  readonly log: StoreLog;
}

/** The first parameter of every function of the store. */
export interface Database {
  readonly pool: pg.Pool;
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
  /** Prepared under this name on each connection; the text must always be the same. */
  readonly name?: string;
}

/** Makes the pool; no connection is made before the first use. */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, host, port, database, user, password, sealer, log } = options;
  const settings = `SET TIME ZONE 'UTC'; SET statement_timeout = ${Math.trunc(options.statementTimeoutMs ?? 60_000)}`;
  // The pool waits for it before it hands a new connection out, though its type does not say so.
  const hooks = { onConnect: (client: Client): Promise<unknown> => client.query(settings) };
  const pool = new pg.Pool({
    ...(url !== undefined ? { connectionString: url } : { host, port, database, user, password }),
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: options.poolTimeoutMs ?? 30_000,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: 1_800,
    keepAlive: true,
    application_name: options.applicationName ?? 'outhaul',
    types,
    ...hooks,
  });
  pool.on('error', (error) => log.warn({ err: error }, 'An idle connection to the database was lost'));
  return { pool, sealer, log, organizations: new Map() };
}

/** Ends every connection when what runs on it has ended. */
export async function closeDatabase({ pool }: Database): Promise<void> {
  if (!pool.ending) await pool.end();
}

/** Runs one statement, in a transaction of its own. */
export async function query<Row extends object = never>(
  { pool }: Pick<Database, 'pool'>,
  statement: Statement,
): Promise<Row[]> {
  try {
    const { rows } = await pool.query<Row>(statement as pg.QueryConfig);
    return rows;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Runs one statement on a connection in a transaction. */
export async function run<Row extends object = never>(client: Client, statement: Statement): Promise<Row[]> {
  const { rows } = await client.query<Row>(statement as pg.QueryConfig);
  return rows;
}

/** Does the work in one transaction: all of it is committed, or none. */
export async function transaction<Result>(
  { pool }: Database,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error);
  });
  let broken: Error | undefined;
  const onLoss = (error: Error): void => void (broken = error);
  client.on('error', onLoss);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(onLoss);
    throw toStoreError(error);
  } finally {
    client.off('error', onLoss);
    client.release(broken);
  }
}
