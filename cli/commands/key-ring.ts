import { Command } from 'commander';
import type { KeyRingAnswer } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, type ClientOptions } from '../client-options.ts';
import { CommandError } from '../errors.ts';

interface RotateOptions extends ClientOptions {
  readonly resealOnly?: boolean;
  readonly json?: boolean;
}

type StatusOptions = Omit<RotateOptions, 'resealOnly'>;

const ROTATE_HELP = `
This is about the keys that seal secrets in the database and in Temporal, not about API keys. Nothing is stopped.

With a key file (\`outhaul up\`, or OUTHAUL_KEYS_FILE, which every process must share) a new key is made in front of it
and every process seals with it at once. With OUTHAUL_KEYS put the new key there yourself first: behind the newest key
in every process, then, when all know it, in front in every process; then run this.

Older keys stay in the ring: \`outhaul keys status\` says which of them nothing needs any more.

Examples:
  $ outhaul keys rotate
  $ outhaul keys rotate --reseal-only     no new key: seal under the newest there is`;

/** `outhaul keys rotate` and `outhaul keys status`. */
export function keyRingCommands(cli: Cli): Command[] {
  const rotate = new Command('rotate')
    .description('seal everything under a new sealing key')
    .option('--reseal-only', 'make no new key, seal under the newest there is')
    .option('--json', 'print what the API answers')
    .addHelpText('after', ROTATE_HELP);
  const status = new Command('status')
    .description('show the sealing keys, and what still needs each')
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul keys status');
  return [
    withClientOptions(rotate).action((options: RotateOptions) => rotateKeys(cli, options)),
    withClientOptions(status).action((options: StatusOptions) => showStatus(cli, options)),
  ];
}

async function rotateKeys(cli: Cli, { resealOnly, ...options }: RotateOptions): Promise<void> {
  const api = await openClient(cli, options);
  const answer = await api.rotateKeys(resealOnly ? false : undefined);
  await show(cli, options, answer);
  if (!options.json) cli.notes.line(`${answer.message}.`);
  failWhereMissing(answer);
}

async function showStatus(cli: Cli, options: StatusOptions): Promise<void> {
  const api = await openClient(cli, options);
  const answer = await api.keyRing();
  await show(cli, options, answer);
  failWhereMissing(answer);
}

async function show(cli: Cli, { json }: StatusOptions, answer: KeyRingAnswer): Promise<void> {
  if (json) {
    const { safeJson } = await import('../text/safe-text.ts');
    return cli.out.line(safeJson(answer));
  }
  const { renderTable } = await import('../text/table.ts');
  const counted = ['CREDENTIALS', 'SCHEDULES', 'RUNNING', 'ENDED'].map((title) => ({ title, align: 'right' }) as const);
  const columns = [{ title: 'SEALING KEY' }, { title: 'USE' }, ...counted];
  const rows = answer.keys.map(({ keyId, use, credentials, schedules, runningWorkflows, endedWorkflows }) => [
    ...[keyId, use],
    ...[credentials, schedules, runningWorkflows, endedWorkflows],
  ]);
  cli.out.line(renderTable(columns, rows, cli.out));
  for (const { keyId, advice } of answer.keys) cli.out.line(`${keyId}: ${advice}`);
}

function failWhereMissing({ keys }: KeyRingAnswer): void {
  const missing = keys.filter(({ use }) => use === 'missing');
  if (missing.length === 0) return;
  const names = missing.map(({ keyId }) => `"${keyId}"`).join(' and ');
  throw new CommandError(`The key ring lacks ${names}, which stored credentials or schedules are sealed under`, {
    advice: 'Put the key back behind the newest one, or send those credentials anew (`outhaul scan` does).',
  });
}
