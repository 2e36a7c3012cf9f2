/**
 * How long a workflow may compute without a pause, in an option that the SDK has and does not name among its types. Its own
 * 5 s pass on a busy machine while a task with thousands of signals is replayed, and V8, interrupted there, may take the
 * whole process down.
 */
export const WORKFLOW_PATIENCE = { isolateExecutionTimeout: '2 minutes' } as const;
