import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { port } from '../options.ts';
import { withTenantChoice, type TenantChoice } from './simulate.ts';

export interface DemoOptions extends TenantChoice {
  readonly exit?: boolean;
  readonly json?: boolean;
  readonly port?: number;
  readonly temporalPort?: number;
  readonly uiPort?: number;
}

const AFTER_HELP = `
Starts a simulated tenant, PostgreSQL, Temporal, the API and a worker, scans the tenant as a client would, and compares
every row with what the tenant really holds. Nothing is left behind: the data lies in a temporary folder that goes with
the demo. Ports that are taken are replaced by free ones.

--json prints one last line on standard output:
  {"mailboxes","messages","stored","missing","duplicated","different","seconds","messagesPerSecond","peakRssMb"}
The exit code is not 0 unless nothing is missing, duplicated or different.

Examples:
  $ outhaul demo
  $ outhaul demo --mailboxes 50 --messages 100000 --exit
  $ outhaul demo --mail ./archive --exit --json`;

export function demoCommand(cli: Cli): Command {
  const command = new Command('demo')
    .description('try Outhaul on a simulated tenant, from nothing')
    .addHelpText('after', AFTER_HELP);
  return withTenantChoice(command)
    .optionsGroup('The demo:')
    .option('--exit', 'end after the comparison (default: stay up until Ctrl-C)')
    .option('--json', 'print the figures as one JSON line')
    .option('--port <port>', 'port of the API', port)
    .option('--temporal-port <port>', 'port of the Temporal server', port)
    .option('--ui-port <port>', "port of Temporal's Web UI", port)
    .action(async (options: DemoOptions) => {
      const { demo } = await import('../demo/demo.ts');
      await demo(cli, options);
    });
}
