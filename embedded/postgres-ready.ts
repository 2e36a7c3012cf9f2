import pg from 'pg';
import { PostgresStartError } from './errors.ts';
import type { GuardedProcess } from './guarded-process.ts';
import type { ServiceLog } from './log-file.ts';
import { pause } from './pause.ts';

/** Crash recovery counts into this. */
const START_TIMEOUT_MS = 180_000;
const WORD_EVERY_MS = 15_000;

/** Waits until the server answers an authenticated connection; throws where it ends first or takes too long. */
export async function untilConnectable(options: {
  server: GuardedProcess;
  serverLog: ServiceLog;
  /** Of any database that exists. */
  url: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { server, serverLog, signal } = options;
  let ended = false;
  void server.exited.then(() => (ended = true));
  const begun = Date.now();
  let nextWord = begun + WORD_EVERY_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (ended) {
      throw new PostgresStartError(
        `PostgreSQL ended at its start (${serverLog.file}):\n${await serverLog.lastLines()}`,
      );
    }
    const failure = await connectOnce(options.url);
    if (!failure) return;
    if (Date.now() > begun + START_TIMEOUT_MS) {
      throw new PostgresStartError(
        `PostgreSQL did not accept connections within ${START_TIMEOUT_MS / 1000} s: ${failure.message}\n` +
          `${await serverLog.lastLines()}`,
        { cause: failure },
      );
    }
    if (Date.now() > nextWord) {
      nextWord += WORD_EVERY_MS;
      options.log(`PostgreSQL is not ready yet (${failure.message}); after a crash it recovers first`);
    }
    await Promise.race([pause(25, signal), server.exited]);
  }
}

/** Makes the database where it does not exist. `adminUrl` is of another database. */
export async function ensureDatabase(adminUrl: string, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (!rowCount) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

async function connectOnce(connectionString: string): Promise<Error | undefined> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    await client.end().catch(() => undefined);
  }
}
