import type { Step } from '../call.ts';
import { wait } from '../waiting.ts';

/** Spaces the requests of a connection evenly, `perSecond` of them a second. */
export function requestRate(perSecond: number): Step {
  const spacingMs = 1_000 / perSecond;
  let nextAt = 0;
  return async (call, next) => {
    const now = performance.now();
    const at = Math.max(now, nextAt);
    nextAt = at + spacingMs;
    if (at > now) await wait(at - now, call.signal);
    return next(call);
  };
}
