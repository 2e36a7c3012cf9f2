import type { AirtableTarget, ContactColumns } from '../model/contact-sync.ts';
import { query, type Database } from './database.ts';

/** What an organization has said of its contacts. */
export interface ContactSettings {
  /** The base and table that it has named; null: those of the environment. */
  readonly airtable: Omit<AirtableTarget, 'apiKey'> | null;
  readonly columns: ContactColumns;
  /** Whose sent items count: ids, addresses, domains; null: those of the environment, or all. */
  readonly mailboxes: readonly string[] | null;
  /** Whether changed statistics start a sync. */
  readonly onChange: boolean;
  /** Between two syncs of the Schedule; null: there is none. */
  readonly everySeconds: number | null;
}

/** A token sealed for one organization opens as no other's. */
export const airtableKeyContext = (organizationId: string): string => `airtable/${organizationId}`;

const COLUMNS = `base_id AS "baseId", table_name AS "tableName", columns, mailboxes, on_change AS "onChange",
  every_seconds AS "everySeconds", changed_at AS "changedAt"`;

interface SettingsRow extends Omit<ContactSettings, 'airtable'> {
  readonly baseId: string | null;
  readonly tableName: string | null;
  readonly changedAt: string;
}

const shown = ({ baseId, tableName, ...row }: SettingsRow): ContactSettings & { readonly changedAt: string } => ({
  ...row,
  airtable: baseId !== null && tableName !== null ? { baseId, tableName } : null,
});

/** Undefined where nobody has said anything. */
export async function contactSettings(
  db: Database,
  organizationId: string,
): Promise<(ContactSettings & { readonly changedAt: string }) | undefined> {
  const [row] = await query<SettingsRow>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.contact_settings WHERE organization_id = $1`,
    values: [organizationId],
  });
  return row && shown(row);
}

/**
 * The token of the base that an organization has named.
 * @throws {SealError} when the key ring does not open it
 */
export async function airtableKey(db: Database, organizationId: string): Promise<string | undefined> {
  const [row] = await query<{ sealed: Buffer | null }>(db, {
    text: 'SELECT sealed_api_key AS sealed FROM outhaul.contact_settings WHERE organization_id = $1',
    values: [organizationId],
  });
  if (!row?.sealed) return undefined;
  return db.sealer.open(row.sealed, airtableKeyContext(organizationId)).toString();
}

/**
 * Puts settings in the place of those before.
 * @param apiKey undefined: that which is stored stays, if a base is named still
 * @returns false, and nothing is stored: a base is named, and there is no token for it
 */
export async function saveContactSettings(
  db: Database,
  organizationId: string,
  { airtable, columns, mailboxes, onChange, everySeconds }: ContactSettings,
  apiKey: string | undefined,
): Promise<boolean> {
  const sealed = apiKey === undefined ? null : db.sealer.seal(Buffer.from(apiKey), airtableKeyContext(organizationId));
  const rows = await query(db, {
    text: `INSERT INTO outhaul.contact_settings AS s
        (organization_id, base_id, table_name, sealed_api_key, columns, mailboxes, on_change, every_seconds)
      SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $2::text IS NULL OR $4::bytea IS NOT NULL
        OR EXISTS (SELECT FROM outhaul.contact_settings WHERE organization_id = $1 AND sealed_api_key IS NOT NULL)
      ON CONFLICT (organization_id) DO UPDATE SET base_id = excluded.base_id, table_name = excluded.table_name,
        sealed_api_key = CASE WHEN excluded.base_id IS NOT NULL THEN coalesce(excluded.sealed_api_key, s.sealed_api_key) END,
        columns = excluded.columns, mailboxes = excluded.mailboxes, on_change = excluded.on_change,
        every_seconds = excluded.every_seconds, changed_at = now()
      RETURNING 1 AS one`,
    values: [
      organizationId,
      airtable?.baseId ?? null,
      airtable?.tableName ?? null,
      airtable ? sealed : null,
      JSON.stringify(columns),
      mailboxes,
      onChange,
      everySeconds,
    ],
  });
  return rows.length > 0;
}

/** False where there were none. */
export async function removeContactSettings(db: Database, organizationId: string): Promise<boolean> {
  const rows = await query(db, {
    text: 'DELETE FROM outhaul.contact_settings WHERE organization_id = $1 RETURNING 1 AS one',
    values: [organizationId],
  });
  return rows.length > 0;
}
