import { condition, continueAsNew, proxyActivities, setHandler, workflowInfo } from '@temporalio/workflow';
import type { ContactActivities } from '../activities/contact-activities.ts';
import { siblingQueues } from '../model/task-queues.ts';
import { reasonFor } from './failures.ts';
import { historyIsLong } from './history.ts';
import { contactsChangedSignal, syncAskedSignal } from './messages.ts';
import { CONTACT_SYNC, STORE_CALL } from './policies.ts';

export interface ContactsInput {
  readonly organizationId: string;
  /** A Schedule has started it: the organization's own is asked for a sync, and that is all. */
  readonly due?: true;
  /** Syncs that are to be run, by number; those of the run before. */
  readonly asked?: readonly number[];
  readonly changed?: boolean;
  /** For how long changes are joined, ms. Default: 60,000. */
  readonly joinMs?: number;
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
}

const JOIN_MS = 60_000;

/**
 * Brings an organization's contacts in Airtable up to date: once for each sync that was asked for, one at a time and in
 * order, and once for all changes of sent mail that come within a minute. Ends when there is nothing to do; whoever has
 * something starts it again with a signal. What a sync has come to stands in the store.
 */
export async function syncContacts(input: ContactsInput): Promise<void> {
  const { organizationId, due, joinMs = JOIN_MS, maxEvents } = input;
  const { delivery: taskQueue } = siblingQueues(workflowInfo().taskQueue);
  const { addScheduledSync, failContactSync } = proxyActivities<ContactActivities>({ ...STORE_CALL, taskQueue });
  const { addChangeSync, syncWithAirtable } = proxyActivities<ContactActivities>({ ...CONTACT_SYNC, taskQueue });
  if (due) return addScheduledSync({ organizationId });
  const asked = [...(input.asked ?? [])];
  let changed = input.changed ?? false;
  setHandler(syncAskedSignal, ({ syncNo }) => void asked.push(syncNo));
  setHandler(contactsChangedSignal, () => void (changed = true));
  for (;;) {
    const syncNo = asked.shift();
    if (syncNo !== undefined) {
      await syncWithAirtable({ organizationId, syncNo }).catch((error: unknown) => {
        const reason = reasonFor(error);
        if (reason === undefined) throw error;
        return failContactSync({ syncNo, reason });
      });
    } else if (changed) {
      // A sync that is asked for meanwhile comes first; it counts what has changed as well.
      if (await condition(() => asked.length > 0, joinMs)) continue;
      changed = false;
      const added = await addChangeSync({ organizationId });
      if (added.syncNo !== null) asked.push(added.syncNo);
    } else return;
    if (historyIsLong(maxEvents)) await continueAsNew<typeof syncContacts>({ ...input, asked, changed });
  }
}
