import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { contactsWorkflowId } from '../model/ids.ts';
import { contactsChangedSignal, syncAskedSignal } from '../workflows/messages.ts';
import { organizationIdKey } from '../workflows/search-attributes.ts';
import { contactsDue, contactsStart } from '../workflows/starts.ts';
import type { syncContacts } from '../workflows/sync-contacts.ts';

/** What the API asks of Temporal about contacts. Every call has a deadline. */
export interface ContactWorkflows {
  /** Has a sync run that was recorded. */
  ask(organizationId: string, syncNo: number): Promise<void>;
  /** Has counted what is left to count. */
  count(organizationId: string): Promise<void>;
  /** Has a sync begun again and again; null: no more. */
  schedule(organizationId: string, everySeconds: number | null): Promise<void>;
}

const CALL_MS = 5_000;
/** A sync finds all that has changed since the last: what Temporal could not start in time is not made up for. */
const CATCH_UP = '1 minute';
/** Keeps the syncs of many organizations from starting at once. */
const JITTER = '30 seconds';

export function createContactWorkflows(
  client: Client,
  { orchestrationQueue: taskQueue }: { readonly orchestrationQueue: string },
): ContactWorkflows {
  const soon = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_MS, call);
  return {
    async ask(organizationId, syncNo) {
      await soon(() =>
        client.workflow.signalWithStart<typeof syncContacts, [{ readonly syncNo: number }]>('syncContacts', {
          ...contactsStart(organizationId),
          taskQueue,
          signal: syncAskedSignal,
          signalArgs: [{ syncNo }],
        }),
      );
    },
    async count(organizationId) {
      await soon(() =>
        client.workflow.signalWithStart<typeof syncContacts, []>('syncContacts', {
          ...contactsStart(organizationId),
          taskQueue,
          signal: contactsChangedSignal,
        }),
      );
    },
    schedule: (organizationId, everySeconds) =>
      soon(async () => {
        const scheduleId = contactsWorkflowId(organizationId);
        const handle = client.schedule.getHandle(scheduleId);
        if (everySeconds === null) {
          await handle.delete().catch((error: unknown) => {
            if (!(error instanceof ScheduleNotFoundError)) throw error;
          });
          return;
        }
        const spec = { intervals: [{ every: everySeconds * 1000 }], jitter: JITTER };
        const action = {
          type: 'startWorkflow' as const,
          workflowType: 'syncContacts',
          ...contactsDue(organizationId),
          taskQueue,
        };
        const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP };
        const typedSearchAttributes = [{ key: organizationIdKey, value: organizationId }];
        try {
          await client.schedule.create<typeof syncContacts>({
            scheduleId,
            spec,
            action,
            policies,
            typedSearchAttributes,
          });
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
          await handle.update<typeof syncContacts>(({ state }) => ({ spec, action, policies, state }));
        }
      }),
  };
}
