import { Command } from 'commander';
import { describeConfig, loadConfig } from '../../config/config.ts';
import type { Cli } from '../cli.ts';

const AFTER_HELP = `
Configuration comes from environment variables. Secrets are hidden. With faults in it, all are listed and the exit code
is 2.

Examples:
  $ outhaul config
  $ PORT=http outhaul config
  $ outhaul config --json`;

export function configCommand(cli: Cli): Command {
  return new Command('config')
    .description('show and check the configuration')
    .option('--all', 'also the variables that are not set and have no default')
    .option('--json', 'print it as JSON')
    .addHelpText('after', AFTER_HELP)
    .action((options: { all?: boolean; json?: boolean }) => config(cli, options));
}

async function config(cli: Cli, { all, json }: { all?: boolean; json?: boolean }): Promise<void> {
  const settings = describeConfig(cli.env);
  if (json) {
    const { safeJson } = await import('../text/safe-text.ts');
    cli.out.line(safeJson(settings));
  } else {
    const { renderTable } = await import('../text/table.ts');
    const columns = ['VARIABLE', 'VALUE', 'FROM', 'MEANING'].map((title) => ({ title }));
    const shown = settings.filter(({ source }) => all || source !== '');
    const rows = shown.map(({ name, value, source, meaning }) => [name, value, source, meaning]);
    cli.out.line(renderTable(columns, rows, cli.out));
    const unset = settings.length - shown.length;
    if (unset > 0) cli.notes.line(`${unset} more are not set; --all shows them.`);
  }
  const { warnings } = loadConfig(cli.env);
  for (const warning of warnings) cli.notes.line(`${cli.notes.paint('yellow', 'warning:')} ${warning}`);
}
