import { recordAudit } from '../../store/audit.ts';
import type { Database } from '../../store/database.ts';
import { listQuarantine, requestRetries, type QuarantineFilter } from '../../store/quarantine-list.ts';
import type { ApiParts } from '../parts.ts';
import type { Principal } from '../principal.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import { QuarantineList, QuarantineQuery, QuarantineRetried, QuarantineRetry } from '../schemas/quarantine.ts';
import { findScan, oneOrganization, organizationFor } from '../scope.ts';

export const quarantineRoutes = (parts: ApiParts): readonly Route[] => [listRoute(parts), retryRoute(parts)];

const listRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/quarantine',
    tag: 'Quarantine',
    summary: 'Messages that could not be read or stored',
    description: 'Each with its cause, in the order in which they came into the quarantine.',
    access: 'key',
    query: QuarantineQuery,
    answers: { 200: { description: 'One page of them', schema: QuarantineList } },
    errors: [404],
    async handle({ query: { limit, cursor, state, organizationId: named, ...wanted }, principal }) {
      const { organizationId, filter } = await scopeOf(db, principal, named, wanted);
      const resolved = state === 'resolved';
      const { entries, nextCursor } = await listQuarantine(db, { organizationId, resolved, limit, cursor, ...filter });
      const pagination = { limit, hasMore: nextCursor !== null, nextCursor };
      return { status: 200, body: { success: true, messages: entries, pagination } };
    },
  });

const retryRoute = ({ db, quarantine }: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/quarantine/retry',
    tag: 'Quarantine',
    summary: 'Try messages in quarantine again',
    description: 'They are read by id, mailbox by mailbox. What can be read then is stored and leaves the quarantine.',
    access: 'key',
    query: OrganizationQuery,
    body: QuarantineRetry,
    answers: { 202: { description: 'They will be tried again', schema: QuarantineRetried } },
    errors: [404, 413],
    async handle({ query, body: { all: _, ...wanted }, principal, log }) {
      const { organizationId: found, filter } = await scopeOf(db, principal, query.organizationId, wanted);
      const organizationId = found ?? (await oneOrganization(db));
      const { messages, mailboxes } = await requestRetries(db, organizationId, filter);
      // The marks stay where Temporal is away: whoever reads the mailboxes next obeys them.
      if (messages > 0) await quarantine.retry(organizationId);
      const { actor } = principal;
      const details = { messages, mailboxes, ...(wanted.cause !== undefined && { cause: wanted.cause }) };
      await recordAudit(db, { actor, organizationId, action: 'quarantine.retry', details });
      log.info({ organizationId, messages, mailboxes }, 'Messages in quarantine are tried again');
      const message =
        messages === 0
          ? 'No such message is in quarantine'
          : `${messages} messages in ${mailboxes} mailboxes are tried again`;
      return { status: 202, body: { success: true, organizationId, messages, mailboxes, message } };
    },
  });

interface Wanted extends Omit<QuarantineFilter, 'scanNo'> {
  readonly scanId?: string | undefined;
}

/** Whose messages, and which; a scan says whose. */
async function scopeOf(
  db: Database,
  principal: Principal,
  named: string | undefined,
  { scanId, ...filter }: Wanted,
): Promise<{ readonly organizationId: string | null; readonly filter: QuarantineFilter }> {
  if (scanId === undefined) return { organizationId: await organizationFor(db, principal, named), filter };
  const { organizationId, scanNo } = await findScan(db, principal, { scanId, organizationId: named });
  return { organizationId, filter: { ...filter, scanNo } };
}
