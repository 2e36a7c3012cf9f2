import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { loadConfig, type Config } from '../config/config.ts';
import { taskQueues } from '../model/task-queues.ts';
import { connectionOptions } from '../temporal/connection.ts';

/** A worker asks for work at least once a minute, so that one which was not heard of for this long is gone. */
const SILENCE_MS = 2 * 60_000;
const DEADLINE_MS = 8_000;
/** `temporal.api.enums.v1.TaskQueueType` */
const ACTIVITY = 2;

/**
 * Whether Temporal has lately heard from a worker of this machine on each queue. Workers tell themselves apart as
 * `pid@hostname`, and in a container the host name is the container's own.
 */
export async function workerIsPolling({ temporal }: Config, prefix = 'outhaul', host = hostname()): Promise<boolean> {
  const { address = 'localhost:7233', namespace } = temporal;
  const connection = await Connection.connect({
    ...(await connectionOptions({ ...temporal, address })),
    connectTimeout: DEADLINE_MS,
  });
  try {
    const since = Date.now() - SILENCE_MS;
    const { orchestration, graph, delivery } = taskQueues(prefix);
    const heard = [orchestration, graph, delivery].map(async (name) => {
      const { pollers } = await connection.withDeadline(Date.now() + DEADLINE_MS, () =>
        connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name }, taskQueueType: ACTIVITY }),
      );
      return (pollers ?? []).some(
        ({ identity, lastAccessTime }) =>
          identity?.endsWith(`@${host}`) && Number(lastAccessTime?.seconds ?? 0) * 1000 > since,
      );
    });
    return (await Promise.all(heard)).every(Boolean);
  } finally {
    await connection.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { config } = loadConfig(process.env);
  process.exitCode = (await workerIsPolling(config)) ? 0 : 1;
}
