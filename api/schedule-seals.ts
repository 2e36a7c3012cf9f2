import type { Client } from '@temporalio/client';
import { sealedUnder } from '../model/sealing.ts';
import { ENCODING } from '../temporal/codec.ts';
import { GRPC, grpcCodeOf } from './grpc-codes.ts';

/** Under which keys a Schedule keeps what is sealed, and since when nothing new came in. */
export interface ScheduleSeals {
  /** The keys of its arguments. */
  readonly keyIds: readonly string[];
  /**
   * When the last run started that has ended, ISO 8601; null: none yet. Temporal hands the result of a run to the next,
   * sealed as it is, and a worker that cannot open it does not begin: so the Schedule needs the keys of that time, too.
   */
  readonly lastStartedAt: string | null;
}

/**
 * Asks Temporal without opening anything, so that keys that are missing are told, too. Undefined where it is gone.
 * @param scheduleId as Temporal has it
 */
export async function sealsOf(client: Client, scheduleId: string): Promise<ScheduleSeals | undefined> {
  const { namespace } = client.options;
  try {
    const { schedule, info } = await client.workflowService.describeSchedule({ namespace, scheduleId });
    const payloads = schedule?.action?.startWorkflow?.input?.payloads ?? [];
    const keyIds = payloads.flatMap(({ metadata, data }) =>
      data && Buffer.from(metadata?.['encoding'] ?? []).toString() === ENCODING ? [sealedUnder(data)] : [],
    );
    const running = new Set(info?.runningWorkflows?.map(({ runId }) => runId));
    const ended = info?.recentActions?.filter(({ startWorkflowResult: run }) => !running.has(run?.runId)).at(-1);
    const seconds = ended?.actualTime?.seconds;
    return { keyIds, lastStartedAt: seconds == null ? null : new Date(Number(seconds) * 1000).toISOString() };
  } catch (error) {
    if (grpcCodeOf(error) === GRPC.NOT_FOUND) return undefined;
    throw error;
  }
}

/** Whether a Schedule needs a key, which seals no more since `retiredAt` (undefined: nobody knows, or it seals). */
export const needsKey = ({ keyIds, lastStartedAt }: ScheduleSeals, keyId: string, retiredAt?: string): boolean =>
  keyIds.includes(keyId) || (retiredAt !== undefined && lastStartedAt !== null && lastStartedAt <= retiredAt);
