import { Command, Option } from 'commander';
import type { Cli } from '../cli.ts';

export interface ApiProcessOptions {
  readonly adminKeyFile?: string;
  readonly taskQueues?: string;
}

const AFTER_HELP = `
Configured by environment variables alone (\`outhaul config\` lists them): at least DATABASE_URL, TEMPORAL_ADDRESS and
OUTHAUL_KEYS. Waits a minute for PostgreSQL and Temporal. The first start makes an administrator's API key and shows it
once, on standard error, or keeps it in a file.

SIGTERM or Ctrl-C ends it in order within 10 seconds, a second one at once. The log goes to standard output.

Example:
  $ HOST=0.0.0.0 outhaul api`;

export function apiCommand(cli: Cli): Command {
  return new Command('api')
    .description('run the API, as one process of an installation')
    .option('--admin-key-file <file>', "keep an administrator's key in this file (mode 0600), made where it is missing")
    .addOption(new Option('--task-queues <prefix>').default('outhaul').hideHelp())
    .addHelpText('after', AFTER_HELP)
    .action(async (options: ApiProcessOptions) => {
      const { runApi } = await import('../processes/api-process.ts');
      await runApi(cli, options);
    });
}
