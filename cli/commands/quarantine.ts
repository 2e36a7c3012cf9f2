import { Command } from 'commander';
import type { QuarantineFilter } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { identifier, wholeNumber } from '../options.ts';

interface FilterOptions extends ClientOptions {
  readonly message?: string;
  readonly mailbox?: string;
  readonly cause?: string;
  readonly scan?: string;
}

export interface QuarantineListOptions extends FilterOptions {
  readonly resolved?: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

interface RetryOptions extends FilterOptions {
  readonly all?: boolean;
}

const AFTER_HELP = `
A message that Graph cannot give, or that the database refuses, does not hold up its folder: what could be read of it is
stored, and it lies in quarantine, with the cause and Graph's request id, until it can be read. Every scan of its folder
tries it again; so does \`outhaul quarantine retry\`, at once.

Examples:
  $ outhaul quarantine list --scan scan-1
  $ outhaul quarantine list --resolved --json
  $ outhaul quarantine retry --cause ErrorContentConversionFailed
  $ outhaul quarantine retry --all`;

export function quarantineCommand(cli: Cli): Command {
  const quarantine = new Command('quarantine')
    .description('messages that could not be read or stored: list, retry')
    .addHelpText('after', AFTER_HELP);
  const list = withFilters(new Command('list').description('list them, the oldest first'))
    .option('--resolved', 'those that have left the quarantine, instead of those in it')
    .option('--limit <number>', 'messages at most (default: 50 for a table, else all)', wholeNumber(1))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ outhaul quarantine list --mailbox 0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60');
  const retry = withFilters(new Command('retry').description('try them again, at once'))
    .option('--all', 'all of them')
    .addHelpText('after', '\nExample:\n  $ outhaul quarantine retry --scan scan-1');
  quarantine.addCommand(
    withClientOptions(list).action(async (options: QuarantineListOptions) => {
      const api = await openClient(cli, options);
      const { printQuarantine } = await import('../quarantine.ts');
      await printQuarantine(cli, api, filterOf(options), options);
    }),
  );
  quarantine.addCommand(withClientOptions(retry).action((options: RetryOptions) => retryMessages(cli, options)));
  return quarantine;
}

const withFilters = (command: Command): Command =>
  withOrganization(command)
    .option('--message <id>', 'the message of this id')
    .option('--mailbox <id>', 'messages of the mailbox of this id')
    .option('--cause <code>', 'messages with this cause, as ErrorCorruptData')
    .option('--scan <scanId>', 'messages of the folders that this scan has read', identifier);

const filterOf = ({ message, mailbox, cause, scan }: FilterOptions): QuarantineFilter => ({
  ...(message !== undefined && { messageId: message }),
  ...(mailbox !== undefined && { mailboxId: mailbox }),
  ...(cause !== undefined && { cause }),
  ...(scan !== undefined && { scanId: scan }),
});

async function retryMessages(cli: Cli, options: RetryOptions): Promise<void> {
  const filter = filterOf(options);
  if ((Object.keys(filter).length === 0) === !options.all) {
    throw new UsageError(
      options.all ? '--all does not go with a filter' : 'Which messages?',
      'Give --message, --mailbox, --cause or --scan, or --all for all of them.',
    );
  }
  const api = await openClient(cli, options);
  const { message, messages } = await api.retryQuarantine(options.all ? { all: true } : filter);
  cli.notes.line(`${message}.`);
  if (messages > 0) cli.notes.line('`outhaul quarantine list` shows which of them stay.');
}
