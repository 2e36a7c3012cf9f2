import { ID_PATTERN, ID_RULE } from '../model/ids.ts';
import { schemaName } from '../model/schema-name.ts';
import { query, run, type Client, type Database } from './database.ts';
import { UnknownOrganization, sqlState } from './errors.ts';
import { withLock } from './locks.ts';
import { organizationMigrations } from './migrations/organization.ts';
import { runMigrations } from './run-migrations.ts';

/** An organization whose schema is there and up to date. */
export interface Organization {
  readonly organizationId: string;
  /** The name of its schema, quoted: it goes into statements as it is. */
  readonly schema: string;
}

interface OrganizationRow {
  readonly schema_name: string;
  readonly schema_version: number;
}

/** How many steps an up-to-date schema has behind it. */
const VERSION = organizationMigrations('').length;

/**
 * Steps only add, so a newer version's schema does as well: a process that runs while a newer one has begun goes on.
 * Whoever starts is refused by `migrate`.
 */
const isUpToDate = ({ schema_version: version }: OrganizationRow): boolean => version >= VERSION;

/**
 * The organization, made at its first use. Safe when several processes meet at it; later calls cost nothing.
 * @throws {TypeError} for an id that `ID_PATTERN` refuses.
 */
export const ensureOrganization = (db: Database, organizationId: string): Promise<Organization> =>
  cached(db, organizationId, async () => {
    if (!ID_PATTERN.test(organizationId)) throw new TypeError(`organizationId ${ID_RULE}`);
    const row = await rowOf(db, organizationId);
    return row && isUpToDate(row) ? row.schema_name : make(db, organizationId);
  });

/** Whether the organization is there now, whatever this process has known of it before. */
export const organizationExists = async (db: Database, organizationId: string): Promise<boolean> =>
  (await query(db, byId(organizationId))).length > 0;

/**
 * An organization that is there already, its schema brought up to date.
 * @throws {UnknownOrganization}
 */
export const organizationOf = (db: Database, organizationId: string): Promise<Organization> =>
  cached(db, organizationId, async () => {
    const row = await rowOf(db, organizationId);
    if (!row) throw new UnknownOrganization(organizationId);
    return isUpToDate(row) ? row.schema_name : make(db, organizationId);
  });

/** Every organization, in the order of their ids. */
export const listOrganizations = (
  db: Database,
): Promise<{ readonly organizationId: string; readonly schema: string; readonly createdAt: string }[]> =>
  query(db, {
    text: `SELECT organization_id AS "organizationId", schema_name AS schema, created_at AS "createdAt"
      FROM outhaul.organizations ORDER BY organization_id`,
  });

/** Remembers what `find` finds; whoever asks meanwhile waits for the same answer, and a failure is forgotten. */
function cached(db: Database, organizationId: string, find: () => Promise<string>): Promise<Organization> {
  const known = db.organizations.get(organizationId);
  if (known) return known;
  const found = find().then((name) => ({ organizationId, schema: `"${name}"` }));
  db.organizations.set(organizationId, found);
  found.catch(() => db.organizations.delete(organizationId));
  return found;
}

async function rowOf(db: Database, organizationId: string): Promise<OrganizationRow | undefined> {
  if (!ID_PATTERN.test(organizationId)) return undefined;
  const [row] = await query<OrganizationRow>(db, byId(organizationId));
  return row;
}

const byId = (organizationId: string): { text: string; values: unknown[] } => ({
  text: 'SELECT schema_name, schema_version FROM outhaul.organizations WHERE organization_id = $1',
  values: [organizationId],
});

/** Makes the schema, or brings it up to date; returns its name. */
const make = (db: Database, organizationId: string): Promise<string> =>
  withLock(db, `organization/${organizationId}`, async (client) => {
    const [row] = await run<OrganizationRow>(client, byId(organizationId));
    if (row && isUpToDate(row)) return row.schema_name;
    const schema = row?.schema_name ?? (await claimSchema(client, organizationId));
    const migrations = organizationMigrations(`"${schema}"`);
    await runMigrations(client, { schema, kind: 'organization', migrations, log: db.log });
    await run(client, {
      text: 'UPDATE outhaul.organizations SET schema_version = $2 WHERE organization_id = $1',
      values: [organizationId, VERSION],
    });
    return schema;
  });

/** Finds a schema name that is free, in the table and among the schemas of others, and takes it. */
async function claimSchema(client: Client, organizationId: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const schema = schemaName(organizationId, attempt);
    try {
      await run(client, { text: 'BEGIN' });
      await run(client, { text: `CREATE SCHEMA "${schema}"` });
      await run(client, {
        text: 'INSERT INTO outhaul.organizations (organization_id, schema_name) VALUES ($1, $2)',
        values: [organizationId, schema],
      });
      await run(client, { text: 'COMMIT' });
      return schema;
    } catch (error) {
      await run(client, { text: 'ROLLBACK' });
      if (!isTaken(error)) throw error;
    }
  }
}

/** `duplicate_schema` and `unique_violation`: someone else has the name. */
const isTaken = (error: unknown): boolean => ['42P06', '23505'].includes(sqlState(error) ?? '');
