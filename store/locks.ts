import type { Client, Database } from './database.ts';
import { toStoreError } from './errors.ts';

/**
 * Does the work while this process is the only one, of all that use the database, to hold the lock of that name; waits
 * for the lock as long as it takes. The work runs on one connection, outside a transaction; the connection is closed
 * afterwards and the lock with it, whatever happens.
 */
export async function withLock<Result>(
  { pool }: Database,
  name: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw toStoreError(error);
  });
  client.on('error', ignoreLoss);
  try {
    await client.query('SET statement_timeout = 0');
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`outhaul/${name}`]);
    return await work(client);
  } catch (error) {
    throw toStoreError(error);
  } finally {
    client.release(true);
  }
}

/** The statement that runs next reports the loss; an event without a listener would end the process. */
const ignoreLoss = (): void => undefined;
