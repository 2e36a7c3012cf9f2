import { Command, Option } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { identifier } from '../options.ts';

export interface CoverageOptions extends ClientOptions {
  readonly incomplete?: boolean;
  readonly folders?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
}

const AFTER_HELP = `
As many messages as Graph counts in a folder are stored, in quarantine (\`outhaul quarantine\`), left out by --since and
--until of the scan, or unexplained; those are named by --json and --csv. The exit code is 1 where any is unexplained.

Examples:
  $ outhaul coverage scan-1                  each mailbox
  $ outhaul coverage scan-1 --incomplete     only those in which something is missing
  $ outhaul coverage scan-1 --folders        each folder
  $ outhaul coverage scan-1 --csv > coverage.csv`;

export function coverageCommand(cli: Cli): Command {
  const command = new Command('coverage')
    .description('prove what a scan has read: what Graph holds, what is stored, what is left out and why')
    .argument('<scanId>', 'the scan', identifier)
    .option('--incomplete', 'only mailboxes in which something is missing')
    .option('--folders', 'a line for each folder')
    .addOption(new Option('--json', 'one JSON object a mailbox and line').conflicts('csv'))
    .option('--csv', 'comma-separated values, a line for each folder')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action(async (scanId: string, options: CoverageOptions) => {
    const api = await openClient(cli, options);
    const { printCoverage } = await import('../coverage.ts');
    await printCoverage(cli, api, scanId, options);
  });
}
