import type { FeedRequest } from '../activities/feeding-activities.ts';
import type { Priority } from '../model/destination.ts';
import { contactsWorkflowId, deliverWorkflowId, feedWorkflowId, mailboxWorkflowId } from '../model/ids.ts';
import type { DeliverInput } from './deliver.ts';
import { owedSignal, readRequestedSignal, type Owed } from './messages.ts';
import { priorityOf } from './policies.ts';
import type { ReadRequest, Urgency } from './requests.ts';
import { organizationIdKey } from './search-attributes.ts';
import type { ContactsInput } from './sync-contacts.ts';
import type { SyncMailboxInput } from './sync-mailbox.ts';

/*
 * How workflows are started that the API and workers both start, so that it makes no difference who did. What is missing is
 * the task queue.
 */

/** `syncMailbox`, signalled: there is something to read, and nobody waits for it. */
export const readerStart = (organizationId: string, mailboxId: string, urgency: Urgency) => ({
  workflowId: mailboxWorkflowId(organizationId, mailboxId),
  signal: readRequestedSignal,
  signalArgs: [{ urgency }] as [ReadRequest],
  args: [{ organizationId, mailboxId, reads: { begun: [], asked: [] } }] as [SyncMailboxInput],
  priority: priorityOf(urgency, organizationId),
  ...ofOrganization(organizationId),
  staticSummary: `Reader of mailbox ${mailboxId}`,
});

/** A destination, and whose it is. */
interface DestinationName {
  readonly id: string;
  readonly organizationId: string;
}

/** `deliver`, signalled: the destination is owed something, or was changed. */
export const deliverStart = ({ id, organizationId }: DestinationName, priority: Priority) => ({
  workflowId: deliverWorkflowId(id),
  signal: owedSignal,
  signalArgs: [{ priority }] as [Owed],
  args: [{ destinationId: id }] as [DeliverInput],
  priority: priorityOf(priority, organizationId),
  ...ofOrganization(organizationId),
  staticSummary: `Sender to destination ${id}`,
});

/** `feedDestination`, unless it runs. */
export const feedStart = ({ id, organizationId }: DestinationName) => ({
  workflowId: feedWorkflowId(id),
  workflowIdConflictPolicy: 'USE_EXISTING' as const,
  args: [{ destinationId: id }] as [FeedRequest],
  priority: priorityOf('full', organizationId),
  ...ofOrganization(organizationId),
  staticSummary: `Feeds destination ${id}`,
});

/** `syncContacts`, by whoever has a signal for it. */
export const contactsStart = (organizationId: string) => ({
  ...contactsAction({ organizationId }),
  priority: priorityOf('incremental', organizationId),
});

/** The same, by a Schedule. */
export const contactsDue = (organizationId: string) => contactsAction({ organizationId, due: true });

const contactsAction = (input: ContactsInput) => ({
  workflowId: contactsWorkflowId(input.organizationId),
  args: [input] as [ContactsInput],
  ...ofOrganization(input.organizationId),
  staticSummary: `Contacts of ${input.organizationId}`,
});

const ofOrganization = (organizationId: string) => ({
  typedSearchAttributes: [{ key: organizationIdKey, value: organizationId }],
});
