import { setTimeout as delay } from 'node:timers/promises';
import type { Patience } from '../model/patience.ts';
import { query, type Database } from './database.ts';
import { StoreUnavailable } from './errors.ts';

/**
 * Asks the database for its version.
 * @throws {StoreUnavailable}
 */
export async function health(db: Database): Promise<{ readonly version: string }> {
  const [row] = await query<{ server_version: string }>(db, { text: 'SHOW server_version' });
  return { version: row?.server_version ?? '' };
}

/**
 * Waits until the database answers.
 * @throws {StoreUnavailable} when time is up. What waiting does not mend (a wrong password, no such database) is thrown
 *   at once, as PostgreSQL said it.
 */
export async function whenDatabaseAnswers(db: Database, { patienceMs, log, signal }: Patience): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      await health(db);
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() >= deadline) throw error;
      if (attempt === 1) log('Waiting for the database …');
      await delay(500, undefined, { signal });
    }
  }
}
