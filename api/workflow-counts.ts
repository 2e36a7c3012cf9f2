import type { Client } from '@temporalio/client';

/** Runs of workflows whose histories Temporal keeps. */
export interface WorkflowCounts {
  readonly running: number;
  readonly ended: number;
}

/** Counts the runs of this installation that had begun by then (ISO 8601). */
export type CountBegunBy = (instant: string) => Promise<WorkflowCounts>;

const CALL_MS = 5_000;

/** Scans and readers run on one queue, which is how an installation's workflows are told from another's. */
export function createWorkflowCounter(client: Client, orchestrationQueue: string): CountBegunBy {
  const count = async (query: string): Promise<number> =>
    (await client.withDeadline(Date.now() + CALL_MS, () => client.workflow.count(query))).count;
  return async (instant) => {
    const begun = `TaskQueue = '${orchestrationQueue}' AND StartTime <= '${instant}'`;
    const [running, all] = await Promise.all([count(`${begun} AND ExecutionStatus = 'Running'`), count(begun)]);
    return { running, ended: Math.max(0, all - running) };
  };
}
