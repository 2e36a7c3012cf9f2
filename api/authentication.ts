import type { RequestHandler } from 'express';
import { isLoopback } from '../model/loopback.ts';
import { HttpError } from './errors.ts';
import { LOCAL_ADMINISTRATOR, type KeyChecker, type Principal } from './principal.ts';

/** Who calls, as an authentication below has found out. */
export const principalOf = (locals: Record<string, unknown>): Principal => locals['principal'] as Principal;

/**
 * Asks every request for `Authorization: Bearer KEY`.
 * @throws {HttpError} 401
 */
export function authenticateByKey(keys: KeyChecker): RequestHandler {
  return async (request, response, next) => {
    const [, key] = /^Bearer +(\S{1,200}) *$/i.exec(request.headers.authorization ?? '') ?? [];
    if (key === undefined) throw unauthorized('A key is needed: send the header "Authorization: Bearer KEY"');
    const principal = await keys.check(key);
    if (!principal) throw unauthorized('The key is not known or was revoked', ', error="invalid_token"');
    response.locals['principal'] = principal;
    next();
  };
}

const unauthorized = (message: string, parameters = ''): HttpError =>
  new HttpError(401, message, { headers: { 'WWW-Authenticate': `Bearer realm="outhaul"${parameters}` } });

/**
 * Takes every caller for an administrator: for `OUTHAUL_AUTH=none`, which is accepted on loopback only. A browser on
 * this machine also calls for whatever page it shows, so what comes under a foreign host name (DNS rebinding) or from a
 * foreign origin is refused.
 * @throws {HttpError} 403
 */
export function authenticateNobody(origins: readonly string[]): RequestHandler {
  return (request, response, next) => {
    const { host = '', origin } = request.headers;
    const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
    const foreign = origin !== undefined && origin !== `http://${host}` && !origins.includes(origin);
    if (!isLoopback(name) || foreign) {
      throw new HttpError(403, 'Authentication is off, so only programs and pages of this machine are served');
    }
    response.locals['principal'] = LOCAL_ADMINISTRATOR;
    next();
  };
}
