import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import type { GraphLogger } from '../options.ts';
import { LONGEST_WAIT_MS, wait } from '../waiting.ts';

const FIRST_THROTTLED_MS = 1_000;
const FIRST_FAILED_MS = 250;
/** No further attempt begins when the first one is this long ago. */
const RETRY_BUDGET_MS = 60_000;

/**
 * Sits out short waits: `Retry-After` of Graph, and pauses that double after network and server errors, with jitter so
 * that many requests do not return as one. After `maxRetries` retries, or where the wait would be long, the error goes
 * to the caller, who has a durable timer.
 */
export function throttling(maxRetries: number, log: GraphLogger): Step {
  return async (call, next) => {
    const startedAt = performance.now();
    for (let retry = 1; ; retry += 1) {
      const attemptedAt = performance.now();
      try {
        return await next(call);
      } catch (error) {
        if (call.signal.aborted || !(error instanceof GraphError)) throw error;
        if (retry > maxRetries || performance.now() - startedAt > RETRY_BUDGET_MS) throw error;
        const waitMs = pauseBefore(retry, error);
        if (waitMs === undefined) throw error;
        const attemptMs = performance.now() - attemptedAt;
        if (error.kind === 'too_slow' && call.shrinks && (retry > 1 || attemptMs > LONGEST_WAIT_MS)) throw error;
        const { code, status, requestId } = error;
        const facts = { kind: call.kind, mailboxId: call.mailboxId, code, status, requestId, retry, waitMs };
        if (error.kind === 'throttled') log.warn(facts, 'Rate limited');
        else log.info(facts, 'Retrying a Graph request');
        await wait(waitMs, call.signal);
      }
    }
  };
}

/** Milliseconds until the given retry (1 is the first); undefined when it is not to be made here. */
export function pauseBefore(retry: number, error: GraphError): number | undefined {
  if (error.kind === 'poison') return retry === 1 ? FIRST_FAILED_MS : undefined;
  if (!error.retryable) return undefined;
  if ((error.retryAfterMs ?? 0) > LONGEST_WAIT_MS) return undefined;
  const first = error.kind === 'throttled' ? FIRST_THROTTLED_MS : FIRST_FAILED_MS;
  const step = Math.min(first * 2 ** (retry - 1), LONGEST_WAIT_MS);
  return Math.round(Math.max(error.retryAfterMs ?? 0, step / 2) + (Math.random() * step) / 2);
}
