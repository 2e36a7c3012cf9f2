import type { ApiParts } from '../parts.ts';
import { pollNow } from '../poll-now.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import { PollStarted } from '../schemas/sessions.ts';
import { organizationToStart } from '../scope.ts';

export const pollingRoutes = (parts: ApiParts): readonly Route[] =>
  (['/polling/trigger', '/process-now'] as const).map((path) =>
    route({
      method: 'post',
      path,
      tag: 'Sessions',
      summary: "Read what has changed in the organization's mailboxes, now",
      description:
        "An incremental scan with the session's filters, of every inbox where no session runs: its status tells how the round stands, its coverage that it is whole.",
      access: 'key',
      query: OrganizationQuery,
      answers: { 202: { description: 'The round has begun, or waits for its turn', schema: PollStarted } },
      errors: [404, 409, 422],
      async handle({ query, ...caller }) {
        const organizationId = await organizationToStart(parts, caller.principal, query.organizationId);
        const { scanId, status } = await pollNow(parts, organizationId, caller);
        const message =
          status === 'running' ? 'The mailboxes are polled' : 'The mailboxes are polled when it is their turn';
        return { status: 202, body: { success: true, message, organization_id: organizationId, scanId, status } };
      },
    }),
  );
