import { loadConfig } from '../../config/config.ts';
import { createLogger } from '../../config/logging.ts';
import { startWorker } from '../../workers/main.ts';
import { keepHeapSmall } from '../../workers/memory.ts';
import { installRuntime } from '../../workers/runtime.ts';
import type { Cli } from '../cli.ts';
import type { WorkerProcessOptions } from '../commands/worker.ts';
import { tellReady } from './ready-file.ts';

/** Runs a worker until it is told to end. */
export async function runWorker({ env, interrupts }: Cli, options: WorkerProcessOptions): Promise<void> {
  keepHeapSmall();
  const { taskQueues, readyFile } = options;
  const { config, warnings } = loadConfig(env);
  const log = createLogger(config.log, { process: 'worker' });
  for (const warning of warnings) log.warn(warning);
  installRuntime(log);
  const { signal } = interrupts;
  const worker = await startWorker({
    config,
    log,
    signal,
    patienceMs: config.startPatienceMs,
    ...(taskQueues !== undefined && { taskQueuePrefix: taskQueues }),
  });
  signal.throwIfAborted();
  signal.addEventListener('abort', () => {
    log.info('Handing back what runs');
    worker.shutdown();
  });
  log.info('The worker runs');
  await Promise.all([worker.run(), readyFile !== undefined && tellReady(readyFile)]);
  log.info({ peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024) }, 'The worker has ended');
}
