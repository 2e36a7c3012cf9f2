import { startApi } from '../../api/main.ts';
import { loadConfig } from '../../config/config.ts';
import { createLogger } from '../../config/logging.ts';
import type { Cli } from '../cli.ts';
import type { ApiProcessOptions } from '../commands/api.ts';
import { aborted } from '../interrupts.ts';
import { keepAdminKey } from './admin-key.ts';

/** Runs the API until it is told to end. */
export async function runApi(cli: Cli, { adminKeyFile, taskQueues }: ApiProcessOptions): Promise<void> {
  const { config, warnings } = loadConfig(cli.env);
  const log = createLogger(config.log, { process: 'api' });
  for (const warning of warnings) log.warn(warning);
  const { signal } = cli.interrupts;
  const api = await startApi({
    config,
    log,
    signal,
    patienceMs: config.startPatienceMs,
    ...(taskQueues !== undefined && { taskQueuePrefix: taskQueues }),
  });
  try {
    if (adminKeyFile !== undefined && config.http.auth === 'keys') {
      await keepAdminKey({ file: adminKeyFile, made: api.adminKey, config, log });
    } else if (api.adminKey !== undefined) {
      cli.notes.line("The administrator's API key. Keep it well, it is not shown again:");
      cli.notes.line(api.adminKey);
    }
    await aborted(signal);
    log.info('Closing the API');
  } finally {
    await api.close();
  }
  log.info('The API has ended');
}
