import type { Step } from '../call.ts';
import { exchangeError } from '../errors.ts';
import { onAbort } from '../waiting.ts';

/** What Graph has to send at least, bytes a second, where a body may be of any size. */
const SLOWEST = 32 * 1024;

/**
 * Gives each attempt a deadline of its own, which covers the body too: Graph's front end may hold a connection open
 * without a word. A body of any size may take as long as pieces of it keep coming, and fast enough. A signal shared by
 * several requests would let one slow request end the others.
 */
export function deadline(timeoutMs: number): Step {
  return async (call, next) => {
    call.signal.throwIfAborted();
    const controller = new AbortController();
    const off = onAbort(call.signal, () => controller.abort(call.signal.reason));
    const startedAt = performance.now();
    let timer = setTimeout(expire, timeoutMs);
    let received = 0;
    function expire(): void {
      controller.abort(exchangeError('Timeout', `Microsoft Graph did not answer within ${timeoutMs} ms`));
    }
    const onBytes = (count: number): void => {
      received += count;
      clearTimeout(timer);
      const left = startedAt + timeoutMs + (received / SLOWEST) * 1000 - performance.now();
      timer = setTimeout(expire, Math.min(timeoutMs, left));
    };
    try {
      return await next({ ...call, signal: controller.signal, ...(call.receive && { onBytes }) });
    } finally {
      clearTimeout(timer);
      off();
    }
  };
}
