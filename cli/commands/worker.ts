import { Command, Option } from 'commander';
import type { Cli } from '../cli.ts';

export interface WorkerProcessOptions {
  readonly taskQueues?: string;
  readonly readyFile?: string;
}

const AFTER_HELP = `
Configured by environment variables alone (\`outhaul config\` lists them): at least DATABASE_URL, TEMPORAL_ADDRESS and
OUTHAUL_KEYS. Waits a minute for PostgreSQL and Temporal. As many workers as you like share the work; one that dies is
replaced by the others, and nothing is lost.

SIGTERM or Ctrl-C hands its work back and ends it within 20 seconds, a second one ends it at once. The log goes to
standard output.

Example:
  $ outhaul worker`;

export function workerCommand(cli: Cli): Command {
  return new Command('worker')
    .description('run a worker, as one process of an installation')
    .addOption(new Option('--task-queues <prefix>').default('outhaul').hideHelp())
    .addOption(new Option('--ready-file <file>').hideHelp())
    .addHelpText('after', AFTER_HELP)
    .action(async (options: WorkerProcessOptions) => {
      const { runWorker } = await import('../processes/worker-process.ts');
      await runWorker(cli, options);
    });
}
