import { randomUUID } from 'node:crypto';
import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import type { GraphOptions, RequestReport } from '../options.ts';

/** Calls the `onRequest` hook. One that throws is logged as what it is, the hook's own fault, and harms no request. */
export function reporter({ log, onRequest }: Pick<GraphOptions, 'log' | 'onRequest'>): (facts: RequestReport) => void {
  return (facts) => {
    try {
      onRequest?.(facts);
    } catch (error) {
      log.warn({ err: error }, 'The request hook failed');
    }
  };
}

/** Gives each attempt a `client-request-id` of its own and reports how it went. */
export function telemetry(report: (facts: RequestReport) => void): Step {
  return async (call, next) => {
    const startedAt = performance.now();
    const elapsed = (): number => performance.now() - startedAt;
    try {
      const headers = { ...call.headers, 'client-request-id': randomUUID() };
      const answer = await next({ ...call, headers });
      report({ kind: call.kind, status: answer.status, ms: elapsed(), bytes: answer.bytes });
      return answer;
    } catch (error) {
      const { status, code } = error instanceof GraphError ? error : { status: undefined, code: 'Aborted' };
      report({ kind: call.kind, status, code, ms: elapsed(), bytes: 0 });
      throw error;
    }
  };
}
