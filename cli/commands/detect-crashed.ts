import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { wholeNumber } from '../options.ts';

interface DetectOptions extends ClientOptions {
  readonly timeoutMinutes: number;
  readonly json?: boolean;
}

const AFTER_HELP = `
Compares the scans and sessions that have not ended with what Temporal runs. A scan that Temporal does not run any more is
marked as crashed, and its turn goes to the next; one that runs and does not move is told to look again at what it waits
for. A session that Temporal does not run any more has failed, and can be started anew. Run it after Temporal's data was
lost or a workflow was terminated by hand; it harms nothing that is well.

Example:
  $ outhaul detect-crashed --timeout-minutes 30`;

export function detectCrashedCommand(cli: Cli): Command {
  const command = new Command('detect-crashed')
    .description('find scans and sessions that nobody runs any more, and set them right')
    .option('--timeout-minutes <number>', 'minutes without progress that are too many', wholeNumber(1, 10_080), 10)
    .option('--json', 'print what the API answers')
    .addHelpText('after', AFTER_HELP);
  return withClientOptions(withOrganization(command)).action((options: DetectOptions) => detectCrashed(cli, options));
}

async function detectCrashed(cli: Cli, options: DetectOptions): Promise<void> {
  const api = await openClient(cli, options);
  const { safeJson, safeLine } = await import('../text/safe-text.ts');
  const review = await api.detectCrashed(options.timeoutMinutes);
  if (options.json) return cli.out.line(safeJson(review));
  for (const { scanId, organizationId, status, action } of [...review.crashed, ...review.stalled]) {
    cli.out.line(safeLine(`${scanId} of ${organizationId}: ${action} (${status})`));
  }
  for (const { sessionId, organizationId, status, action } of review.sessions.crashed) {
    cli.out.line(safeLine(`${sessionId} of ${organizationId}: ${action} (${status})`));
  }
  const { sessions } = review;
  if (sessions.crashed.length > 0) {
    cli.notes.line(`Of ${sessions.checked} sessions, ${sessions.crashed.length} ran no more: start them anew.`);
  }
  const found = review.crashed.length + review.stalled.length;
  cli.notes.line(
    found === 0
      ? `Of ${review.checked} scans that have not ended, all are well.`
      : `Of ${review.checked} scans that had not ended, ${found} were set right. retry-failed goes on with a crashed one.`,
  );
}
