import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mailboxTotals } from '../../store/mailbox-totals.ts';
import { migrate } from '../../store/migrate.ts';
import { controlMigrations } from '../../store/migrations/control.ts';
import { organizationMigrations } from '../../store/migrations/organization.ts';
import { ensureOrganization, organizationOf } from '../../store/organizations.ts';
import { pauseScan, reopenScan } from '../../store/scan-controls.ts';
import { scanOf } from '../../store/scans.ts';
import { OlderVersion } from './older/older.ts';
import { useStore } from './support.ts';

describe('migrations, while a worker of the first version writes a scan', () => {
  const store = useStore({ migrated: false });
  const clients: pg.Client[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end();
  });
  /** A connection of the older worker. */
  async function connect(): Promise<pg.Client> {
    const client = new pg.Client(store.url);
    await client.connect();
    clients.push(client);
    return client;
  }
  const bringUpToDate = async (): Promise<void> => {
    await migrate(store.db);
    await ensureOrganization(store.db, 'older');
  };

  it('wait for the page that is being written, and let all later ones through; the scan ends as if nothing had been', async () => {
    const older = await OlderVersion.of('0001');
    await older.setUp(store.db);
    const worker = await connect();
    await older.send(worker, 'begin');
    for (const page of [1, 2]) await older.send(worker, `page ${page}`);

    await worker.query('BEGIN');
    await older.send(worker, 'page 3');
    const others = [await connect(), await connect()];
    const state = { migrated: false, writtenBefore: 0, writtenAfter: 0 };
    const migrating = bringUpToDate().then(() => void (state.migrated = true));
    await vi.waitUntil(async () => (await blocked()) > 0, { timeout: 20_000 });
    expect(state.migrated, 'nobody changes a table under an open transaction').toBe(false);
    const writing = others.map(async (client) => {
      // A page written again changes nothing, and takes all the locks of one that is new.
      while (state.writtenAfter < 10) {
        await older.send(client, 'page 2');
        if (state.migrated) state.writtenAfter++;
        else state.writtenBefore++;
      }
    });
    await worker.query('COMMIT');
    await Promise.all([migrating, ...writing]);

    for (const page of [4, 5, 6]) await older.send(worker, `page ${page}`);
    await older.send(worker, 'end');
    const scan = await scanOf(store.db, 'older', 'scan-of-0001');
    expect(scan).toMatchObject({ status: 'completed', errorMessage: null });
    expect(await mailboxTotals(store.db, scan?.scanNo ?? 0)).toMatchObject({ completed: 1, skipped: 1, records: 12 });
    const { schema } = await organizationOf(store.db, 'older');
    expect(await store.sql(`SELECT count(*) AS count FROM ${schema}.emails`)).toEqual([{ count: 12 }]);
    expect(await store.sql('SELECT name FROM outhaul._migrations')).toHaveLength(controlMigrations.length);
    expect(await store.sql(`SELECT name FROM ${schema}._migrations`)).toHaveLength(organizationMigrations('').length);
  });

  it('leave scans of the older version such that today’s can be paused and opened again', async () => {
    const scan = await scanOf(store.db, 'older', 'scan-of-0001');
    const scanNo = scan?.scanNo ?? 0;
    await store.sql(`UPDATE outhaul.scans SET status = 'failed' WHERE scan_no = $1`, [scanNo]);
    expect(await reopenScan(store.db, { scanNo, step: 1 })).toEqual({ discovered: false });
    expect(await pauseScan(store.db, { scanNo, step: 2, maxConcurrent: 5 })).toMatchObject({ status: 'paused' });
  });

  /** Sessions that wait for another's lock. */
  async function blocked(): Promise<number> {
    const [row] = await store.sql<{ count: number }>(
      `SELECT count(*) AS count FROM pg_stat_activity
        WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`,
    );
    return row?.count ?? 0;
  }
});
