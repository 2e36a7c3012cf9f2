import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { retryWorkflowId } from '../model/ids.ts';
import { priorityOf } from '../workflows/policies.ts';
import type { retryQuarantine } from '../workflows/retry-quarantine.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';

/** What the API asks of Temporal about the quarantine. */
export interface QuarantineWorkflows {
  /** Has the mailboxes read of which messages are to be tried again. Returns when that is sure to happen. */
  retry(organizationId: string): Promise<void>;
}

/** For calls that need no worker. */
const CALL_MS = 5_000;

export const createQuarantineWorkflows = (
  client: Client,
  { orchestrationQueue }: { orchestrationQueue: string },
): QuarantineWorkflows => ({
  async retry(organizationId) {
    await client.withDeadline(Date.now() + CALL_MS, () =>
      client.workflow.start<typeof retryQuarantine>('retryQuarantine', {
        workflowId: retryWorkflowId(organizationId, randomUUID()),
        taskQueue: orchestrationQueue,
        args: [{ organizationId }],
        priority: priorityOf('incremental', organizationId),
        typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
        staticSummary: `Quarantined messages of ${organizationId} are tried again`,
      }),
    );
  },
});
