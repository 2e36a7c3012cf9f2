import { CONTACT_COLUMNS } from '../../model/contact-sync.ts';
import { recordAudit } from '../../store/audit.ts';
import { startCounting, stopCounting } from '../../store/contact-counting.ts';
import { contactPlan } from '../../store/contact-plan.ts';
import { contactSettings, removeContactSettings, saveContactSettings } from '../../store/contact-settings.ts';
import { badRequest } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Caller, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  ContactSettingsRequest,
  ContactSettingsSaved,
  ContactSettingsShown,
  ContactsForgotten,
} from '../schemas/contacts.ts';
import { organizationMeant } from '../scope.ts';

const PATH = '/api/v1/contacts/settings';

export const contactSettingsRoutes = (parts: ApiParts): readonly Route[] => [
  showRoute(parts),
  saveRoute(parts),
  removeRoute(parts),
];

const showRoute = (parts: ApiParts): Route =>
  route({
    method: 'get',
    path: PATH,
    tag: 'Contacts',
    summary: 'Show the settings of contacts',
    description: 'The token of Airtable is never shown.',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'As they hold', schema: ContactSettingsShown } },
    errors: [404],
    async handle({ query, principal }) {
      const { organizationId } = await organizationMeant(parts.db, principal, query.organizationId);
      return { status: 200, body: { success: true, settings: await settingsOf(parts, organizationId) } };
    },
  });

const saveRoute = (parts: ApiParts): Route =>
  route({
    method: 'put',
    path: PATH,
    tag: 'Contacts',
    summary: 'Set where contacts go, whose sent items count, and when',
    description:
      'All settings at once: what is left out has its default, but for the token, which stays. Sent mail is counted from now on.',
    access: 'key',
    body: ContactSettingsRequest,
    answers: { 200: { description: 'They hold', schema: ContactSettingsSaved } },
    errors: [404, 413],
    async handle({ body: { organizationId: named, airtable, ...settings }, ...caller }) {
      const { db, contacts } = parts;
      const organization = await organizationMeant(db, caller.principal, named);
      const { organizationId } = organization;
      const target = airtable && { baseId: airtable.baseId, tableName: airtable.tableName };
      if (!(await saveContactSettings(db, organizationId, { ...settings, airtable: target }, airtable?.apiKey))) {
        throw badRequest([{ path: 'airtable.apiKey', message: 'is needed: none is stored yet' }]);
      }
      await contacts.schedule(organizationId, settings.everySeconds);
      await startCounting(db, organization);
      const { onChange, everySeconds } = settings;
      await record(parts, organizationId, caller, 'set', { onChange, everySeconds, hasTable: airtable !== null });
      const message = `The contacts of ${organizationId} are set`;
      return { status: 200, body: { success: true, message, settings: await settingsOf(parts, organizationId) } };
    },
  });

const removeRoute = (parts: ApiParts): Route =>
  route({
    method: 'delete',
    path: PATH,
    tag: 'Contacts',
    summary: 'Forget the settings of contacts, the token with them, and stop counting',
    description: 'What Airtable has stays there.',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'They are gone', schema: ContactsForgotten } },
    errors: [404],
    async handle({ query, ...caller }) {
      const { db, contacts } = parts;
      const organization = await organizationMeant(db, caller.principal, query.organizationId);
      const { organizationId } = organization;
      await contacts.schedule(organizationId, null);
      await removeContactSettings(db, organizationId);
      await stopCounting(db, organization);
      await record(parts, organizationId, caller, 'forget', {});
      const message = `The contacts of ${organizationId} are not counted any more`;
      return { status: 200, body: { success: true, message, organizationId } };
    },
  });

/** What holds: what was set, and where nothing was, what the environment says. */
async function settingsOf({ db, config }: ApiParts, organizationId: string) {
  const own = await contactSettings(db, organizationId);
  const plan = await contactPlan(db, organizationId, { airtable: config.airtable, mailboxes: config.mailboxAddresses });
  const { columns, mailboxes, onChange, everySeconds, changedAt } = own ?? NOTHING;
  const target = plan.target && { baseId: plan.target.baseId, tableName: plan.target.tableName };
  return {
    organizationId,
    airtable: own?.airtable ?? target ?? null,
    source: own?.airtable ? 'settings' : target ? 'environment' : 'none',
    ...{ columns, mailboxes, onChange, everySeconds, changedAt },
  } as const;
}

const NOTHING = { columns: CONTACT_COLUMNS, mailboxes: null, onChange: true, everySeconds: null, changedAt: null };

async function record(
  { db }: ApiParts,
  organizationId: string,
  { principal: { actor }, log }: Caller,
  action: 'set' | 'forget',
  details: Parameters<typeof recordAudit>[1]['details'],
): Promise<void> {
  await recordAudit(db, { actor, organizationId, action: `contacts.${action}`, details });
  log.info({ organizationId, action }, 'Settings of contacts changed');
}
