import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../cli/exit-codes.ts';
import { listenForInterrupts } from '../cli/interrupts.ts';
import { wholeNumber } from '../cli/options.ts';
import { version } from '../cli/version.ts';
import { openDataFolder } from '../embedded/data-folder.ts';
import { commandOf, type RunSize } from './command.ts';
import { run } from './run.ts';
import { serverOnPostgres } from './temporal-on-postgres.ts';
import { developmentServer } from './temporal.ts';

interface Options extends RunSize {
  readonly json?: boolean;
  readonly keep?: boolean;
}

const AFTER_HELP = `
Runs the API, the workers, PostgreSQL, Temporal and a simulated tenant, all as processes of this run alone; kills and
freezes them, cuts the network between them, and lets Graph fail, while mail is read and changes. Then everything is read
once more in peace and compared with the tenant, field by field. The same seed makes the same plan of faults; a run that
fails prints the command that makes it again.

The last line is one JSON object. Exit code 0: nothing was missing, duplicated, different or unexplained, no mailbox was
asked more than 4 things at a time, no page was read again that was committed, and no kill cost a mailbox more than the 3
pages that it had in flight; with --deliver, all that was owed has arrived, in order where there is one, or is a dead letter.`;

const minutes = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 24 * 60) return value;
  throw new InvalidArgumentError('It must be a number of minutes, such as 10 or 1.5.');
};

const options = new Command('chaos')
  .description('run the product among faults, and prove that nothing is lost')
  .option('--minutes <minutes>', 'how long faults go on', minutes, 10)
  .option('--seed <number>', 'what the plan of faults is made from', wholeNumber(0, 0xffff_ffff), 1)
  .option('--workers <number>', 'worker processes', wholeNumber(1, 8), 2)
  .option('--mailboxes <number>', 'mailboxes of the tenant', wholeNumber(1, 1000), 12)
  .option('--messages <number>', 'messages in all mailboxes together', wholeNumber(1, 1_000_000), 12_000)
  .option('--live', 'follow the mailboxes by a session with notifications while mail flows, in place of scans')
  .addOption(
    new Option(
      '--deliver',
      'the same, and hand on all mail to Redis, a utility, a batch receiver and a folder',
    ).conflicts('live'),
  )
  .option('--json', 'print the last line only, what happens goes to standard error')
  .option('--temporal-on-postgres <folder>', 'a full Temporal server; the folder holds its programs server and sql')
  .option('--keep', 'keep the data folder, with all logs')
  .addHelpText('after', AFTER_HELP)
  .parse()
  .opts<Options>();

const say = (line: string): void => {
  (options.json ? process.stderr : process.stdout).write(`${line}\n`);
};
const failed = (why: string): void => say(`FAILED: ${why}\nThe same again: ${commandOf(options)}`);
const interrupts = listenForInterrupts({ source: process, exit: (code) => process.exit(code) });
const place = await mkdtemp(join(tmpdir(), 'outhaul-chaos-'));
const folder = await openDataFolder(place, { outhaulVersion: version() });
let passed = false;
try {
  const { signal } = interrupts;
  const { temporalOnPostgres } = options;
  const temporal = temporalOnPostgres === undefined ? developmentServer : serverOnPostgres(temporalOnPostgres);
  const { report, faults } = await run({
    ...options,
    temporal,
    folder,
    say,
    signal,
    atOnce: (end) => interrupts.atOnce(end),
  });
  passed = faults.length === 0;
  if (!passed) failed(faults.join(', '));
  process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
  failed(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  await folder.release();
  if (options.keep || !(passed || interrupts.signal.aborted)) say(`The data and all logs are in ${place}`);
  else await rm(place, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(passed ? EXIT.ok : EXIT.failure);
