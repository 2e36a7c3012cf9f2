import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import type { Principal } from './principal.ts';

const HEADER = 'X-Request-Id';
/** An id that a caller may give its request; anything else is replaced. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,100}$/;

/** The id of the request that this is the response to. */
export const requestIdOf = (response: Response): string => String(response.getHeader(HEADER));

/**
 * Gives every request an id, answers it in `X-Request-Id`, puts it into every line that the request logs, and logs each
 * request once. A line names the route, never the path or query as sent: they may hold anything.
 */
export function requestLog(logger: Logger): RequestHandler {
  return pinoHttp<Request, Response>({
    logger,
    quietReqLogger: true,
    quietResLogger: true,
    customAttributeKeys: { reqId: 'requestId', responseTime: 'milliseconds' },
    genReqId(request, response) {
      const given = request.headers['x-request-id'];
      const id = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
      response.setHeader(HEADER, id);
      return id;
    },
    customLogLevel(_request, response) {
      const { isProbe } = response.locals as { isProbe?: boolean };
      if (response.statusCode >= 500) return 'warn';
      return isProbe ? 'debug' : 'info';
    },
    customSuccessMessage: () => 'Request answered',
    customErrorMessage: () => 'Request answered',
    customSuccessObject: (request, response, value: object) => lineOf(request, response, value),
    customErrorObject: (request, response, _error, value: object) => lineOf(request, response, value),
  });
}

function lineOf(request: Request, response: Response, value: object): object {
  const { milliseconds } = value as { milliseconds?: number };
  const { route, principal } = response.locals as { route?: string; principal?: Principal };
  return {
    method: request.method,
    route: route ?? 'none',
    status: response.statusCode,
    milliseconds,
    ...(principal && { actor: principal.actor, organizationId: principal.organizationId }),
  };
}
