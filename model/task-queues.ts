/** The task queues of an installation. Workers poll any of them; workflows run on `orchestration`. */
export interface TaskQueues {
  /** Workflows, and the short activities that only touch the store. */
  readonly orchestration: string;
  /** Slices and whatever else calls Graph. */
  readonly graph: string;
  /** What hands mail on to destinations. */
  readonly delivery: string;
}

/** @param prefix `outhaul` in an installation; tests have one each. */
export function taskQueues(prefix: string): TaskQueues {
  return { orchestration: `${prefix}-orchestration`, graph: `${prefix}-graph`, delivery: `${prefix}-delivery` };
}

/** The queues of the installation that a workflow on `orchestration` belongs to. */
export function siblingQueues(orchestration: string): TaskQueues {
  return taskQueues(orchestration.replace(/-orchestration$/, ''));
}
