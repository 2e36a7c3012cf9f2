import express, { Router, type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import type { Sealer } from '../model/sealing.ts';
import { SealError } from '../model/sealing.ts';
import { HttpError } from './errors.ts';
import { isAdministrator, type KeyChecker } from './principal.ts';

const COOKIE = 'outhaul_codec';
const CONTEXT = 'codec-session';
const LIFETIME_MS = 8 * 3_600_000;

export interface SignInParts {
  readonly keyRing: Sealer;
  readonly keys: KeyChecker;
}

/**
 * Lets a browser's user sign in for the codec endpoint, for the Temporal Web UI cannot send a key of ours: a page asks
 * for an administrator's key and leaves it, sealed, in a cookie that only this endpoint gets to see, for 8 hours or until
 * the browser is closed. `SameSite=Strict`: the Web UI must live on the same site as the API. Revoking the key ends it.
 */
export function signInPage({ keyRing, keys }: SignInParts): Router {
  const router = Router();
  router.get('/', (_request, response) => void response.type('html').send(page()));
  router.post('/session', express.urlencoded({ extended: false, limit: '4kb' }), async (request, response) => {
    const key = Form.safeParse(request.body).data?.key.trim() ?? '';
    const principal = await keys.check(key);
    if (!principal || !isAdministrator(principal)) {
      response.status(403).type('html').send(page("This is not an administrator's key."));
      return;
    }
    const session = JSON.stringify({ key, until: Date.now() + LIFETIME_MS } satisfies Session);
    response.cookie(COOKIE, keyRing.seal(Buffer.from(session), CONTEXT).toString('base64url'), {
      path: request.baseUrl,
      httpOnly: true,
      sameSite: 'strict',
      secure: request.secure || request.headers['x-forwarded-proto'] === 'https',
    });
    response.type('html').send(page('You are signed in: reload the Temporal Web UI.'));
  });
  router.use(takeSession(keyRing));
  return router;
}

const Form = z.object({ key: z.string().max(200) });
const Session = z.object({ key: z.string(), until: z.number() });
type Session = z.output<typeof Session>;

/** Takes the key of the session for the request's own, unless it brings one. */
const takeSession =
  (keyRing: Sealer): RequestHandler =>
  (request, _response, next) => {
    if (request.headers.authorization === undefined) {
      const key = keyOf(request, keyRing);
      if (key !== undefined) request.headers.authorization = `Bearer ${key}`;
    }
    next();
  };

/** @throws {HttpError} 401 for a session that has ended */
function keyOf(request: Request, keyRing: Sealer): string | undefined {
  const [, value] = new RegExp(`(?:^|; *)${COOKIE}=([A-Za-z0-9_-]+)`).exec(request.headers.cookie ?? '') ?? [];
  if (value === undefined) return undefined;
  try {
    const { key, until } = Session.parse(JSON.parse(keyRing.open(Buffer.from(value, 'base64url'), CONTEXT).toString()));
    if (until > Date.now()) return key;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
  }
  throw new HttpError(401, `The session has ended: sign in again at ${request.baseUrl}`);
}

const page = (message = ''): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Outhaul: decoding payloads</title>
<h1>Decoding payloads</h1>
<p>The Temporal Web UI shows the payloads of Outhaul's workflows to administrators who have signed in here. In its codec
settings, switch on "Include cross-origin credentials".</p>
<p role="status">${message}</p>
<form method="post" action="/codec/session">
  <label>An administrator's API key <input type="password" name="key" required autocomplete="off"></label>
  <button>Sign in</button>
</form>
`;
