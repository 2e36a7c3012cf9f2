import { describe, expect, it } from 'vitest';
import { closeDatabase } from '../../store/database.ts';
import { IncompatibleDatabase } from '../../store/errors.ts';
import { migrate } from '../../store/migrate.ts';
import { controlMigrations } from '../../store/migrations/control.ts';
import { ensureOrganization, organizationOf } from '../../store/organizations.ts';
import { useStore } from './support.ts';

describe('an empty database', () => {
  const store = useStore({ migrated: false });

  it('is set up once when several processes start at once', async () => {
    const dbs = Array.from({ length: 6 }, () => store.open({ poolSize: 1 }));
    await Promise.all(dbs.map((db) => migrate(db)));
    const steps = await store.sql<{ name: string }>('SELECT name FROM outhaul._migrations ORDER BY id');
    expect(steps).toEqual(controlMigrations.map(({ name }) => ({ name })));
  });

  it('stays as it is when it is set up again', async () => {
    await migrate(store.db);
    const steps = await store.sql('SELECT name FROM outhaul._migrations');
    expect(steps).toHaveLength(controlMigrations.length);
  });

  it('has the views that operators ask without a schema', async () => {
    const columns = async (view: string): Promise<string[]> => {
      const rows = await store.sql<{ name: string }>(
        `SELECT column_name AS name FROM information_schema.columns
          WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`,
        [view],
      );
      return rows.map(({ name }) => name);
    };
    expect(await columns('jobs')).toEqual(['id', 'status', 'recordsExtracted', 'errorMessage', 'startTime']);
    expect(await columns('job_checkpoints')).toEqual([
      'job_id',
      'phase',
      'recordsProcessed',
      'createdAt',
      'checkpoint_data',
    ]);
  });
});

describe('a database of a newer Outhaul', () => {
  const store = useStore();

  it('is refused, and left alone', async () => {
    await store.sql(`INSERT INTO outhaul._migrations (name, run_on) VALUES ('9999-future', now())`);
    await expect(migrate(store.db)).rejects.toThrow(IncompatibleDatabase);
    await expect(migrate(store.db)).rejects.toThrow(/newer version of Outhaul.*9999-future/);
  });

  it('is used on by a process that was there before, and so are its organizations', async () => {
    const { schema } = await ensureOrganization(store.db, 'newer');
    await store.sql(`INSERT INTO ${schema}._migrations (name, run_on) VALUES ('9999-future', now())`);
    await store.sql(`UPDATE outhaul.organizations SET schema_version = 9999 WHERE organization_id = 'newer'`);
    const running = store.open();
    expect(await ensureOrganization(running, 'newer')).toEqual({ organizationId: 'newer', schema });
    expect(await organizationOf(store.open(), 'newer')).toMatchObject({ schema });
  });
});

describe('a database with something else in place of the views', () => {
  const store = useStore({ migrated: false });

  it('is refused by name, and what is there stays', async () => {
    await store.sql('CREATE TABLE public.jobs (id text)');
    await store.sql(`INSERT INTO public.jobs VALUES ('precious')`);
    await expect(migrate(store.db)).rejects.toThrow(/public\.jobs exists already/);
    await expect(migrate(store.db)).rejects.toThrow(IncompatibleDatabase);
    expect(await store.sql('SELECT id FROM public.jobs')).toEqual([{ id: 'precious' }]);
    await store.sql('ALTER TABLE public.jobs RENAME TO old_jobs');
    await store.sql('CREATE VIEW public.job_checkpoints AS SELECT 1 AS one');
    await expect(migrate(store.db)).rejects.toThrow(/public\.job_checkpoints exists already/);
    await store.sql('DROP VIEW public.job_checkpoints');
    await migrate(store.db);
  });
});

describe('a database user that may not create schemas', () => {
  const store = useStore({ migrated: false });

  it('is told what to grant', async () => {
    await store.sql(`CREATE ROLE poor LOGIN PASSWORD 'poor'`);
    const url = new URL(store.url);
    url.username = 'poor';
    url.password = 'poor';
    try {
      await expect(migrate(store.open({ url: url.href }))).rejects.toThrow(/may not create.*grant it CREATE/);
    } finally {
      await store.sql('DROP ROLE poor');
    }
  });
});

describe('a database in another encoding', () => {
  const store = useStore({ migrated: false });

  it('is refused, for it could not hold every message', async () => {
    const url = new URL(store.url);
    const name = `${url.pathname.slice(1)}_ascii`;
    await store.sql(`CREATE DATABASE ${name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`);
    url.pathname = `/${name}`;
    const db = store.open({ url: url.href });
    try {
      await expect(migrate(db)).rejects.toThrow(/encoded in SQL_ASCII.*ENCODING 'UTF8'/);
    } finally {
      await closeDatabase(db);
      await store.sql(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
});
