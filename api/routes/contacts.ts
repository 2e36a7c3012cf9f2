import { recordAudit } from '../../store/audit.ts';
import { countContacts, startCounting } from '../../store/contact-counting.ts';
import { contactPlan, NO_TARGET, type ContactDefaults } from '../../store/contact-plan.ts';
import {
  addContactSync,
  contactSyncById,
  forgetContactSync,
  latestContactSyncs,
  listDifferences,
  type ContactSync,
} from '../../store/contact-syncs.ts';
import { contactMailboxes, contactTotals, listContacts } from '../../store/contacts.ts';
import type { Database } from '../../store/database.ts';
import { organizationOf, type Organization } from '../../store/organizations.ts';
import { Readable } from 'node:stream';
import { contactEvents } from '../contact-events.ts';
import { conflict, notFound } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Caller, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  ContactList,
  ContactSyncList,
  ContactSyncParams,
  ContactSyncRequest,
  ContactSyncShown,
  ContactSyncStarted,
  ContactsQuery,
} from '../schemas/contacts.ts';
import { organizationMeant } from '../scope.ts';
import { contactSettingsRoutes } from './contact-settings.ts';

const PATH = '/api/v1/contacts';
const SHOWN = 20;
/** How long a request counts sent mail before it answers what has been counted. */
const COUNT_MS = 2_000;

export const contactRoutes = (parts: ApiParts): readonly Route[] => [
  listRoute(parts),
  ...contactSettingsRoutes(parts),
  startRoute(parts),
  latestRoute(parts),
  showRoute(parts),
  eventsRoute(parts),
];

/** What the environment says of contacts. */
export const contactDefaults = ({ config }: Pick<ApiParts, 'config'>): ContactDefaults => ({
  airtable: config.airtable,
  mailboxes: config.mailboxAddresses,
});

const listRoute = (parts: ApiParts): Route =>
  route({
    method: 'get',
    path: PATH,
    tag: 'Contacts',
    summary: 'To whom mail was sent: how many, and when last',
    description:
      'From the sent items of the mailboxes that count, as they are stored. The first call has them counted from then on; until that is done, `complete` is false.',
    access: 'key',
    query: ContactsQuery,
    answers: { 200: { description: 'In the order of their addresses', schema: ContactList } },
    errors: [404],
    async handle({ query: { limit, offset, organizationId: named }, principal, log }) {
      const { db, contacts: workflows } = parts;
      const organization = await organizationMeant(db, principal, named);
      const { organizationId } = organization;
      await startCounting(db, organization);
      const complete = await countForAWhile(db, organization);
      if (!complete) {
        await workflows.count(organizationId).catch((err: unknown) => log.warn({ err }, 'Contacts are counted later'));
      }
      const plan = await contactPlan(db, organizationId, contactDefaults(parts));
      const { mailboxes } = await contactMailboxes(db, organization, plan.mailboxes);
      const { total, countedAt } = await contactTotals(db, organization, mailboxes);
      const contacts = await listContacts(db, organization, { mailboxes, limit, offset });
      const pagination = { limit, offset, total, hasMore: offset + contacts.length < total };
      return { status: 200, body: { success: true, organizationId, complete, countedAt, contacts, pagination } };
    },
  });

async function countForAWhile(db: Database, organization: Organization): Promise<boolean> {
  for (const end = performance.now() + COUNT_MS; performance.now() < end;) {
    if ((await countContacts(db, organization)).status !== 'more') return true;
  }
  return false;
}

const startRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: `${PATH}/sync`,
    tag: 'Contacts',
    summary: 'Bring the contacts in Airtable up to date',
    description:
      'Records that say something else are changed, missing ones added, the rest left alone. Syncs of an organization run one after the other. A dry run says what it would write.',
    access: 'key',
    body: ContactSyncRequest,
    answers: {
      202: { description: 'It is asked for; the events of `syncId` tell the rest', schema: ContactSyncStarted },
    },
    errors: [404, 409, 413],
    async handle({ body: { dryRun, organizationId: named }, ...caller }) {
      const { db, contacts: workflows } = parts;
      const { organizationId } = await organizationMeant(db, caller.principal, named);
      const { target } = await contactPlan(db, organizationId, contactDefaults(parts));
      if (!target) throw conflict(NO_TARGET);
      const sync = await addContactSync(db, organizationId, { dryRun, startedBy: 'call' });
      await workflows.ask(organizationId, sync.syncNo).catch(async (error: unknown) => {
        await forgetContactSync(db, sync.syncNo);
        throw error;
      });
      await record(parts, sync, caller);
      const message = dryRun ? 'The contacts are compared; nothing is written' : 'The contacts are brought up to date';
      return { status: 202, body: { success: true, message, sync: shown(sync) } };
    },
  });

async function record({ db }: ApiParts, sync: ContactSync, { principal: { actor }, log }: Caller): Promise<void> {
  const { organizationId, syncId, dryRun } = sync;
  await recordAudit(db, { actor, organizationId, action: 'contacts.sync', target: syncId, details: { dryRun } });
  log.info({ organizationId, syncId, dryRun }, 'Sync of contacts asked for');
}

const latestRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: `${PATH}/sync`,
    tag: 'Contacts',
    summary: 'The latest syncs of contacts',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: `Newest first, up to ${SHOWN}`, schema: ContactSyncList } },
    errors: [404],
    async handle({ query, principal }) {
      const { organizationId } = await organizationMeant(db, principal, query.organizationId);
      const syncs = await latestContactSyncs(db, organizationId, SHOWN);
      return { status: 200, body: { success: true, organizationId, syncs: syncs.map(shown) } };
    },
  });

/** What the routes of one sync have in common. */
const ONE = { method: 'get', tag: 'Contacts', access: 'key', params: ContactSyncParams, errors: [404] } as const;

const showRoute = ({ db }: ApiParts): Route =>
  route({
    ...ONE,
    path: `${PATH}/sync/{id}`,
    summary: 'Show a sync of contacts, and what a dry run would have written',
    answers: { 200: { description: 'As it stands', schema: ContactSyncShown } },
    async handle(call) {
      const sync = await find(db, call);
      const organization = await organizationOf(db, sync.organizationId);
      const differences = await listDifferences(db, organization, sync.syncNo);
      return { status: 200, body: { success: true, sync: shown(sync), differences } };
    },
  });

const eventsRoute = ({ db, closing }: ApiParts): Route =>
  route({
    ...ONE,
    path: `${PATH}/sync/{id}/events`,
    summary: 'Watch a sync of contacts',
    description:
      'Server-sent events from its beginning on: `progress` with `phase`, `message`, `done` and `total`, and at last `end`, with `counts` where it has completed. `Last-Event-ID` leaves out what was seen.',
    answers: { 200: { description: 'The events, as they come', text: ['text/event-stream'] } },
    async handle(call) {
      const sync = await find(db, call);
      const seen = Number(call.conditions?.lastEventId ?? 0);
      const after = Number.isSafeInteger(seen) && seen > 0 ? Math.min(seen, 2 ** 31 - 1) : 0;
      return {
        status: 200,
        headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' },
        open: async () => Readable.from(contactEvents(db, sync, { after, closing })),
      };
    },
  });

async function find(
  db: Database,
  { params: { id }, principal }: Caller & { readonly params: { readonly id: string } },
): Promise<ContactSync> {
  const sync = await contactSyncById(db, id, principal.organizationId);
  if (!sync) throw notFound(`Sync ${id} is not known`);
  return sync;
}

/** A sync as the API shows it. */
const shown = ({ syncNo: _, ...sync }: ContactSync) => sync;
