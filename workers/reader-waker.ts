import type { Client } from '@temporalio/client';
import type { ReadRequest } from '../workflows/requests.ts';
import { readerStart } from '../workflows/starts.ts';
import type { syncMailbox } from '../workflows/sync-mailbox.ts';

const DEADLINE_MS = 10_000;

/**
 * Has a mailbox read for nobody in particular: what there is to do stands in the store. Signals its reader, or starts it.
 * That is after new mail and before whole scans.
 * @param taskQueue where readers that do not run are started
 */
export const readerWaker =
  (client: Client, { taskQueue }: { readonly taskQueue: string }) =>
  async (organizationId: string, mailboxId: string): Promise<void> => {
    await client.withDeadline(Date.now() + DEADLINE_MS, () =>
      client.workflow.signalWithStart<typeof syncMailbox, [ReadRequest]>('syncMailbox', {
        ...readerStart(organizationId, mailboxId, 'incremental'),
        taskQueue,
      }),
    );
  };
