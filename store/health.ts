import { patiently, type Patience } from '../model/patience.ts';
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
 * Waits until the database answers, and does `work` with it; again, should the database go away under it.
 * @throws {StoreUnavailable} when time is up. What waiting does not mend (a wrong password, no such database) is thrown
 *   at once, as PostgreSQL said it.
 */
export function whenDatabaseAnswers<T>(db: Database, patience: Patience, work: () => Promise<T>): Promise<T> {
  const attempt = async (): Promise<T> => {
    await health(db);
    return work();
  };
  return patiently('the database', attempt, patience, { mayPass: (error) => error instanceof StoreUnavailable });
}
