import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';

export interface CheckOptions extends ClientOptions {
  readonly mailbox?: string;
  readonly json?: boolean;
}

const AFTER_HELP = `
A worker signs in, looks at the permissions, lists users, opens mailboxes and reads a message, and says for each what
is missing and what an administrator has to click. Nothing is changed and nothing is stored.

Examples:
  $ outhaul doctor
  $ outhaul doctor --organization contoso --mailbox someone@contoso.com

Exit codes: 0 everything needed is there, 1 something is missing or Microsoft cannot be reached.`;

/** The options of a check, for both of its names: `doctor` and `connections check`. */
export const withCheckOptions = (command: Command): Command =>
  withOrganization(command)
    .option(
      '--mailbox <name>',
      'address or id of a mailbox that the app is meant to read (default: some of the tenant)',
    )
    .option('--json', 'print what the API answers');

export function doctorCommand(cli: Cli): Command {
  const command = new Command('doctor')
    .description('try what a scan needs of a connection, and say what is missing')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withCheckOptions(command)).action((options: CheckOptions) => check(cli, undefined, options));
}

/** Checks a connection, by its id or the only one there is, and tells. */
export async function check(cli: Cli, id: string | undefined, options: CheckOptions): Promise<void> {
  const [{ checkReport, exitCodeOfCheck }, { findConnection }] = await Promise.all([
    import('../check-report.ts'),
    import('../find-connection.ts'),
  ]);
  const api = await openClient(cli, options);
  const connection = await findConnection(api, id);
  cli.notes.setStatus('Trying the connection …');
  const checked = await api.checkConnection(connection.id, options.mailbox).finally(() => cli.notes.setStatus(''));
  cli.exitCode = exitCodeOfCheck(checked.outcome);
  if (options.json) {
    const { safeJson } = await import('../text/safe-text.ts');
    return cli.out.line(safeJson(checked));
  }
  for (const line of checkReport(checked, cli.out)) cli.out.line(line);
}
