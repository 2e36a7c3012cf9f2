import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { changeDestination, createDestination, listDestinations, removeDestination } from '../../store/destinations.ts';
import { checkAddress, refuseOperators } from '../destination-address.ts';
import { changedSecret, changedSettings, completeSecret, refuseToCarry } from '../destination-change.ts';
import { entriesOf, shownEntry } from '../destination-form.ts';
import { answer, find, record, unknown } from '../destination-controls.ts';
import { refuseEnvironmentNames } from '../environment-destinations.ts';
import { conflict } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  DestinationAnswer,
  DestinationChange,
  DestinationList,
  DestinationParams,
  DestinationRemoved,
  DestinationRequest,
  DestinationShown,
  RemovalQuery,
} from '../schemas/destinations.ts';
import { organizationFor, organizationMeant } from '../scope.ts';

const PATH = '/api/v1/destinations';

/** What the routes of one destination have in common. */
const ONE = { tag: 'Destinations', access: 'key', params: DestinationParams } as const;

export const destinationRoutes = (parts: ApiParts): readonly Route[] => [
  createRoute(parts),
  listRoute(parts),
  showRoute(parts),
  changeRoute(parts),
  removeRoute(parts),
];

const createRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: PATH,
    tag: 'Destinations',
    summary: "Have an organization's mail handed on",
    description:
      'Attachments to a Redis list or a folder, messages to a utility or a batch receiver. Folders and private addresses are for administrators.',
    access: 'key',
    body: DestinationRequest,
    answers: { 201: { description: 'It is made', schema: DestinationAnswer } },
    errors: [404, 409, 413, 422],
    async handle({ body, ...caller }) {
      const { db, workflows, deliveries } = parts;
      const { name, kind, starts } = body;
      const asked = { kind, settings: withDefaults(kind, body.settings as never) } as KindSettings;
      refuseEnvironmentNames(caller.principal, { name, kind });
      refuseOperators(caller.principal, asked);
      await checkAddress(asked);
      const organization = await organizationMeant(db, caller.principal, body.organizationId);
      const { secret, madeKey } = completeSecret(kind, body.secret ?? {});
      // What is made can not be asked for again, for its signing key is shown once: so not while Temporal is away.
      await workflows.version();
      const hasSecret = Object.keys(secret).length > 0;
      const made = await createDestination(db, organization, {
        ...asked,
        ...{ name, starts, secret: hasSecret ? secret : undefined },
      });
      await record(parts, made, caller, 'create', { kind, starts });
      if (starts === 'stored') {
        await deliveries
          .feed(made)
          .catch((err: unknown) => caller.log.warn({ err }, 'A new destination is fed later, by upkeep'));
      }
      return { status: 201, body: { ...(await answer(parts, made, 'is made')), signingKey: madeKey } };
    },
  });

const listRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: PATH,
    tag: 'Destinations',
    summary: 'List destinations, how they stand and what they are owed',
    description: "Those of the key's organization; an administrator sees all. Secrets are never shown.",
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'In the order in which they were made', schema: DestinationList } },
    errors: [404],
    async handle({ query, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      const destinations = await listDestinations(db, organizationId);
      return { status: 200, body: { success: true, destinations: await entriesOf(db, destinations, organizationId) } };
    },
  });

const showRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'get',
    path: `${PATH}/{id}`,
    summary: 'Show a destination, how it stands and what it is owed',
    answers: { 200: { description: 'All of it but its secret', schema: DestinationShown } },
    errors: [404],
    async handle(call) {
      const destination = await shownEntry(parts.db, await find(parts, call));
      return { status: 200, body: { success: true, destination } };
    },
  });

const changeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'patch',
    path: `${PATH}/{id}`,
    summary: 'Change a destination',
    description:
      'What is not named stays; `filters` are changed as a whole. What it is owed already stays owed. At another scheme, host or port a password or token has to be given again.',
    body: DestinationChange,
    answers: { 200: { description: 'It is changed', schema: DestinationAnswer } },
    errors: [404, 409, 413, 422],
    async handle({ body: { name, settings, secret }, ...call }) {
      const { db } = parts;
      const before = await find(parts, call);
      if (name !== undefined && name !== before.name)
        refuseEnvironmentNames(call.principal, { name, kind: before.kind });
      const after = settings && changedSettings(before, settings);
      if (after) {
        refuseOperators(call.principal, after, before);
        await refuseToCarry(db, before, after, secret);
        await checkAddress(after);
      }
      const completed = secret && (await changedSecret(db, before, secret));
      const changed = await changeDestination(db, before, {
        name,
        settings: after?.settings,
        secret: completed && (Object.keys(completed.secret).length > 0 ? completed.secret : null),
      });
      if (!changed) throw unknown(before.id);
      const parted = { settings: Object.keys(settings ?? {}), secret: Object.keys(secret ?? {}) };
      await record(parts, changed, call, 'change', parted);
      await parts.deliveries
        .wake(changed)
        .catch((err: unknown) => call.log.warn({ err }, 'A changed destination is tried later, by upkeep'));
      return { status: 200, body: { ...(await answer(parts, changed, 'is changed')), signingKey: completed?.madeKey } };
    },
  });

const removeRoute = (parts: ApiParts): Route =>
  route({
    ...ONE,
    method: 'delete',
    path: `${PATH}/{id}`,
    summary: 'Remove a destination, and all that is known of what it was sent',
    description: 'Refused while it is owed something or has dead letters, unless `drop` says that these may go, too.',
    query: RemovalQuery,
    answers: { 200: { description: 'It is gone', schema: DestinationRemoved } },
    errors: [404, 409],
    async handle({ query: { drop }, ...call }) {
      const { db } = parts;
      const destination = await find(parts, call);
      const { id, name } = destination;
      const removal = await removeDestination(db, { id }, { drop: drop === 'true' });
      if (removal.status === 'unknown') throw unknown(id);
      if (removal.status === 'owing') {
        throw conflict(
          `Destination ${name} is owed ${removal.owing} deliveries still, dead letters among them: wait, or add ?drop=true to remove it with these`,
        );
      }
      const { dropped } = removal;
      await record(parts, destination, call, 'remove', { dropped });
      return { status: 200, body: { success: true, id, dropped, message: `Destination ${name} is removed` } };
    },
  });
