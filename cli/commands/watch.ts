import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';

export interface WatchCommandOptions extends ClientOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

const AFTER_HELP = `
Shows what the organization's session stores, as it is stored, until Ctrl-C or until the session ends. With --all it begins
with everything that the session has seen so far.

Examples:
  $ outhaul watch
  $ outhaul watch --all --json | jq .subject`;

export function watchCommand(cli: Cli): Command {
  const command = new Command('watch')
    .description('print a line for each message that arrives')
    .option('--all', 'begin with what the session has seen so far')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action(async (options: WatchCommandOptions) => {
    const api = await openClient(cli, options);
    const { watchMessages } = await import('../watch-messages.ts');
    await watchMessages(cli, api, options);
  });
}
