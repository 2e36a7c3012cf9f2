import { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { identifier } from '../options.ts';

interface ControlOptions extends ClientOptions {
  readonly wait?: boolean;
}

interface Control {
  readonly name: string;
  readonly description: string;
  readonly afterHelp: string;
  /** Where something is to be waited for: what the option says. */
  readonly wait?: string;
  /** Whether the exit code says how the scan has ended that was waited for. */
  readonly exits?: boolean;
  readonly act: (api: ApiClient, scanId: string) => Promise<{ readonly message: string }>;
}

export const pauseCommand = control({
  name: 'pause',
  description: 'have a scan stand still until it is resumed',
  afterHelp: `
Graph is left alone within seconds, what is stored stays, and another scan may take the turn. A paused scan stays paused,
whatever is restarted. Pausing it again changes nothing.

Example:
  $ outhaul pause scan-1`,
  act: (api, scanId) => api.controlScan(scanId, 'pause'),
});

export const resumeCommand = control({
  name: 'resume',
  description: 'have a paused scan go on where it was',
  afterHelp: `
It waits for its turn where as many scans run as may. Resuming one that is not paused changes nothing.

Example:
  $ outhaul resume --wait scan-1`,
  wait: 'show its progress until it ends; the exit code says how',
  exits: true,
  act: (api, scanId) => api.controlScan(scanId, 'resume'),
});

export const cancelCommand = control({
  name: 'cancel',
  description: 'cancel a scan that runs, waits or is paused',
  afterHelp: `
What is stored stays. A page that is being written is finished first, which takes seconds.

Example:
  $ outhaul cancel --wait scan-1`,
  wait: 'wait until it has ended',
  act: (api, scanId) => api.cancelScan(scanId),
});

export const retryFailedCommand = control({
  name: 'retry-failed',
  description: 'have read what a scan that has ended did not read',
  afterHelp: `
Opens the scan again: mailboxes that failed or were denied, and those that an early end left over, are read, in them the
folders that were not completed. What was read is not read again.

Example:
  $ outhaul retry-failed --wait scan-1`,
  wait: 'show its progress until it ends; the exit code says how',
  exits: true,
  act: (api, scanId) => api.controlScan(scanId, 'retry-failed'),
});

/** A command that has something done with a scan, and says what the API answers. */
function control({ name, description, afterHelp, wait, exits, act }: Control): (cli: Cli) => Command {
  return (cli) => {
    const command = new Command(name).description(description).argument('<scanId>', 'the scan', identifier);
    if (wait !== undefined) command.option('-w, --wait', wait);
    return withClientOptions(withOrganization(command.addHelpText('after', afterHelp))).action(
      async (scanId: string, options: ControlOptions) => {
        const api = await openClient(cli, options);
        const { message } = await act(api, scanId);
        const { safeLine } = await import('../text/safe-text.ts');
        cli.notes.line(`${safeLine(message)}.`);
        if (options.wait) await waitForEnd(cli, api, scanId, exits ?? false);
      },
    );
  };
}

async function waitForEnd(cli: Cli, api: ApiClient, scanId: string, exits: boolean): Promise<void> {
  const [{ watchScan }, { endReport, exitCodeOf }] = await Promise.all([
    import('../progress/watch-scan.ts'),
    import('../scan-report.ts'),
  ]);
  const state = await watchScan(api, scanId, { notes: cli.notes, signal: cli.interrupts.signal });
  for (const line of endReport(state)) cli.out.line(line);
  if (exits) cli.exitCode = exitCodeOf(state.status);
}
