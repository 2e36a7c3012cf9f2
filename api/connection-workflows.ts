import type { Client } from '@temporalio/client';
import { connectionWorkflowId } from '../model/ids.ts';
import type { checkConnection } from '../workflows/check-connection.ts';
import { priorityOf } from '../workflows/policies.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import { unavailable } from './errors.ts';
import { within } from './within.ts';

/** What the API asks of Temporal about connections. */
export interface ConnectionWorkflows {
  /**
   * Has a check made and waits for its end; what it found is in the store. One that does not end in time is cancelled.
   * @throws {HttpError} 503 when no worker has made it in time
   * @throws {WorkflowFailedError}
   */
  check(check: { readonly organizationId: string; readonly checkNo: number }): Promise<void>;
}

/** For calls that need no worker. */
const CALL_MS = 5_000;
/** Nobody waits longer than this, and whom nobody waits for should not run. */
const LONGEST_RUN = '3 minutes';

export function createConnectionWorkflows(
  client: Client,
  { orchestrationQueue, checkMs }: { orchestrationQueue: string; checkMs: number },
): ConnectionWorkflows {
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, call);
  return {
    async check({ organizationId, checkNo }) {
      const handle = await soon(() =>
        client.workflow.start<typeof checkConnection>('checkConnection', {
          workflowId: connectionWorkflowId(organizationId, checkNo),
          taskQueue: orchestrationQueue,
          args: [{ organizationId, checkNo }],
          workflowExecutionTimeout: LONGEST_RUN,
          priority: priorityOf('live', organizationId),
          typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
          staticSummary: `Check of the connection of ${organizationId}`,
        }),
      );
      const late = () => unavailable('No worker has checked the connection in time: see that one runs, and try again');
      try {
        await within(checkMs, handle.result(), late);
      } catch (error) {
        await soon(() => handle.cancel()).catch(() => undefined);
        throw error;
      }
    },
  };
}
