import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { inject } from 'vitest';
import type { MailboxActivities } from '../../activities/mailbox-activities.ts';
import type { ScanActivities } from '../../activities/scan-activities.ts';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { taskQueues, type TaskQueues } from '../../model/task-queues.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';

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
  /** Runs workers with these activities until `during` is through. */
  run<T>(activities: ScanActivities & MailboxActivities, during: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export async function openWorkflowStage(): Promise<WorkflowStage> {
  quietRuntime();
  const address = inject('temporalAddress');
  const namespace = inject('temporalNamespace');
  const dataConverter = createDataConverter(parseKeyRing(generateKey()));
  const [connection, native] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  const organizationId = `test-${randomUUID()}`;
  const queues = taskQueues(organizationId);
  return {
    client: new Client({ connection, namespace, dataConverter }),
    queues,
    organizationId,
    async run(activities, during) {
      const common = {
        connection: native,
        namespace,
        dataConverter,
        activities,
        maxHeartbeatThrottleInterval: '1 second',
      } as const;
      const workers = await Promise.all([
        Worker.create({
          ...common,
          taskQueue: queues.orchestration,
          workflowBundle: { codePath: inject('workflowBundlePath') },
        }),
        Worker.create({ ...common, taskQueue: queues.graph }),
      ]);
      const [first, second] = workers;
      return first!.runUntil(second!.runUntil(during()));
    },
    async close() {
      await connection.close();
      await native.close();
    },
  };
}
