import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { withLock } from '../../../store/locks.ts';
import type { Client, Database } from '../../../store/database.ts';
import { controlMigrations } from '../../../store/migrations/control.ts';
import { organizationMigrations } from '../../../store/migrations/organization.ts';
import { runMigrations } from '../../../store/run-migrations.ts';

/** One statement, as the store of an older version sent it. */
interface Sent {
  /** What it is the first of, or the whole of: `begin`, `page 1`, …, `end`. */
  readonly step?: string;
  readonly values: readonly unknown[];
  readonly statement: number;
}

interface Recording {
  readonly statements: readonly string[];
  readonly calls: readonly Sent[];
}

/**
 * What the store of version 0001 sent to PostgreSQL in a scan of two mailboxes, recorded from that version: the first
 * has one folder of six pages with two messages each. It belongs to the organization `older` of an empty database.
 */
export class OlderVersion {
  readonly #recording: Recording;

  private constructor(recording: Recording) {
    this.#recording = recording;
  }

  static async of(version: '0001'): Promise<OlderVersion> {
    return new OlderVersion(
      JSON.parse(await readFile(new URL(`${version}.json`, import.meta.url), 'utf8')) as Recording,
    );
  }

  /** Makes the database as that version made it: its first migrations, and its organization. */
  async setUp(db: Database): Promise<void> {
    await withLock(db, 'older', async (client) => {
      await client.query('CREATE SCHEMA outhaul; CREATE SCHEMA outlook_emails_older');
      await migrateTo(client, 'outhaul', 'control', controlMigrations.slice(0, 1));
      const [first] = organizationMigrations('"outlook_emails_older"');
      await migrateTo(client, 'outlook_emails_older', 'organization', first ? [first] : []);
      await client.query(`INSERT INTO outhaul.organizations (organization_id, schema_name, schema_version)
        VALUES ('older', 'outlook_emails_older', 1)`);
    });
  }

  /** Sends a step's statements, in their order. */
  async send(client: pg.Client, step: string): Promise<void> {
    const { calls, statements } = this.#recording;
    const from = calls.findIndex((call) => call.step === step);
    if (from < 0) throw new Error(`the recording has no step ${step}`);
    const next = calls.findIndex((call, index) => index > from && call.step !== undefined);
    for (const { statement, values } of calls.slice(from, next < 0 ? undefined : next)) {
      await client.query(statements[statement] ?? '', [...values]);
    }
  }
}

const migrateTo = (
  client: Client,
  schema: string,
  kind: 'control' | 'organization',
  migrations: Parameters<typeof runMigrations>[1]['migrations'],
): Promise<void> => runMigrations(client, { schema, kind, migrations, log: { info() {}, warn() {}, error() {} } });
