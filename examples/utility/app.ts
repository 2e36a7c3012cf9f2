import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Request } from 'express';
import type { Logger } from 'pino';
import { Answers, type Answer } from './answers.ts';
import { emailSchema, type Email } from './email.ts';
import { type Metrics } from './metrics.ts';
import { TryAgain, type Result } from './process.ts';
import type { Settings } from './settings.ts';
import { signatureFault } from './signature.ts';

export interface UtilityParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly process: (email: Email, signal: AbortSignal) => Promise<Result>;
  readonly metrics: Metrics;
  /** Whether it is about to end. */
  readonly isStopping: () => boolean;
}

/** `POST /process`, `GET /health` and `GET /metrics`. */
export function createUtility(parts: UtilityParts): Express {
  const { metrics, isStopping } = parts;
  const answers = new Answers();
  const app = express();
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    if (isStopping()) response.set('Connection', 'close');
    next();
  });
  app.get('/health', (_request, response) => {
    const stopping = isStopping();
    response.status(stopping ? 503 : 200).json({
      status: stopping ? 'unhealthy' : 'healthy',
      service: 'example-utility',
      version: '1.0.0',
      metrics: metrics.summary(),
      timestamp: new Date().toISOString(),
    });
  });
  app.get('/metrics', async (_request, response) => {
    response.type(metrics.register.contentType).send(await metrics.register.metrics());
  });
  app.post(
    '/process',
    counted(metrics),
    authorized(parts.settings),
    body(parts.settings),
    async (request, response) => {
      const { status, body } = await answerTo(parts, answers, request);
      response.locals['worked'] = true;
      response.status(status).json(body);
    },
  );
  app.use((_request, response) => void response.status(404).json(failure('not_found', 'There is nothing here')));
  app.use(refusal);
  return app;
}

/** What a request that was let in is answered; the work on it is done once. */
async function answerTo(parts: UtilityParts, answers: Answers, request: Request): Promise<Answer> {
  const { success, data: email, error } = emailSchema.safeParse(request.body);
  if (!success) {
    const [{ path, message } = { path: [], message: 'is not an object' }] = error.issues;
    return { status: 400, body: failure('invalid_payload', `${path.join('.') || 'The body'}: ${message}`) };
  }
  // The first of these is signed.
  const key = request.get('webhook-id') ?? request.get('idempotency-key');
  const work = (): Promise<Answer> => workOn(parts, email);
  return key === undefined ? work() : answers.once(key, work);
}

async function workOn({ settings, log, process }: UtilityParts, email: Email): Promise<Answer> {
  const started = performance.now();
  const done = (event: string, more: object): void =>
    log.info({ event, message_id: email.message_id, duration_ms: Math.round(performance.now() - started), ...more });
  try {
    const result = await process(email, AbortSignal.timeout(settings.processSeconds * 1000));
    done('request_completed', { status: result.status });
    return { status: 200, body: result };
  } catch (error) {
    done('request_failed', { error });
    const away = error instanceof TryAgain;
    return {
      status: away ? 503 : 500,
      body: failure(away ? 'unavailable' : 'unknown', away ? error.message : 'The work on it failed; see the log'),
    };
  }
}

const counted =
  (metrics: Metrics): RequestHandler =>
  (_request, response, next) => {
    const started = performance.now();
    metrics.begin();
    response.once('close', () => {
      const outcome = response.statusCode >= 400 ? 'error' : 'success';
      metrics.end(response.locals['worked'] === true ? outcome : 'refused', performance.now() - started);
    });
    next();
  };

/** Before the body is read, so that strangers cannot make us read one. */
function authorized({ token }: Settings): RequestHandler {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  const wanted = hash(`Bearer ${token}`);
  return (request, response, next) => {
    if (timingSafeEqual(hash(request.get('authorization') ?? ''), wanted)) return next();
    response.set('WWW-Authenticate', 'Bearer').status(401).json(failure('unauthorized', 'The token is not ours'));
  };
}

/** Reads the body, up to the limit, and checks its signature before it is parsed. */
const body = ({ maxBodyMb, signingKey }: Settings): RequestHandler =>
  express.json({
    limit: `${maxBodyMb}mb`,
    inflate: false,
    verify(request, _response, raw) {
      if (signingKey === undefined) return;
      const header = (name: string): string | undefined => request.headers[name] as string | undefined;
      const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(header);
      const fault = signatureFault({ id, timestamp, signature, body: raw }, signingKey, new Date());
      if (fault !== undefined) throw Object.assign(new Error(fault), { status: 401 });
    },
  });

/** What the reading of a body has against it. */
const refusal: ErrorRequestHandler = (error: Error & { status?: number }, _request, response, _next) => {
  const { status = 500, message } = error;
  response.status(status).json(failure(status === 500 ? 'unknown' : 'refused', status === 500 ? 'It failed' : message));
};

const failure = (errorType: string, message: string): object => ({
  status: 'error',
  error_type: errorType,
  message,
});
