import { Router, type ErrorRequestHandler, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { toHttpError } from '../error-answers.ts';
import { HttpError, unavailable } from '../errors.ts';
import { within } from '../within.ts';
import type { MutableFigures, Refusal } from './figures.ts';
import { handshake } from './handshake.ts';
import { readBody } from './request-body.ts';
import { sparingly } from './sparingly.ts';

/**
 * Takes what a request brings; returns when it is committed.
 * @param until by `performance.now()`: nobody waits any longer
 */
export type Take = (body: Buffer, until: number) => Promise<void>;

export interface ReceiverLimits {
  /** Bytes of a body. Default: 1,000,000, well over a thousand notifications. */
  readonly bodyBytes: number;
  /** Requests under way at a time; more are answered 429. Default: 128. */
  readonly atOnce: number;
  /** Until an answer, whatever happens: Graph waits for 3 seconds. Default: 2,000 ms. */
  readonly deadlineMs: number;
}

export const DEFAULT_LIMITS: ReceiverLimits = { bodyBytes: 1_000_000, atOnce: 128, deadlineMs: 2_000 };

interface RouterOptions {
  readonly notifications: Take;
  readonly lifecycle: Take;
  readonly figures: MutableFigures;
  readonly limits: ReceiverLimits;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

/** The two paths that Graph sends to. Nobody shows a key here: each notification proves itself. */
export function notificationRouter({ notifications, lifecycle, figures, limits, log }: RouterOptions): Router {
  const router = Router();
  const isTaken = gate(limits);
  for (const [path, take] of [['/', notifications] as const, ['/lifecycle', lifecycle] as const]) {
    router.post(path, handshake(figures), isTaken, receive(take, limits));
    router.all(path, () => {
      throw new HttpError(405, 'This path answers POST only', { headers: { Allow: 'POST' } });
    });
  }
  router.use(answerRefusal(figures, log));
  return router;
}

/** Lets so many requests in at a time. */
function gate({ atOnce }: ReceiverLimits): RequestHandler {
  let inside = 0;
  return (_request, response, next) => {
    if (inside >= atOnce) {
      throw new HttpError(429, 'Too many requests at a time: slow down', { headers: { 'Retry-After': '1' } });
    }
    inside++;
    response.once('close', () => inside--);
    next();
  };
}

function receive(take: Take, { bodyBytes, deadlineMs }: ReceiverLimits): RequestHandler {
  return async (request, response) => {
    const until = performance.now() + deadlineMs;
    const work = readBody(request, bodyBytes).then((body) => take(body, until));
    await within(deadlineMs, work, () => unavailable('The notifications could not be stored in time: try again'));
    response.writeHead(202, { 'Content-Length': 0 });
    response.end();
  };
}

const REFUSAL: Readonly<Record<number, Refusal>> = { 400: 'malformed', 413: 'too_large', 429: 'too_many' };

function answerRefusal(figures: MutableFigures, log: Pick<Logger, 'warn' | 'error'>): ErrorRequestHandler {
  const warn = sparingly(log);
  return (error: unknown, request, response, _next) => {
    // The sender has gone in the middle of its own words.
    if (response.headersSent || request.errored || response.destroyed) {
      response.destroy();
      return;
    }
    const { status, title, message, details, headers } = toHttpError(error);
    const refusal = REFUSAL[status];
    if (refusal) figures.refused[refusal]++;
    if (status === 503) {
      figures.deferred++;
      warn({ err: error }, 'Notifications could not be stored in time; Graph sends them again');
    }
    if (status === 500) log.error({ err: error }, 'Request failed');
    // A body that trickles in would keep its connection.
    if (!request.complete) response.once('finish', () => request.destroy());
    response.status(status).set({ 'Cache-Control': 'no-store', ...headers });
    response.json({ success: false, error: title, message, details });
  };
}
