import { proxyActivities } from '@temporalio/workflow';
import type { QuarantineActivities } from '../activities/quarantine-activities.ts';
import { WAKING } from './policies.ts';

export interface RetryQuarantineInput {
  readonly organizationId: string;
}

/**
 * Has every mailbox read of which messages in quarantine are to be tried again. Which ones stands in the store; here it is
 * only made sure that all of their readers are asked, however many and whatever happens on the way.
 */
export async function retryQuarantine({ organizationId }: RetryQuarantineInput): Promise<number> {
  const { wakeReaders } = proxyActivities<QuarantineActivities>(WAKING);
  const { mailboxes } = await wakeReaders({ organizationId });
  return mailboxes;
}
