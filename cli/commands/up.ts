import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { port } from '../options.ts';

export interface UpOptions {
  readonly port?: number;
  readonly dataDir?: string;
  readonly temporalPort?: number;
  readonly uiPort?: number;
  /** False with `--no-webhook`. */
  readonly webhook: boolean;
}

const AFTER_HELP = `
Runs everything: PostgreSQL and a Temporal server (where DATABASE_URL or DB_HOST, and TEMPORAL_ADDRESS, do not name
others), the API and a worker, each a process of its own that ends with this one. What must last lies in the data folder:
back it up, the file \`keys\` above all, which opens the stored secrets.

The first start makes an administrator's API key, shows it and keeps it in the data folder, where the other commands
find it. Ctrl-C ends everything in order, a second one at once.

Where OUTHAUL_PUBLIC_URL says where Graph reaches the API, sessions have Graph notify of changes; with --no-webhook they
run by polling alone.

Examples:
  $ outhaul up
  $ outhaul up --port 9000 --data-dir ./data
  $ outhaul up --no-webhook           no change notifications`;

export function upCommand(cli: Cli): Command {
  return new Command('up')
    .description('run Outhaul on this machine, with everything it needs')
    .option('--port <port>', 'port of the API, 0 for a free one (default: PORT, else 8000)', port)
    .option('--data-dir <folder>', 'where the data lies (default: OUTHAUL_DATA_DIR, else ~/.local/share/outhaul)')
    .option('--temporal-port <port>', 'port of the Temporal server (default: 7233, or a free one)', port)
    .option('--ui-port <port>', "port of Temporal's Web UI (default: 8233, or a free one)", port)
    .option('--no-webhook', 'no change notifications: sessions run by polling alone')
    .addHelpText('after', AFTER_HELP)
    .action(async (options: UpOptions) => {
      const { up } = await import('../stack/up.ts');
      await up(cli, options);
    });
}
