import { randomUUID } from 'node:crypto';
import { Client, Connection, WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { inject } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { scanWorkflowId } from '../../model/ids.ts';
import { taskQueues, type TaskQueues } from '../../model/task-queues.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { admittedUpdate, type ScanAdmission } from '../../workflows/messages.ts';
import type { ScanTenantInput, scanTenant } from '../../workflows/scan-tenant.ts';
import { WORKFLOW_PATIENCE } from '../../workers/workflow-patience.ts';
import type { PlayedActivities } from './tenant.ts';

let quiet = false;
/** The SDK's own log lines would drown the test report. */
export function quietRuntime(): void {
  if (!quiet) Runtime.install({ logger: new DefaultLogger('ERROR') });
  quiet = true;
}

/** The real workflows on the run's real Temporal server, with task queues and an organization of their own. */
export interface WorkflowStage {
  readonly client: Client;
  readonly queues: TaskQueues;
  readonly organizationId: string;
  /**
   * Runs workers with these activities until `during` is through.
   * @param slots activities that run at a time on each queue; default: as many as a worker's
   */
  run<T>(activities: PlayedActivities, during: () => Promise<T>, slots?: number): Promise<T>;
  /** Starts a scan as the API does, and waits for its admission. */
  startScan(
    scanId: string,
    options?: Partial<Pick<ScanTenantInput, 'window' | 'scanNo' | 'maxEvents' | 'reopensAfter'>>,
  ): Promise<{ handle: WorkflowHandle<typeof scanTenant>; admission: ScanAdmission }>;
  close(): Promise<void>;
}

/** @param keys the key ring that payloads are sealed under; default: one of its own */
export async function openWorkflowStage(keys = generateKey()): Promise<WorkflowStage> {
  quietRuntime();
  const address = inject('temporalAddress');
  const namespace = inject('temporalNamespace');
  const dataConverter = createDataConverter(parseKeyRing(keys));
  const [connection, native] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  const organizationId = `test-${randomUUID()}`;
  const queues = taskQueues(organizationId);
  const client = new Client({ connection, namespace, dataConverter, identity: 'test' });
  return {
    client,
    queues,
    organizationId,
    async run(activities, during, slots) {
      const common = {
        connection: native,
        identity: 'test',
        namespace,
        dataConverter,
        activities,
        maxHeartbeatThrottleInterval: '1 second',
        ...(slots !== undefined && { maxConcurrentActivityTaskExecutions: slots }),
      } as const;
      const workers = await Promise.all([
        Worker.create({
          ...common,
          taskQueue: queues.orchestration,
          workflowBundle: { codePath: inject('workflowBundlePath') },
          ...WORKFLOW_PATIENCE,
        }),
        Worker.create({ ...common, taskQueue: queues.graph }),
        Worker.create({ ...common, taskQueue: queues.delivery }),
      ]);
      const [first, second, third] = workers;
      return first.runUntil(second.runUntil(third.runUntil(during())));
    },
    async startScan(scanId, { window = 10, scanNo = 1, maxEvents = 3000, ...rest } = {}) {
      const startWorkflowOperation = new WithStartWorkflowOperation<typeof scanTenant>('scanTenant', {
        workflowId: scanWorkflowId(organizationId, scanId),
        taskQueue: queues.orchestration,
        args: [{ organizationId, scanId, scanNo, window, maxEvents, ...rest }],
        workflowIdConflictPolicy: 'FAIL',
      });
      const admission = await client.workflow.executeUpdateWithStart(admittedUpdate, { startWorkflowOperation });
      return { handle: await startWorkflowOperation.workflowHandle(), admission };
    },
    async close() {
      await connection.close();
      await native.close();
    },
  };
}
