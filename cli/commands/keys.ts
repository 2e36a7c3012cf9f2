import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { identifier, wholeNumber } from '../options.ts';
import { keyRingCommands } from './key-ring.ts';

interface CreateOptions extends ClientOptions {
  readonly name: string;
  readonly admin?: boolean;
}

interface ListOptions extends ClientOptions {
  readonly json?: boolean;
}

const AFTER_HELP = `
An API key belongs to one organization and sees that one only, or is an administrator's and sees everything. A sealing
key seals secrets in the database and in Temporal.

Examples:
  $ outhaul keys create --organization contoso --name "nightly export"
  $ outhaul keys list
  $ outhaul keys revoke 3
  $ outhaul keys rotate`;

export function keysCommand(cli: Cli): Command {
  const keys = new Command('keys')
    .description('API keys: create, list, revoke; sealing keys: rotate, status')
    .addHelpText('after', AFTER_HELP);
  const create = new Command('create')
    .description('make an API key; it is printed this once')
    .requiredOption('--name <text>', 'who uses it, for people to tell keys apart')
    .option('--organization <id>', 'the organization that it sees', identifier)
    .option('--admin', "make an administrator's key, which sees everything")
    .addHelpText('after', '\nExample:\n  $ outhaul keys create --organization contoso --name "nightly export"');
  const list = withOrganization(new Command('list').description('list the API keys, without the keys themselves'))
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul keys list --json');
  const revoke = new Command('revoke')
    .description('end an API key for good')
    .argument('<id>', 'its number, as `outhaul keys list` shows it', wholeNumber(1, 2_147_483_647))
    .addHelpText('after', '\nExample:\n  $ outhaul keys revoke 3');
  keys.commandsGroup('API keys:');
  keys.addCommand(withClientOptions(create).action((options: CreateOptions) => createKey(cli, options)));
  keys.addCommand(withClientOptions(list).action((options: ListOptions) => listKeys(cli, options)));
  keys.addCommand(
    withClientOptions(revoke).action((id: number, options: ClientOptions) => revokeKey(cli, id, options)),
  );
  keys.commandsGroup('Sealing keys:');
  for (const command of keyRingCommands(cli)) keys.addCommand(command);
  return keys;
}

async function createKey(cli: Cli, { organization, admin, name, ...options }: CreateOptions): Promise<void> {
  if ((organization === undefined) === !admin) {
    throw new UsageError('Whose key is it?', "Give --organization ID, or --admin for an administrator's.");
  }
  const api = await openClient(cli, options);
  const made = await api.makeKey(name, organization ?? null);
  cli.notes.line(`Key ${made.id} (${made.organizationId ?? 'administrator'}). Keep it well, it is not shown again:`);
  cli.out.line(made.key);
}

async function listKeys(cli: Cli, options: ListOptions): Promise<void> {
  const api = await openClient(cli, options);
  const keys = await api.keys();
  if (options.json) {
    const { safeJson } = await import('../text/safe-text.ts');
    return cli.out.line(safeJson(keys));
  }
  const { renderTable } = await import('../text/table.ts');
  const columns = ['ORGANIZATION', 'NAME', 'CREATED', 'LAST USED', 'REVOKED'].map((title) => ({ title }));
  const rows = keys.map(({ id, organizationId, name, createdAt, lastUsedAt, revokedAt }) => [
    id,
    organizationId ?? '(administrator)',
    name,
    createdAt,
    lastUsedAt ?? 'never',
    revokedAt,
  ]);
  cli.out.line(renderTable([{ title: 'ID', align: 'right' }, ...columns], rows, cli.out));
}

async function revokeKey(cli: Cli, id: number, options: ClientOptions): Promise<void> {
  const api = await openClient(cli, options);
  await api.revokeKey(id);
  cli.notes.line(`Key ${id} is revoked.`);
}
