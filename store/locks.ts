import { withClient, type Client, type Database } from './database.ts';

/**
 * Does the work while this process is the only one, of all that use the database, to hold the lock of that name; waits
 * for the lock as long as it takes. The work runs on one connection, outside a transaction. Whatever happens, the lock
 * is free afterwards.
 */
export const withLock = <Result>(
  { patientPool }: Database,
  name: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> =>
  withClient(patientPool, async (client) => {
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`outhaul/${name}`]);
    try {
      return await work(client);
    } finally {
      // Where this fails the connection is lost, and the lock with it.
      await client.query('ROLLBACK; SELECT pg_advisory_unlock_all()').catch(() => undefined);
    }
  });
