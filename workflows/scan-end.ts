import {
  CancellationScope,
  allHandlersFinished,
  condition,
  log,
  sleep,
  type ActivityInterfaceFor,
} from '@temporalio/workflow';
import type { ScanActivities } from '../activities/scan-activities.ts';
import type { FinalScanStatus } from '../model/scan.ts';
import { tellWaitingScans } from './asking.ts';
import { typeOf } from './failures.ts';

/** How a scan ends, as far as its workflow can say. */
export interface ScanEnding {
  readonly end: 'ran' | 'cancelled' | 'failed';
  /** What to tell the administrator of a failure. */
  readonly message?: string | undefined;
}

/** Between two tries to record an end that the store refuses. */
const AGAIN = '10 minutes';

/**
 * Records the end of a scan and wakes those that wait for its turn. An end that the store refuses for good does not leave
 * the scan running for ever: it is recorded as failed, and where that is refused, too, again and again until somebody
 * has mended what is wrong. Goes to its end even when cancelled again.
 * @throws {ActivityFailure} where the store does not know the scan (any more), or it has gone on without this workflow
 */
export function endScan(
  store: ActivityInterfaceFor<ScanActivities>,
  { organizationId, scanNo, step }: { organizationId: string; scanNo: number; step: number },
  ending: ScanEnding,
): Promise<FinalScanStatus> {
  return CancellationScope.nonCancellable(async () => {
    let { end, message } = ending;
    for (let attempt = 1; ; attempt++) {
      try {
        const input = { organizationId, scanNo, step, end, ...(message !== undefined && { message }) };
        const { status, waiting } = await store.finishScan(input);
        await tellWaitingScans(waiting);
        await condition(allHandlersFinished);
        return status;
      } catch (error) {
        const type = typeOf(error);
        if (type === 'UnknownScan' || type === 'ScanEnded') throw error;
        log.error('The end of the scan could not be recorded', { end, type });
        if (attempt > 1) await sleep(AGAIN);
        if (end === 'ran') [end, message] = ['failed', `How the scan ended could not be told (${type})`];
      }
    }
  });
}
