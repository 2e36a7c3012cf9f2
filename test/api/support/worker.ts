import { loadConfig } from '../../../config/config.ts';
import { createLogger } from '../../../config/logging.ts';
import { startWorker } from '../../../workers/main.ts';
import { quietRuntime } from '../../support/temporal.ts';

/** A worker that runs beside an API, and everything that it logged. */
export interface TestWorker {
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

/** The real worker of the installation that an API of the same environment and task queues belongs to. */
export async function startTestWorker(
  environment: Record<string, string>,
  taskQueuePrefix: string,
): Promise<TestWorker> {
  quietRuntime();
  const { config } = loadConfig(environment);
  const lines: string[] = [];
  const log = createLogger(config.log, { process: 'worker' }, { write: (line) => void lines.push(line) });
  const worker = await startWorker({ config, log, taskQueuePrefix });
  const running = worker.run();
  return {
    lines,
    async stop() {
      worker.shutdown();
      await running;
    },
  };
}
