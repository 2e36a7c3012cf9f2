import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { port, wholeNumber } from '../options.ts';

/** What chooses the simulated tenant, for `simulate` and `demo`. */
export interface TenantChoice {
  readonly mailboxes?: number;
  readonly messages?: number;
  readonly seed?: number;
  /** Milliseconds before each answer. */
  readonly latency?: number;
  /** A folder of `.eml` files or mbox archives. */
  readonly mail?: string;
}

export interface SimulateOptions extends TenantChoice {
  readonly port: number;
  readonly tenantId?: string;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  /** Folders that hold mail in each mailbox. */
  readonly folders?: number;
  /** Average length of a body's text in bytes. */
  readonly bodyBytes?: number;
  /** Mixed faults for so many requests in a hundred. */
  readonly faults?: number;
  /** False: nothing is throttled. */
  readonly limits: boolean;
  readonly json?: boolean;
}

const AFTER_HELP = `
A Microsoft Entra and Graph on this machine, made from a seed: the same seed gives the same tenant. Outhaul uses it when
OUTLOOK_API_BASE_URL and OUTHAUL_AUTHORITY_URL name it.

Examples:
  $ outhaul simulate --mailboxes 50 --messages 100000
  $ outhaul simulate --mail ./archive --latency 50
  $ outhaul simulate --mailboxes 1 --messages 1000000 --folders 1 --faults 2`;

export function withTenantChoice(command: Command): Command {
  return command
    .optionsGroup('The tenant:')
    .option('--mailboxes <number>', 'mailboxes that can be read', wholeNumber(1, 100_000))
    .option('--messages <number>', 'messages in all mailboxes together', wholeNumber(0, 100_000_000))
    .option('--seed <number>', 'what everything is made from', wholeNumber(0, 0xffff_ffff))
    .option('--latency <ms>', 'milliseconds before each answer', wholeNumber(0, 60_000))
    .option('--mail <folder>', 'mail from a folder of .eml files and mbox archives');
}

export function simulateCommand(cli: Cli): Command {
  const command = new Command('simulate')
    .description('run a simulated Microsoft 365 tenant')
    .addHelpText('after', AFTER_HELP);
  return withTenantChoice(command)
    .option(
      '--folders <number>',
      'folders that hold mail in each mailbox (default: a varied tree)',
      wholeNumber(1, 10_000),
    )
    .option('--body-bytes <number>', 'average length of a body', wholeNumber(0, 1_000_000))
    .optionsGroup('What goes wrong:')
    .option('--faults <percent>', 'requests in a hundred that meet a fault', wholeNumber(1, 100))
    .option('--no-limits', 'throttle nothing')
    .optionsGroup('The server:')
    .option('--port <port>', 'port to listen on, 0 for a free one', port, 8090)
    .option('--tenant-id <id>', 'directory (tenant) id (default: from the seed)')
    .option('--client-id <id>', 'application (client) id (default: from the seed)')
    .option('--client-secret-file <file>', 'file with the client secret (default: one from the seed)')
    .option('--json', 'print where it is as one JSON object')
    .action(async (options: SimulateOptions) => {
      const { simulate } = await import('../processes/simulate-process.ts');
      await simulate(cli, options);
    });
}
