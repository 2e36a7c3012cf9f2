import { Command, CommanderError } from 'commander';
import type { Cli } from './cli.ts';
import { apiCommand } from './commands/api.ts';
import { configCommand } from './commands/config.ts';
import { connectionsCommand } from './commands/connections.ts';
import { contactsCommand } from './commands/contacts.ts';
import { cancelCommand, pauseCommand, resumeCommand, retryFailedCommand } from './commands/controls.ts';
import { coverageCommand } from './commands/coverage.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { demoCommand } from './commands/demo.ts';
import { destinationsCommand } from './commands/destinations.ts';
import { detectCrashedCommand } from './commands/detect-crashed.ts';
import { doctorCommand } from './commands/doctor.ts';
import { keysCommand } from './commands/keys.ts';
import { pollCommand } from './commands/poll.ts';
import { quarantineCommand } from './commands/quarantine.ts';
import { resultsCommand } from './commands/results.ts';
import { scanCommand } from './commands/scan.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { sessionCommand } from './commands/session.ts';
import { simulateCommand } from './commands/simulate.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';
import { watchCommand } from './commands/watch.ts';
import { workerCommand } from './commands/worker.ts';
import { explain } from './errors.ts';
import { EXIT } from './exit-codes.ts';
import { Interrupted } from './interrupts.ts';
import { safeLine } from './text/safe-text.ts';
import { version } from './version.ts';

const GROUPS = [
  { heading: 'On one machine:', commands: [upCommand, demoCommand, simulateCommand] },
  { heading: 'Scans:', commands: [scanCommand, statusCommand, resultsCommand, coverageCommand, quarantineCommand] },
  {
    heading: 'Scans that run or have ended:',
    commands: [pauseCommand, resumeCommand, cancelCommand, retryFailedCommand],
  },
  { heading: 'Continuously:', commands: [sessionCommand, pollCommand, watchCommand, scheduleCommand] },
  { heading: 'Handing mail on:', commands: [destinationsCommand, deadLettersCommand, contactsCommand] },
  {
    heading: 'Administration:',
    commands: [connectionsCommand, doctorCommand, keysCommand, detectCrashedCommand, configCommand],
  },
  { heading: 'Processes of an installation:', commands: [apiCommand, workerCommand] },
];

const AFTER_HELP = `
Examples:
  $ outhaul demo                      try it: a simulated tenant, scanned and compared
  $ outhaul up                        run Outhaul on this machine
  $ outhaul scan --tenant T --client-id C --organization contoso
  $ outhaul status --watch SCAN_ID
  $ outhaul results SCAN_ID --csv > mail.csv
  $ outhaul session start             follow the mailboxes from now on
  $ outhaul watch                     a line for each arriving message
  $ outhaul coverage SCAN_ID          the proof: what Graph holds, what is stored, what is left out

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the API cannot be reached, 4 this machine is in the
way (folder, port, program), 5 the scan completed with errors, 6 the scan was cancelled, 130 interrupted.`;

/** The whole command line. Heavy modules are imported by the actions that need them, so that `--help` is fast. */
export function buildProgram(cli: Cli): Command {
  const program = new Command('outhaul')
    .description('Hauls the mail out of Microsoft 365 tenants and hands it on, durably.')
    .version(version(), '-V, --version')
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', AFTER_HELP);
  for (const { heading, commands } of GROUPS) {
    program.commandsGroup(heading);
    for (const command of commands) program.addCommand(command(cli));
  }
  program.commandsGroup('Administration:').helpCommand('help [command]', 'show how to use a command');
  everyCommand(program, (command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => void cli.out.write(text),
      writeErr: (text) => void cli.notes.write(text),
      getOutHelpWidth: () => Math.min(cli.out.width, HELP_WIDTH),
      getErrHelpWidth: () => Math.min(cli.notes.width, HELP_WIDTH),
      getOutHasColors: () => cli.out.hasColours,
      getErrHasColors: () => cli.notes.hasColours,
      outputError: (text, write) => write(cli.notes.paint('red', text)),
    });
  });
  return program;
}

const HELP_WIDTH = 120;

function everyCommand(command: Command, action: (command: Command) => void): void {
  action(command);
  for (const child of command.commands) everyCommand(child, action);
}

/**
 * Runs one command line, without the program's name, and answers the exit code. Never rejects: this is where errors
 * become words.
 */
export async function run(args: readonly string[], cli: Cli): Promise<number> {
  try {
    const program = buildProgram(cli);
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args, { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return report(cli.interrupts.signal.aborted && isAbort(error) ? cli.interrupts.signal.reason : error, cli);
  } finally {
    cli.interrupts.dispose();
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

function report(error: unknown, { notes, env }: Cli): number {
  const { message, advice, exitCode } = explain(error);
  if (error instanceof Interrupted) {
    notes.line(`${message}.`);
    return exitCode;
  }
  const [first = '', ...rest] = message.split('\n');
  notes.line(`${notes.paint('red', 'error:')} ${safeLine(first)}`);
  for (const line of rest) notes.line(safeLine(line));
  if (advice) for (const line of advice.split('\n')) notes.line(safeLine(line));
  if (env['LOG_LEVEL']?.toLowerCase() === 'debug' && error instanceof Error) notes.line(stacks(error));
  return exitCode;
}

/** The stack of an error and of what caused it. */
function stacks(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\nCaused by: ${stacks(error.cause)}` : own;
}
