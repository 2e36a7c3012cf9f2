import { describe, expect, it } from 'vitest';
import { closeDatabase } from '../../store/database.ts';
import { UnknownOrganization } from '../../store/errors.ts';
import { ensureOrganization, listOrganizations, organizationOf } from '../../store/organizations.ts';
import { useStore } from './support.ts';

const store = useStore();

const tables = async (schema: string): Promise<string[]> => {
  const rows = await store.sql<{ name: string }>(
    'SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1',
    [schema.slice(1, -1)],
  );
  return rows.map(({ name }) => name);
};

describe('an organization', () => {
  it('has the schema that operators expect', async () => {
    const { schema } = await ensureOrganization(store.db, 'test-tenant.123');
    expect(schema).toBe('"outlook_emails_test_tenant_123"');
    expect(await tables(schema)).toEqual([
      '_migrations',
      'attachment_reads',
      'attachments',
      'blobs',
      'contact_changes',
      'contact_counting',
      'contact_differences',
      'contact_mails',
      'contacts',
      'emails',
      'mail_folders',
      'mailboxes',
      'originals',
      'placed',
      'scan_contents',
      'sync_state',
    ]);
  });

  it('is made once by several processes that use it first at once', async () => {
    const dbs = Array.from({ length: 6 }, () => store.open({ poolSize: 2 }));
    const made = await Promise.all(
      dbs.flatMap((db) => [ensureOrganization(db, 'contended'), ensureOrganization(db, 'contended')]),
    );
    expect(new Set(made.map(({ schema }) => schema))).toEqual(new Set(['"outlook_emails_contended"']));
  });

  it('costs no query once it is known', async () => {
    const db = store.open();
    await ensureOrganization(db, 'cached');
    await closeDatabase(db);
    await expect(ensureOrganization(db, 'cached')).resolves.toMatchObject({ organizationId: 'cached' });
    await expect(organizationOf(db, 'cached')).resolves.toMatchObject({ organizationId: 'cached' });
  });

  it('that could not be made can be made later', async () => {
    const db = store.open();
    await store.sql('ALTER TABLE outhaul.organizations RENAME TO away');
    await expect(ensureOrganization(db, 'later')).rejects.toThrow();
    await store.sql('ALTER TABLE outhaul.away RENAME TO organizations');
    await expect(ensureOrganization(db, 'later')).resolves.toMatchObject({ organizationId: 'later' });
  });

  it('that nobody made is unknown', async () => {
    await expect(organizationOf(store.db, 'nobody')).rejects.toThrow(UnknownOrganization);
    await expect(organizationOf(store.db, 'a\u0000b')).rejects.toThrow(UnknownOrganization);
  });

  it.each(['', 'a b', "x'; DROP SCHEMA outhaul CASCADE; --", 'a"b', 'x\u0000', 'é', 'a/b', 'x'.repeat(101)])(
    'cannot be named %j',
    async (id) => {
      await expect(ensureOrganization(store.db, id)).rejects.toThrow(TypeError);
    },
  );

  it('does not take over a schema that was there before it', async () => {
    await store.sql('CREATE SCHEMA outlook_emails_legacy');
    await store.sql('CREATE TABLE outlook_emails_legacy.emails (id text)');
    const { schema } = await ensureOrganization(store.db, 'legacy');
    expect(schema).toMatch(/^"outlook_emails_legacy_[0-9a-f]{8}"$/);
    expect(await tables('"outlook_emails_legacy"')).toEqual(['emails']);
  });

  it('finds its schema finished where a process died in the middle of making it', async () => {
    await store.sql('CREATE SCHEMA outlook_emails_half');
    await store.sql(
      `INSERT INTO outhaul.organizations (organization_id, schema_name) VALUES ('half', 'outlook_emails_half')`,
    );
    const { schema } = await ensureOrganization(store.db, 'half');
    expect(await tables(schema)).toContain('emails');
  });
});

describe('a thousand organizations', () => {
  it('have a thousand schemas, however alike their names', async () => {
    const ids = Array.from({ length: 250 }, (_, i) => [
      `Org-${i}`,
      `org.${i}`,
      `ORG_${i}`,
      `org-${i}-${'x'.repeat(60)}`,
    ]);
    const dbs = [store.open({ poolSize: 4 }), store.open({ poolSize: 4 })];
    for (let at = 0; at < ids.length; at += 4) {
      const some = ids.slice(at, at + 4).flat();
      await Promise.all(some.map((id, i) => ensureOrganization(dbs[i % 2] ?? store.db, id)));
    }
    const made = (await listOrganizations(store.db)).filter(({ organizationId }) =>
      /^org[-._]\d/i.test(organizationId),
    );
    expect(made).toHaveLength(1000);
    expect(new Set(made.map(({ schema }) => schema)).size).toBe(1000);
    const [count] = await store.sql<{ schemas: number }>(
      `SELECT count(DISTINCT t.schemaname) AS schemas FROM pg_tables t
        JOIN outhaul.organizations o ON o.schema_name = t.schemaname AND t.tablename = 'emails'
        WHERE o.organization_id ~* '^org[-._][0-9]'`,
    );
    expect(count?.schemas).toBe(1000);
    // A schema is some fifty statements that make tables and indexes: CPU, and nothing that could be spared.
  }, 600_000);
});
