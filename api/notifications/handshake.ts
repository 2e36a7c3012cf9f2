import type { RequestHandler } from 'express';
import { badRequest } from '../errors.ts';
import type { MutableFigures } from './figures.ts';

/** Those that Graph sends have some hundred characters. */
const LONGEST = 1_000;

/**
 * Answers Graph's question whether we want what it is about to send: the token that came in the query, decoded, as plain
 * text. Anyone may ask, so nothing that a browser could take for markup is sent back; Graph never sends such.
 * Source: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 */
export function handshake(figures: MutableFigures): RequestHandler {
  return (request, response, next) => {
    const { validationToken: token } = request.query;
    if (token === undefined) {
      next();
      return;
    }
    if (typeof token !== 'string' || token === '' || token.length > LONGEST) {
      throw badRequest([{ path: 'validationToken', message: `must be one text of 1 to ${LONGEST} characters` }]);
    }
    figures.handshakes++;
    const text = token.replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    response.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'Content-Security-Policy': "default-src 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
    });
    response.end(text);
  };
}
