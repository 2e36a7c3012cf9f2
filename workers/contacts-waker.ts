import type { Client } from '@temporalio/client';
import type { MailboxActivities } from '../activities/mailbox-activities.ts';
import { countingIsDue, noteCountingWoken } from '../store/contact-counting.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { contactsChangedSignal, syncAskedSignal } from '../workflows/messages.ts';
import { contactsStart } from '../workflows/starts.ts';
import type { syncContacts } from '../workflows/sync-contacts.ts';

const DEADLINE_MS = 10_000;

/** Has the contacts of organizations looked after. */
export interface ContactsWaker {
  /**
   * Mail was stored: wakes whoever counts it, if it was sent mail, somebody wants its recipients counted, and nobody was
   * woken in the last moments. Never throws: the next change, or the Schedule, makes up for it.
   */
  readonly changed: (organizationId: string) => Promise<void>;
  /** Has a sync run that was recorded. */
  readonly ask: (organizationId: string, syncNo: number) => Promise<void>;
}

/** @param taskQueue where workflows that do not run are started */
export function contactsWaker(
  {
    db,
    client,
    log,
  }: { readonly db: Database; readonly client: Client; readonly log: { warn(fields: object, message: string): void } },
  { taskQueue }: { readonly taskQueue: string },
): ContactsWaker {
  const soon = async (call: () => Promise<unknown>): Promise<void> =>
    void (await client.withDeadline(Date.now() + DEADLINE_MS, call));
  return {
    async changed(organizationId) {
      try {
        const organization = await organizationOf(db, organizationId);
        if (!(await countingIsDue(db, organization))) return;
        await soon(() =>
          client.workflow.signalWithStart<typeof syncContacts, []>('syncContacts', {
            ...contactsStart(organizationId),
            taskQueue,
            signal: contactsChangedSignal,
          }),
        );
        await noteCountingWoken(db, organization);
      } catch (err) {
        log.warn({ err, organizationId }, 'Sent mail has changed, and who counts it could not be woken');
      }
    },
    ask: (organizationId, syncNo) =>
      soon(() =>
        client.workflow.signalWithStart<typeof syncContacts, [{ readonly syncNo: number }]>('syncContacts', {
          ...contactsStart(organizationId),
          taskQueue,
          signal: syncAskedSignal,
          signalArgs: [{ syncNo }],
        }),
      ),
  };
}

/** After each slice of a mailbox, whatever it came to, it is looked whether sent mail has changed. */
export const noticingContacts = (
  changed: ContactsWaker['changed'],
  mailboxes: MailboxActivities,
): MailboxActivities => ({
  readMailbox: (input) => mailboxes.readMailbox(input).finally(() => changed(input.organizationId)),
});
