import type { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import type { Logger } from 'pino';
import { toFailure } from '../activities/failures.ts';
import { recordFailure } from '../activities/heartbeat.ts';

/**
 * Translates what an activity throws into a failure that Temporal understands, and logs it once, with the activity's
 * ids. One of the two borders where errors are translated; the other is the HTTP middleware.
 * @param attempts failures of Graph, or of ours, after which an activity is given up
 */
export function failureInterceptor(
  log: Pick<Logger, 'debug' | 'warn'>,
  attempts: number,
): (context: Context) => ActivityInterceptors {
  return (context) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          const { info } = context;
          const ids = {
            activity: info.activityType,
            workflowId: info.workflowExecution?.workflowId,
            attempt: info.attempt,
          };
          if (error instanceof CancelledFailure) {
            log.debug(ids, 'Activity cancelled');
            throw error;
          }
          const history = recordFailure(context, error);
          const failure = toFailure(error, history, { attempts });
          log.warn({ ...ids, failures: history.failures, err: failure }, 'Activity failed');
          throw failure;
        }
      },
    },
  });
}
