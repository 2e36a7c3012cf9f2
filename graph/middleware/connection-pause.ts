import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import { LONGEST_WAIT_MS, wait } from '../waiting.ts';

/** A pause where Graph did not say for how long, in milliseconds. */
const UNSAID_PAUSE_MS = 1_000;

/**
 * Holds back every request of the connection while Graph throttles the app as a whole, be it inside of a batch. A long pause is not sat out:
 * whoever asks is refused at once with the time that is left, and comes back by Temporal's timer.
 */
export function connectionPause(): Step {
  let resumeAt = 0;
  return async (call, next) => {
    for (let left = resumeAt - performance.now(); left > 0; left = resumeAt - performance.now()) {
      if (left > LONGEST_WAIT_MS) throw paused(Math.ceil(left));
      await wait(left, call.signal);
    }
    try {
      const answer = await next(call);
      holdBack(call.throttledBy?.(answer));
      return answer;
    } catch (error) {
      holdBack(error);
      throw error;
    }
  };

  function holdBack(error: unknown): void {
    if (!(error instanceof GraphError) || error.kind !== 'throttled' || error.scope !== 'connection') return;
    resumeAt = Math.max(resumeAt, performance.now() + (error.retryAfterMs ?? UNSAID_PAUSE_MS));
  }
}

function paused(retryAfterMs: number): GraphError {
  return new GraphError('Microsoft Graph throttles the app in this tenant (paused)', {
    kind: 'throttled',
    code: 'TooManyRequests',
    scope: 'connection',
    retryAfterMs,
  });
}
