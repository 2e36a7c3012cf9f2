import type { ConnectionActivities } from '../activities/connection-activities.ts';
import type { CheckOutcome } from '../model/connection-check.ts';
import { graphActivities } from './graph-activities.ts';
import { CONNECTION_CHECK } from './policies.ts';

export interface CheckConnectionInput {
  readonly organizationId: string;
  /** Under which the store knows what is to be checked, and keeps what was found. */
  readonly checkNo: number;
}

/** Has a connection, or a candidate that is to replace it, checked by a worker that may call Graph. */
export async function checkConnection({ organizationId, checkNo }: CheckConnectionInput): Promise<CheckOutcome> {
  const { examineConnection } = graphActivities<ConnectionActivities>(CONNECTION_CHECK);
  const { outcome } = await examineConnection({ organizationId, checkNo });
  return outcome;
}
