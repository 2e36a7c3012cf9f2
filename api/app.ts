import { pipeline } from 'node:stream/promises';
import cors from 'cors';
import express, { type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { authenticateByKey, authenticateNobody, principalOf } from './authentication.ts';
import { docsRouter } from './docs.ts';
import { answerError } from './error-answers.ts';
import { HttpError, badRequest, notFound } from './errors.ts';
import { CODEC_PATH, codecRouter } from './codec.ts';
import { describeApi } from './openapi.ts';
import type { ApiParts } from './parts.ts';
import { isAdministrator } from './principal.ts';
import { requestLog } from './request-log.ts';
import type { Conditions, Route } from './route.ts';
import { contactRoutes } from './routes/contacts.ts';
import { coverageRoutes } from './routes/coverage.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { destinationControlRoutes } from './routes/destination-controls.ts';
import { destinationRoutes } from './routes/destinations.ts';
import { keyRingRoutes } from './routes/key-ring.ts';
import { connectionRoutes } from './routes/connections.ts';
import { keyRoutes } from './routes/keys.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { pipelineRoutes } from './routes/pipeline.ts';
import { quarantineRoutes } from './routes/quarantine.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { pollingRoutes } from './routes/polling.ts';
import { redisQueueRoutes } from './routes/redis-queue.ts';
import { emailRoutes } from './routes/emails.ts';
import { originalRoute } from './routes/originals.ts';
import { resultRoutes } from './routes/results.ts';
import { scanControlRoutes } from './routes/scan-controls.ts';
import { scanRoutes } from './routes/scans.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { statusRoutes } from './routes/status.ts';
import { sendBytes } from './send-bytes.ts';

/** The most that a request's body may have. */
const BODY_LIMIT = '256kb';
/** Where Graph sends its notifications. */
const RECEIVER_PATH = '/webhooks/graph';

/** The API as an Express application: what every request passes, in order. */
export function createApp(parts: ApiParts, log: Logger): Express {
  const { http } = parts.config;
  const routes = [
    ...scanRoutes(parts),
    ...scanControlRoutes(parts),
    ...scheduleRoutes(parts),
    ...sessionRoutes(parts),
    ...pollingRoutes(parts),
    ...metricsRoutes(parts),
    ...statusRoutes(parts),
    ...emailRoutes(parts),
    originalRoute(parts),
    ...redisQueueRoutes(parts),
    ...resultRoutes(parts),
    ...coverageRoutes(parts),
    ...quarantineRoutes(parts),
    ...destinationRoutes(parts),
    ...destinationControlRoutes(parts),
    ...deadLetterRoutes(parts),
    ...contactRoutes(parts),
    ...maintenanceRoutes(parts),
    ...keyRingRoutes(parts),
    ...pipelineRoutes(parts),
    ...keyRoutes(parts),
    ...connectionRoutes(parts),
  ];
  const app = express();
  app.disable('x-powered-by');
  // Thousands a second: they are counted, not logged one by one.
  if (parts.receiver) app.use(RECEIVER_PATH, parts.receiver.router);
  app.use(requestLog(log));
  app.use(securityHeaders);
  app.use(CODEC_PATH, codecRouter(parts));
  if (http.corsOrigins.length > 0) app.use(crossOrigin(http.corsOrigins));
  app.use(docsRouter(describeApi(routes, parts.version)));
  mount(
    app,
    routes.filter(({ access }) => access === 'public'),
  );
  app.use(http.auth === 'none' ? authenticateNobody(http.corsOrigins) : authenticateByKey(parts.keys));
  app.use(jsonBody);
  mount(
    app,
    routes.filter(({ access }) => access !== 'public'),
  );
  app.use(() => {
    throw notFound('There is nothing at this path; GET /docs/ shows what there is');
  });
  app.use(answerError);
  return app;
}

/** Swagger UI styles itself in place, and the API may be served over plain http on a machine of its own. */
const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null, 'img-src': ["'self'", 'data:'] } },
});

const crossOrigin = (origins: readonly string[]): RequestHandler =>
  cors({
    origin: origins.includes('*') ? '*' : [...origins],
    exposedHeaders: ['X-Request-Id'],
    allowedHeaders: ['Authorization', 'Content-Type', 'X-Request-Id'],
    maxAge: 600,
  });

const parseJson = express.json({ limit: BODY_LIMIT });

/** Reads the body, which must be JSON where there is one. */
const jsonBody: RequestHandler = (request, response, next) => {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (hasBody && !request.is('application/json')) {
    throw badRequest([
      { path: '', message: 'The body must be JSON: send the header "Content-Type: application/json"' },
    ]);
  }
  parseJson(request, response, next);
};

/** Adds the routes; a path that exists answers other methods with 405. */
function mount(app: Express, routes: readonly Route[]): void {
  for (const one of routes) app[one.method](expressPath(one), handlerOf(one));
  for (const path of new Set(routes.map(expressPath))) {
    const methods = routes.filter((one) => expressPath(one) === path).map(({ method }) => method.toUpperCase());
    const allowed = methods.join(', ');
    app.all(path, () => {
      throw new HttpError(405, `This path answers ${allowed} only`, { headers: { Allow: allowed } });
    });
  }
}

const expressPath = ({ path }: Route): string => path.replace(/\{(\w+)\}/g, ':$1');

function handlerOf(one: Route): RequestHandler {
  return async (request, response) => {
    Object.assign(response.locals, { route: one.path, isProbe: one.path === '/health' });
    const principal = principalOf(response.locals);
    if (one.access === 'administrator' && !isAdministrator(principal)) {
      throw new HttpError(403, "Only an administrator's key may do this");
    }
    const { params, query, body } = request as { params: unknown; query: unknown; body: unknown };
    const answer = await one.run(
      { params, query, body },
      { principal, log: request.log, accept: request.headers.accept, conditions: conditionsOf(request) },
    );
    response.status(answer.status).set('Cache-Control', 'no-store');
    if ('body' in answer) response.json(answer.body);
    else if ('text' in answer) response.set('Content-Type', answer.contentType).send(answer.text);
    else if ('headers' in answer) await sendBytes(answer, request, response);
    else await pipeline(answer.csv, response.type('csv'));
  };
}

const conditionsOf = (request: Request): Conditions => ({
  range: request.get('range'),
  ifRange: request.get('if-range'),
  ifNoneMatch: request.get('if-none-match'),
  lastEventId: request.get('last-event-id'),
});
