import { CONTACT_COLUMNS, type AirtableTarget, type ContactColumns } from '../model/contact-sync.ts';
import { airtableKey, contactSettings } from './contact-settings.ts';
import type { Database } from './database.ts';
import { listOrganizations } from './organizations.ts';

/** What the environment says of contacts. */
export interface ContactDefaults {
  readonly airtable: AirtableTarget | undefined;
  /** None: all mailboxes. */
  readonly mailboxes: readonly string[];
}

/** What holds for an organization's contacts, its settings and the environment taken together. */
export interface ContactPlan {
  /** Undefined: there is no table to write to. */
  readonly target: AirtableTarget | undefined;
  readonly columns: ContactColumns;
  /** Null: all. */
  readonly mailboxes: readonly string[] | null;
  readonly onChange: boolean;
}

/**
 * An organization's own settings come first. The environment's Airtable is for an installation with one organization: where
 * there are several, none shall find its contacts in a table that others read.
 * @throws {SealError} when the key ring does not open the token
 */
export async function contactPlan(
  db: Database,
  organizationId: string,
  { airtable, mailboxes }: ContactDefaults,
): Promise<ContactPlan> {
  const settings = await contactSettings(db, organizationId);
  const own = settings?.airtable;
  const apiKey = own ? await airtableKey(db, organizationId) : undefined;
  const isAlone = !own && airtable !== undefined && (await listOrganizations(db)).length === 1;
  return {
    target: own && apiKey !== undefined ? { ...own, apiKey } : isAlone ? airtable : undefined,
    columns: settings?.columns ?? CONTACT_COLUMNS,
    mailboxes: settings?.mailboxes ?? (mailboxes.length > 0 ? mailboxes : null),
    onChange: settings?.onChange ?? true,
  };
}

/** What to do where there is no table to write to. */
export const NO_TARGET =
  'There is no Airtable table to write to: name one in the settings of contacts, or, where there is one organization, set AIRTABLE_API_KEY, AIRTABLE_BASE_ID and AIRTABLE_TABLE_NAME';
