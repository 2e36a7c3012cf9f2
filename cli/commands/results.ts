import { Command, Option } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { identifier, list, wholeNumber } from '../options.ts';

export interface ResultsOptions extends ClientOptions {
  readonly table: string;
  readonly limit?: number;
  readonly columns?: readonly string[];
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly tables?: boolean;
  readonly escapeFormulas: boolean;
}

const AFTER_HELP = `
A table on the screen shows the first 50 rows and a few columns; --json and --csv print every row and every column,
streamed. --json prints one JSON object a line. In --csv a cell that a spreadsheet would take for a formula (it begins
with =, +, -, @, a tab or a return) has a ' put before it, for mail is written by strangers; --no-escape-formulas leaves
cells as they are, for programs.

Examples:
  $ outhaul results scan-1
  $ outhaul results scan-1 --tables
  $ outhaul results scan-1 --columns received_date_time,from_address,subject --limit 1000
  $ outhaul results scan-1 --csv > mail.csv
  $ outhaul results scan-1 --table mailboxes --json | jq .mail`;

export function resultsCommand(cli: Cli): Command {
  const command = new Command('results')
    .description('print what a scan has stored')
    .argument('<scanId>', 'the scan', identifier)
    .option('--table <name>', 'emails, mailboxes, mail_folders, attachments or originals', 'emails')
    .option('--tables', 'list the tables and how many rows of each the scan saw')
    .option('--columns <names>', 'only these columns, in this order', list)
    .option('--limit <number>', 'rows at most (default: 50 for a table, else all)', wholeNumber(1))
    .addOption(new Option('--json', 'one JSON object a line').conflicts('csv'))
    .option('--csv', 'comma-separated values (RFC 4180), titles first')
    .option('--no-escape-formulas', 'leave cells that look like formulas as they are')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action(async (scanId: string, options: ResultsOptions) => {
    const api = await openClient(cli, options);
    const { printResults, printTables } = await import('../results.ts');
    await (options.tables ? printTables(cli, api, scanId) : printResults(cli, api, scanId, options));
  });
}
