import { run, type Client, type Database } from './database.ts';
import { IncompatibleDatabase, sqlState } from './errors.ts';
import { withLock } from './locks.ts';
import { controlMigrations } from './migrations/control.ts';
import { runMigrations } from './run-migrations.ts';

const SCHEMA = 'outhaul';
const VIEWS = ['jobs', 'job_checkpoints'];
const OLDEST_SERVER = 14;

/**
 * Brings the control schema up to date; schemas of organizations follow when they are used. Of several processes that
 * start at once, one does it and the others wait.
 * @throws {IncompatibleDatabase} when the database belongs to a newer Outhaul, is too old, holds something else where Outhaul's
 *   views belong, or does not let this user make what is needed; the message says which.
 */
export const migrate = (db: Database): Promise<void> =>
  withLock(db, 'migrate', async (client) => {
    await refuseUnfitServer(client);
    await refuseForeignViews(client);
    try {
      await run(client, { text: `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}` });
      await runMigrations(client, { schema: SCHEMA, kind: 'control', migrations: controlMigrations, log: db.log });
    } catch (error) {
      throw notPermitted(error) ?? error;
    }
  });

/** The statements need a server that is not older, and a database in which every text can be stored. */
async function refuseUnfitServer(client: Client): Promise<void> {
  const [server] = await run<{ version: string; old: boolean; encoding: string }>(client, {
    text: `SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
      current_setting('server_version_num')::int < ${OLDEST_SERVER}0000 AS old`,
  });
  if (server?.old) {
    throw new IncompatibleDatabase(`PostgreSQL ${OLDEST_SERVER} or newer is needed, and this is ${server.version}`);
  }
  if (server?.encoding !== 'UTF8') {
    throw new IncompatibleDatabase(
      `the database is encoded in ${server?.encoding}: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
    );
  }
}

/** The views answer SQL without a schema, so they lie in `public`, where something else may have their name. */
async function refuseForeignViews(client: Client): Promise<void> {
  const foreign = await run<{ name: string }>(client, {
    text: `SELECT name FROM unnest($1::text[]) name JOIN pg_class c ON c.oid = to_regclass('public.' || name)
      WHERE NOT EXISTS (
        SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('outhaul.scans'))`,
    values: [VIEWS],
  });
  if (foreign.length === 0) return;
  const names = foreign.map(({ name }) => `public.${name}`).join(' and ');
  throw new IncompatibleDatabase(
    `${names} exist${foreign.length === 1 ? 's' : ''} already and ${foreign.length === 1 ? 'is' : 'are'} not Outhaul's: rename what is there, or use another database`,
  );
}

function notPermitted(error: unknown): IncompatibleDatabase | undefined {
  if (!(error instanceof Error) || sqlState(error) !== '42501') return undefined;
  return new IncompatibleDatabase(
    `the database user may not create what Outhaul needs (${error.message}): grant it CREATE on the database and on schema public`,
    { cause: error },
  );
}
