import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import type { Client, StoreLog } from './database.ts';
import { run } from './database.ts';
import { IncompatibleDatabase } from './errors.ts';

/** One step of a schema, forward only. Its name starts with its number and never changes. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export interface MigrationRun {
  /** The schema's name, which is safe in quotes. */
  readonly schema: string;
  /** The folder of `migrations/` where the steps lie. */
  readonly kind: 'control' | 'organization';
  readonly migrations: readonly Migration[];
  readonly log: StoreLog;
}

const TABLE = '_migrations';

/**
 * Brings one schema up to date, in one transaction. The caller holds the lock that keeps other processes out.
 * @throws {IncompatibleDatabase} when a newer Outhaul has been at the schema.
 */
export async function runMigrations(client: Client, { schema, kind, migrations, log }: MigrationRun): Promise<void> {
  await refuseNewer(client, schema, migrations);
  const loader = async (): Promise<{ id: string; filePaths: string[]; actions: { up: Action; down: false } }[]> =>
    migrations.map(({ name, sql }) => ({
      id: `${name}.sql`,
      filePaths: [],
      actions: { up: (builder) => builder.sql(sql), down: false },
    }));
  await runner({
    dbClient: client,
    direction: 'up',
    migrationsSchema: schema,
    migrationsTable: TABLE,
    // The library lists the folder and hands what it finds to the loader, which has the steps at hand already: the
    // listing alone would not do, for nothing but a bundler can import TypeScript.
    dir: join(import.meta.dirname, 'migrations', kind),
    ignorePattern: '.*\\.map',
    migrationLoaderStrategies: [{ extensions: ['.ts', '.js'], loader }],
    singleTransaction: true,
    noLock: true,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (message) => log.warn({ schema }, message),
      error: (message) => log.error({ schema }, message),
    },
  });
}

type Action = (builder: { sql(text: string): void }) => void;

async function refuseNewer(client: Client, schema: string, migrations: readonly Migration[]): Promise<void> {
  const [table] = await run<{ there: boolean }>(client, {
    text: 'SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2) AS there',
    values: [schema, TABLE],
  });
  if (!table?.there) return;
  const done = await run<{ name: string }>(client, { text: `SELECT name FROM "${schema}".${TABLE}` });
  const newer = done.find(({ name }) => !migrations.some((migration) => migration.name === name));
  if (newer) {
    throw new IncompatibleDatabase(
      `the schema ${schema} was made by a newer version of Outhaul (it has "${newer.name}"): run that version, or use another database`,
    );
  }
}
