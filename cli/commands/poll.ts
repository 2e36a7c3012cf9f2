import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { programName } from '../version.ts';

interface PollOptions extends ClientOptions {
  readonly once?: boolean;
}

const AFTER_HELP = `
An incremental scan with the filters of the session that runs, of every inbox where none does. With --once the exit code
says how it has ended, as with \`outhaul scan\`; \`outhaul coverage\` proves that it is whole.

Examples:
  $ outhaul poll --once
  $ outhaul poll                      start it and do not wait`;

export function pollCommand(cli: Cli): Command {
  const command = new Command('poll')
    .description('read what has changed in the mailboxes, now')
    .option('--once', 'wait until the round is done')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action((options: PollOptions) => poll(cli, options));
}

async function poll(cli: Cli, options: PollOptions): Promise<void> {
  const api = await openClient(cli, options);
  const { scanId, message, organization_id: organization } = await api.poll();
  const { safeLine } = await import('../text/safe-text.ts');
  cli.notes.line(`${safeLine(message)}: scan ${scanId} of organization ${organization}.`);
  if (!options.once) {
    cli.out.line(scanId);
    return;
  }
  const [{ watchScan }, { endReport, exitCodeOf }] = await Promise.all([
    import('../progress/watch-scan.ts'),
    import('../scan-report.ts'),
  ]);
  try {
    const state = await watchScan(api, scanId, { notes: cli.notes, signal: cli.interrupts.signal });
    for (const line of endReport(state)) cli.out.line(safeLine(line));
    cli.exitCode = exitCodeOf(state.status);
  } catch (error) {
    cli.notes.line(`The round goes on. Watch it: ${programName(cli.env)} status --watch ${scanId}`);
    throw error;
  }
}
