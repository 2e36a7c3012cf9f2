import { listOrganizations, organizationOf, type Organization } from '../../store/organizations.ts';
import { openSession } from '../../store/sessions.ts';
import type { ApiParts } from '../parts.ts';
import { isAdministrator } from '../principal.ts';
import { addReceiverMetrics } from '../receiver-metrics.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import { SessionMetrics } from '../schemas/sessions.ts';
import { organizationFor, organizationMeant } from '../scope.ts';
import { figuresOf } from '../session-figures.ts';
import { expositionOf, jsonMetrics, scrapeRegistry, type Measured } from '../session-metrics.ts';

/** Mailboxes that are told of one by one: in JSON those that lose most, for a scraper all but those of a giant. */
const LOSSES = { json: 100, scrape: 10_000 };

export const metricsRoutes = ({ db, receiver }: ApiParts): readonly Route[] => {
  const measure = async (organization: Organization, losses: number): Promise<Measured> => {
    const { organizationId } = organization;
    const session = await openSession(db, organizationId);
    return { organizationId, session, figures: await figuresOf(db, organization, session, losses) };
  };
  return [
    route({
      method: 'get',
      path: '/metrics',
      tag: 'Sessions',
      summary: 'Figures of the current session',
      description:
        "JSON, or what Prometheus reads where `Accept` names `text/plain` or OpenMetrics. An administrator's scrape that names no organization has all of them, and what the process itself counts.",
      access: 'key',
      query: OrganizationQuery,
      answers: {
        200: {
          description: 'The figures as they are now',
          schema: SessionMetrics,
          text: ['text/plain', 'application/openmetrics-text'],
        },
      },
      errors: [404],
      async handle({ query, principal, accept }) {
        const exposition = expositionOf(accept);
        if (!exposition) {
          const organization = await organizationMeant(db, principal, query.organizationId);
          const measured = await measure(organization, LOSSES.json);
          return { status: 200, body: { success: true, ...jsonMetrics(measured, Date.now()) } };
        }
        const named = await organizationFor(db, principal, query.organizationId);
        const ids =
          named === null ? (await listOrganizations(db)).map(({ organizationId }) => organizationId) : [named];
        const measured: Measured[] = [];
        for (const id of ids) measured.push(await measure(await organizationOf(db, id), LOSSES.scrape));
        const registry = scrapeRegistry(exposition, measured);
        if (isAdministrator(principal) && receiver) addReceiverMetrics(registry, receiver.figures);
        return { status: 200, text: await registry.metrics(), contentType: registry.contentType };
      },
    }),
  ];
};
