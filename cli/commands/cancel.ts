import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { identifier } from '../options.ts';

interface CancelOptions extends ClientOptions {
  readonly wait?: boolean;
}

const AFTER_HELP = `
What is stored stays. A page that is being written is finished first, which takes seconds.

Example:
  $ outhaul cancel --wait scan-1`;

export function cancelCommand(cli: Cli): Command {
  const command = new Command('cancel')
    .description('cancel a scan that runs or waits')
    .argument('<scanId>', 'the scan', identifier)
    .option('--wait', 'wait until it has ended')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action((scanId: string, options: CancelOptions) =>
    cancel(cli, scanId, options),
  );
}

async function cancel(cli: Cli, scanId: string, options: CancelOptions): Promise<void> {
  const api = await openClient(cli, options);
  await api.cancelScan(scanId);
  if (!options.wait) return cli.notes.line(`Scan ${scanId} is being cancelled.`);
  const [{ watchScan }, { endReport }] = await Promise.all([
    import('../progress/watch-scan.ts'),
    import('../scan-report.ts'),
  ]);
  const state = await watchScan(api, scanId, { notes: cli.notes, signal: cli.interrupts.signal });
  for (const line of endReport(state)) cli.out.line(line);
}
