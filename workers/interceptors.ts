import type { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import type { Logger } from 'pino';
import { toFailure } from '../activities/failures.ts';

/**
 * Translates what an activity throws into a failure that Temporal understands, and logs it once, with the activity's
 * ids. One of the two borders where errors are translated; the other is the HTTP middleware.
 */
export function failureInterceptor(log: Logger, attempts: number): (context: Context) => ActivityInterceptors {
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          const failure = toFailure(error, info.attempt, attempts);
          const ids = {
            activity: info.activityType,
            workflowId: info.workflowExecution?.workflowId,
            attempt: info.attempt,
          };
          if (failure instanceof CancelledFailure) log.debug(ids, 'Activity cancelled');
          else log.warn({ ...ids, err: failure }, 'Activity failed');
          throw failure;
        }
      },
    },
  });
}
