import type { ApiParts } from '../parts.ts';
import { createDestinationCheck, type Reachability } from '../reachability.ts';
import { route, type Route } from '../route.ts';
import { HealthAnswer, PipelineInfo } from '../schemas/pipeline.ts';

const isActive = ({ postgresql, temporal }: Reachability): boolean => postgresql !== null && temporal !== null;

const pipelineOf = (reached: Reachability) => ({
  pipeline_name: 'outlook_emails_extraction',
  destination_type: 'postgres',
  is_active: isActive(reached),
  source_type: 'outlook_emails',
});

const healthWord = (version: string | null): string => (version === null ? 'unhealthy' : 'healthy');

export const pipelineRoutes = (parts: ApiParts): readonly Route[] => [infoRoute(parts), healthRoute(parts)];

const infoRoute = ({ reachability, version }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/pipeline/info',
    tag: 'Pipeline',
    summary: 'What this service is, and its versions',
    access: 'key',
    answers: { 200: { description: 'Versions of what is out of reach are null', schema: PipelineInfo } },
    async handle() {
      const reached = await reachability();
      const versions = { outhaul: version, node: process.versions.node, ...reached };
      return { status: 200, body: { success: true, ...pipelineOf(reached), versions } };
    },
  });

function healthRoute({ db, reachability }: ApiParts): Route {
  const destinationCheck = createDestinationCheck(db);
  return route({
    method: 'get',
    path: '/health',
    tag: 'Pipeline',
    summary: 'Whether the service and what it needs are well',
    description:
      'Answers within 2 seconds, also when PostgreSQL or Temporal hang. Where there are destinations it tells how these were when they were last tried or asked; one that is away does not make the service unhealthy.',
    access: 'public',
    answers: {
      200: { description: 'PostgreSQL and Temporal are within reach', schema: HealthAnswer },
      503: { description: 'One of them is not', schema: HealthAnswer },
    },
    async handle() {
      const [reached, destinations] = await Promise.all([reachability(), destinationCheck()]);
      const healthy = isActive(reached);
      return {
        status: healthy ? 200 : 503,
        body: {
          status: healthy ? 'healthy' : 'unhealthy',
          timestamp: new Date().toISOString(),
          service: 'outlook_email_extraction',
          pipeline: {
            ...pipelineOf(reached),
            database_health: healthWord(reached.postgresql),
            temporal_health: healthWord(reached.temporal),
          },
          ...(Object.keys(destinations).length > 0 && { destinations }),
        },
      };
    },
  });
}
