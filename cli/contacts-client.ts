import type { z } from 'zod';
import type {
  ContactList,
  ContactSettingsRequest,
  ContactSettingsSaved,
  ContactSettingsShown,
  ContactSyncList,
  ContactSyncShown,
  ContactSyncStarted,
  ContactsForgotten,
} from '../api/schemas/contacts.ts';
import type { ApiCall } from './api-request.ts';

export type ContactsPage = z.output<typeof ContactList>;
export type ContactEntry = ContactsPage['contacts'][number];
export type ContactSettingsEntry = z.output<typeof ContactSettingsShown>['settings'];
export type ContactSettingsChange = z.input<typeof ContactSettingsRequest>;
export type ContactSyncEntry = z.output<typeof ContactSyncList>['syncs'][number];
export type ContactSyncAnswer = z.output<typeof ContactSyncShown>;

/** The API's calls about contacts. */
export interface ContactsClient {
  /** 1 to 1,000 contacts, after so many. */
  contacts(page: { readonly limit: number; readonly offset: number }): Promise<ContactsPage>;
  contactSettings(): Promise<ContactSettingsEntry>;
  setContacts(settings: ContactSettingsChange): Promise<z.output<typeof ContactSettingsSaved>>;
  forgetContacts(): Promise<z.output<typeof ContactsForgotten>>;
  syncContacts(dryRun: boolean): Promise<z.output<typeof ContactSyncStarted>>;
  /** The newest first. */
  contactSyncs(): Promise<ContactSyncEntry[]>;
  contactSync(syncId: string): Promise<ContactSyncAnswer>;
}

const CONTACTS = '/api/v1/contacts';

/** @param organizationId the administrator's choice of organization */
export function createContactsClient(
  call: <T>(method: string, path: string, extra?: ApiCall) => Promise<T>,
  organizationId: string | undefined,
): ContactsClient {
  const query = { organizationId };
  return {
    contacts: (page) => call('GET', CONTACTS, { query: { ...query, ...page } }),
    async contactSettings() {
      const path = `${CONTACTS}/settings`;
      return (await call<z.output<typeof ContactSettingsShown>>('GET', path, { query })).settings;
    },
    setContacts: (settings) => call('PUT', `${CONTACTS}/settings`, { body: { ...settings, organizationId } }),
    forgetContacts: () => call('DELETE', `${CONTACTS}/settings`, { query }),
    syncContacts: (dryRun) => call('POST', `${CONTACTS}/sync`, { body: { dryRun, organizationId } }),
    async contactSyncs() {
      return (await call<z.output<typeof ContactSyncList>>('GET', `${CONTACTS}/sync`, { query })).syncs;
    },
    contactSync: (syncId) => call('GET', `${CONTACTS}/sync/${encodeURIComponent(syncId)}`),
  };
}
