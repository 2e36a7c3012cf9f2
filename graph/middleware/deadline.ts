import type { Step } from '../call.ts';
import { exchangeError } from '../errors.ts';
import { onAbort } from '../waiting.ts';

/**
 * Gives each attempt a deadline of its own, which covers the body too: Graph's front end may hold a connection open
 * without a word. A signal shared by several requests would let one slow request end the others.
 */
export function deadline(timeoutMs: number): Step {
  return async (call, next) => {
    call.signal.throwIfAborted();
    const controller = new AbortController();
    const off = onAbort(call.signal, () => controller.abort(call.signal.reason));
    const timer = setTimeout(() => {
      controller.abort(exchangeError('Timeout', `Microsoft Graph did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await next({ ...call, signal: controller.signal });
    } finally {
      clearTimeout(timer);
      off();
    }
  };
}
