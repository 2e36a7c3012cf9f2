import { recordAudit } from '../../store/audit.ts';
import type { Database } from '../../store/database.ts';
import {
  deadLetterCauses,
  dropDeadLetters,
  listDeadLetters,
  retryDeadLetters,
  type DeadLetter,
  type DeadLetterFilter,
} from '../../store/dead-letters.ts';
import { destinationById, listDestinations } from '../../store/destinations.ts';
import { organizationOf, type Organization } from '../../store/organizations.ts';
import { notFound } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import type { Principal } from '../principal.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  DeadLetterCauses,
  DeadLetterDrop,
  DeadLetterList,
  DeadLetterParams,
  DeadLetterQuery,
  DeadLetterRetry,
  DeadLetterShown,
  DeadLettersDropped,
  DeadLettersRetried,
} from '../schemas/dead-letters.ts';
import { organizationMeant, refuseForeign } from '../scope.ts';

export const deadLetterRoutes = (parts: ApiParts): readonly Route[] => [
  listRoute(parts),
  causesRoute(parts),
  retryRoute(parts),
  dropRoute(parts),
  showRoute(parts),
];

const PATH = '/api/v1/dead-letters';
const COMMON = { tag: 'Dead letters', access: 'key' } as const;

const listRoute = ({ db }: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: PATH,
    summary: 'What destinations did not take, or not in time',
    description: 'Each with its cause, in the order in which they were owed. Kept until they are retried or dropped.',
    query: DeadLetterQuery,
    answers: { 200: { description: 'One page of them', schema: DeadLetterList } },
    errors: [404],
    async handle({ query: { limit, cursor, answered, organizationId: named, ...wanted }, principal }) {
      const { organization, filter } = await scopeOf(db, principal, named, wanted);
      const asked = { ...filter, answered: answered === 'true', limit, cursor };
      const { letters, nextCursor } = await listDeadLetters(db, organization, asked);
      const { organizationId } = organization;
      const pagination = { limit, hasMore: nextCursor !== null, nextCursor };
      return { status: 200, body: { success: true, organizationId, letters, pagination } };
    },
  });

const causesRoute = ({ db }: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: `${PATH}/causes`,
    summary: 'How many dead letters there are, by destination and cause',
    query: OrganizationQuery,
    answers: { 200: { description: 'Most first', schema: DeadLetterCauses } },
    errors: [404],
    async handle({ query, principal }) {
      const { organizationId } = await organizationMeant(db, principal, query.organizationId);
      const found = await deadLetterCauses(db, organizationId);
      const destinations = await listDestinations(db, organizationId);
      const causes = found.flatMap(({ destinationNo, cause, letters }) =>
        destinations
          .filter((destination) => destination.destinationNo === destinationNo)
          .map(({ id, name }) => ({ destinationId: id, destinationName: name, cause, letters })),
      );
      return { status: 200, body: { success: true, organizationId, causes } };
    },
  });

const showRoute = ({ db }: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'get',
    path: `${PATH}/{id}`,
    summary: 'Show a dead letter, or a delivery that was answered with an error',
    params: DeadLetterParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'What is known of it', schema: DeadLetterShown } },
    errors: [404],
    async handle({ params: { id }, query, principal }) {
      const organization = await organizationMeant(db, principal, query.organizationId);
      const letter = await letterOf(db, organization, id);
      return { status: 200, body: { success: true, letter } };
    },
  });

async function letterOf(db: Database, organization: Organization, deliveryNo: number): Promise<DeadLetter> {
  for (const answered of [false, true]) {
    const { letters } = await listDeadLetters(db, organization, { deliveryNos: [deliveryNo], answered, limit: 1 });
    if (letters[0]) return letters[0];
  }
  throw notFound(`Dead letter ${deliveryNo} is not known: it may have been retried or dropped`);
}

/** Readers woken for a retry; upkeep wakes the others. */
const READERS = 100;

const retryRoute = ({ db, deliveries, wakeReader }: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'post',
    path: `${PATH}/retry`,
    summary: 'Have dead letters sent again',
    description:
      'At the end of the line, with all their attempts before them and the idempotency key that they had; a batch receiver gets them in another batch.',
    query: OrganizationQuery,
    body: DeadLetterRetry,
    answers: { 202: { description: 'They are owed again', schema: DeadLettersRetried } },
    errors: [404, 413],
    async handle({ query, body: { all: _, answered, ...wanted }, principal, log }) {
      const { organization, filter } = await scopeOf(db, principal, query.organizationId, wanted);
      const { organizationId } = organization;
      const retried = await retryDeadLetters(db, organization, { ...filter, answered });
      const { letters, destinationNos, mailboxIds } = retried;
      const { actor } = principal;
      const details = { letters, answered, ...told(wanted) };
      await recordAudit(db, { actor, organizationId, action: 'dead-letter.retry', details });
      log.info({ organizationId, letters }, 'Dead letters are sent again');
      const owed = (await listDestinations(db, organizationId)).filter(({ destinationNo }) =>
        destinationNos.includes(destinationNo),
      );
      await Promise.all(
        owed.map((destination) =>
          deliveries
            .wake(destination)
            .catch((err: unknown) => log.warn({ err }, 'Dead letters are sent again later, by upkeep')),
        ),
      );
      await Promise.all(
        mailboxIds
          .slice(0, READERS)
          .map((mailboxId) =>
            wakeReader(organizationId, mailboxId, 'incremental').catch((err: unknown) =>
              log.warn({ err }, 'Attachments are read again later: upkeep will see to it'),
            ),
          ),
      );
      const message = `${lettersAre(letters)} sent again`;
      const body = { success: true, organizationId, letters, destinations: owed.length, message };
      return { status: 202, body };
    },
  });

const dropRoute = ({ db }: ApiParts): Route =>
  route({
    ...COMMON,
    method: 'post',
    path: `${PATH}/drop`,
    summary: 'Forget dead letters for good',
    description: 'The mail itself stays stored; a replay sends it.',
    query: OrganizationQuery,
    body: DeadLetterDrop,
    answers: { 200: { description: 'They are gone', schema: DeadLettersDropped } },
    errors: [404, 413],
    async handle({ query, body: { all: _, ...wanted }, principal, log }) {
      const { organization, filter } = await scopeOf(db, principal, query.organizationId, wanted);
      const { organizationId } = organization;
      const letters = await dropDeadLetters(db, organizationId, filter);
      const { actor } = principal;
      const details = { letters, ...told(wanted) };
      await recordAudit(db, { actor, organizationId, action: 'dead-letter.drop', details });
      log.info({ organizationId, letters }, 'Dead letters are dropped');
      const message = `${lettersAre(letters)} dropped`;
      return { status: 200, body: { success: true, organizationId, letters, message } };
    },
  });

const lettersAre = (count: number): string => (count === 1 ? '1 dead letter is' : `${count} dead letters are`);

interface Wanted {
  readonly ids?: readonly number[] | undefined;
  readonly destination?: string | undefined;
  readonly cause?: string | undefined;
}

/** What the audit keeps of a choice. */
const told = ({ ids, destination, cause }: Wanted) => ({
  ...(ids !== undefined && { ids: [...ids] }),
  ...(destination !== undefined && { destination }),
  ...(cause !== undefined && { cause }),
});

/** Whose dead letters, and which; a destination says whose. */
async function scopeOf(
  db: Database,
  principal: Principal,
  named: string | undefined,
  { ids: deliveryNos, destination: id, cause }: Wanted,
): Promise<{ readonly organization: Organization; readonly filter: DeadLetterFilter }> {
  if (id === undefined) {
    return { organization: await organizationMeant(db, principal, named), filter: { deliveryNos, cause } };
  }
  refuseForeign(principal, named);
  const destination = await destinationById(db, id, principal.organizationId ?? named ?? null);
  if (!destination) throw notFound(`Destination ${id} is not known`);
  const { organizationId, destinationNo } = destination;
  return { organization: await organizationOf(db, organizationId), filter: { deliveryNos, destinationNo, cause } };
}
