import cors from 'cors';
import express, { Router, type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import type { LiveKeyRing } from '../config/live-key-ring.ts';
import { isLoopback } from '../model/loopback.ts';
import { SealError } from '../model/sealing.ts';
import { EncryptionCodec } from '../temporal/codec.ts';
import { decodeJsonPayloads } from '../temporal/json-payloads.ts';
import { authenticateByKey, authenticateNobody, principalOf } from './authentication.ts';
import { signInPage } from './codec-sign-in.ts';
import { HttpError, badRequest, notFound } from './errors.ts';
import { isAdministrator, type KeyChecker } from './principal.ts';

/** Where the endpoint lies: `temporal --codec-endpoint`, and the Web UI's codec setting, name this path. */
export const CODEC_PATH = '/codec';

export interface CodecParts {
  readonly config: Config;
  readonly keyRing: LiveKeyRing;
  readonly keys: KeyChecker;
}

/** The Web UI sends the payloads of several events at a time. */
const BODY_LIMIT = '8mb';

const Base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, 'must be base64');
const Payloads = z.object({
  payloads: z
    .array(z.looseObject({ metadata: z.record(z.string(), Base64).nullish(), data: Base64.nullish() }))
    .default([]),
});

/**
 * The codec endpoint of Temporal's command line and Web UI (`temporalio/api-go`, remote codec): `POST /codec/decode` with
 * `{payloads}` in proto JSON, answered in the same form. A payload does not say whose it is, so only administrators may
 * decode. Nothing is encoded here: only our own processes seal.
 *
 * The command line sends its key as `Authorization`. A browser sends the session that its user has opened at `/codec`.
 */
export function codecRouter({ config, keyRing, keys }: CodecParts): Router {
  const { auth, corsOrigins } = config.http;
  const origins = [...corsOrigins.filter((origin) => origin !== '*'), ...originsOf(config.temporal.uiUrl)];
  const codec = new EncryptionCodec(keyRing);
  const router = Router();
  router.use(named);
  router.use(cors({ origin: origins, credentials: true, methods: ['POST'], allowedHeaders: HEADERS, maxAge: 600 }));
  if (auth === 'keys') router.use(signInPage({ keyRing, keys }));
  router.use(auth === 'none' ? authenticateNobody(origins) : authenticateByKey(keys));
  router.post('/decode', administratorsOnly, express.json({ limit: BODY_LIMIT }), async (request, response) => {
    const body = payloadsOf(request);
    const payloads = await decodeJsonPayloads(codec, body).catch((error: unknown) => {
      throw error instanceof SealError ? new HttpError(422, error.message, { cause: error }) : error;
    });
    response.set('Cache-Control', 'no-store').json({ payloads });
  });
  router.use(() => {
    throw notFound('The codec endpoint answers POST /codec/decode only: only Outhaul itself encodes');
  });
  return router;
}

const HEADERS = ['Authorization', 'Authorization-Extras', 'Content-Type', 'X-Namespace'];

const named: RequestHandler = (request, response, next) => {
  response.locals['route'] = request.path === '/decode' ? `${CODEC_PATH}/decode` : CODEC_PATH;
  next();
};

const administratorsOnly: RequestHandler = (_request, response, next) => {
  if (!isAdministrator(principalOf(response.locals))) {
    throw new HttpError(403, "Only an administrator's key may decode: a payload does not say whose it is");
  }
  next();
};

function payloadsOf({ body }: Request): z.output<typeof Payloads>['payloads'] {
  const parsed = Payloads.safeParse(body);
  if (parsed.success) return parsed.data.payloads;
  const details = parsed.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
  throw badRequest(details);
}

/** The Web UI's origin; on this machine, under each of the names that a browser may call it by. */
function originsOf(uiUrl: string | undefined): string[] {
  if (uiUrl === undefined) return [];
  const { protocol, hostname, port, origin } = new URL(uiUrl);
  if (!isLoopback(hostname)) return [origin];
  return ['127.0.0.1', 'localhost'].map((host) => `${protocol}//${host}${port === '' ? '' : `:${port}`}`);
}
