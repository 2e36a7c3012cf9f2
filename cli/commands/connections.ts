import { Command, Option } from 'commander';
import type { CheckedConnection, ConnectionEntry } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import type { CredentialOptions } from '../credential.ts';
import { UsageError } from '../errors.ts';
import { identifier, time } from '../options.ts';
import { check, withCheckOptions, type CheckOptions } from './doctor.ts';

interface ListOptions extends ClientOptions {
  readonly json?: boolean;
}

interface RotateOptions extends ClientOptions, Omit<CredentialOptions, 'tenant'> {
  readonly clientSecret?: unknown;
  readonly secretExpiresAt?: string;
  readonly mailbox?: string;
}

type AddOptions = RotateOptions & CredentialOptions;

const AFTER_HELP = `
A connection is an organization's app registration in its tenant. Its credential is checked before it is kept, sealed in
the database, and never shown.

Examples:
  $ outhaul connections list
  $ outhaul connections add --organization contoso --tenant contoso.onmicrosoft.com --client-id 1111…
  $ outhaul connections rotate --client-secret-file - --secret-expires-at 2027-05-31 < secret
  $ outhaul connections check`;

const SECRETS = `
The secret comes from CLIENT_SECRET (or AZURE_CLIENT_SECRET), a file or standard input, or is asked for. It is never an
argument: other users of a machine can read command lines, and shells keep them.`;

const ID = 'its id, as `outhaul connections list` shows it (default: the only one there is)';

export function connectionsCommand(cli: Cli): Command {
  const connections = new Command('connections')
    .description('app registrations: list, add, rotate, check, remove')
    .addHelpText('after', AFTER_HELP);
  const list = withOrganization(new Command('list').description('list connections and when their credentials end'))
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul connections list --json');
  const add = new Command('add')
    .description('check an app registration and keep it')
    .option('--organization <id>', 'whose tenant it is, a name of your choice', identifier, 'default')
    .option('--tenant <id>', 'directory (tenant) id or domain (default: TENANT_ID)')
    .option('--client-id <id>', 'application (client) id of the app registration (default: CLIENT_ID)')
    .addHelpText('after', SECRETS);
  const rotate = withOrganization(new Command('rotate'))
    .description('replace the credential; scans that run go on with the new one')
    .argument('[id]', ID)
    .option('--client-id <id>', 'where another app registration of the tenant takes over')
    .addHelpText('after', SECRETS);
  const checkOne = withCheckOptions(new Command('check'))
    .description('try what a scan needs, as `outhaul doctor` does')
    .argument('[id]', ID);
  const remove = new Command('remove')
    .description('remove a connection and its credential; what was read stays')
    .argument('<id>', 'its id, as `outhaul connections list` shows it');
  return connections
    .addCommand(withClientOptions(list).action((options: ListOptions) => listConnections(cli, options)))
    .addCommand(withClientOptions(withSecret(add)).action((options: AddOptions) => addConnection(cli, options)))
    .addCommand(
      withClientOptions(withSecret(rotate)).action((id: string | undefined, options: RotateOptions) =>
        rotateConnection(cli, id, options),
      ),
    )
    .addCommand(
      withClientOptions(checkOne).action((id: string | undefined, options: CheckOptions) => check(cli, id, options)),
    )
    .addCommand(
      withClientOptions(remove).action((id: string, options: ClientOptions) => removeConnection(cli, id, options)),
    );
}

const withSecret = (command: Command): Command =>
  command
    .option('--client-secret-file <file>', 'file with the client secret, - for standard input')
    .option('--certificate <file>', 'PEM file with certificate and private key, in place of a secret')
    .addOption(new Option('--client-secret [value]').hideHelp())
    .option('--secret-expires-at <time>', 'when the client secret ends; you are warned 30 days before', time)
    .option('--mailbox <name>', 'address or id of a mailbox to try (default: some of the tenant)');

async function listConnections(cli: Cli, options: ListOptions): Promise<void> {
  const api = await openClient(cli, options);
  const connections = await api.connections();
  if (options.json) {
    const { safeJson } = await import('../text/safe-text.ts');
    return cli.out.line(safeJson(connections));
  }
  const { renderTable } = await import('../text/table.ts');
  const columns = ['ID', 'ORGANIZATION', 'CLIENT ID', 'TENANT', 'CREDENTIAL', 'EXPIRES', 'LAST CHECK'];
  const rows = connections.map(({ id, organizationId, clientId, tenantId, credential, lastCheck }) => [
    id,
    organizationId,
    clientId,
    tenantId,
    credential.kind ?? 'unreadable',
    expiryInWords(credential),
    lastCheck ? `${lastCheck.outcome} ${lastCheck.checkedAt}` : 'never',
  ]);
  const titled = columns.map((title) => ({ title }));
  cli.out.line(renderTable(titled, rows, cli.out));
  for (const { organizationId, warnings } of connections) warn(cli, organizationId, warnings);
}

function expiryInWords({ expiresAt, expiresInDays }: ConnectionEntry['credential']): string {
  if (expiresAt === null || expiresInDays === null) return 'not known';
  return `${expiresAt.slice(0, 10)} (${expiresInDays < 0 ? 'over' : `${expiresInDays} d`})`;
}

function warn({ notes }: Cli, organizationId: string, warnings: readonly string[]): void {
  for (const warning of warnings) notes.line(`${notes.paint('yellow', 'warning:')} ${organizationId}: ${warning}.`);
}

async function addConnection(cli: Cli, options: AddOptions): Promise<void> {
  const { readCredential, secretAsArgument } = await import('../credential.ts');
  if (options.clientSecret !== undefined) throw secretAsArgument();
  const auth = await readCredential(cli, options);
  if (!auth) {
    throw new UsageError('Which app registration?', 'Give --tenant and --client-id, or set TENANT_ID and CLIENT_ID.');
  }
  const api = await openClient(cli, options);
  const { organization: organizationId, mailbox, secretExpiresAt } = options;
  const made = await api.makeConnection({ organizationId, auth, mailbox, secretExpiresAt });
  tell(cli, made, `The connection of ${made.connection.organizationId} works and is kept.`);
}

async function rotateConnection(cli: Cli, id: string | undefined, options: RotateOptions): Promise<void> {
  const [{ readSecretPart, secretAsArgument }, { findConnection }] = await Promise.all([
    import('../credential.ts'),
    import('../find-connection.ts'),
  ]);
  if (options.clientSecret !== undefined) throw secretAsArgument();
  const api = await openClient(cli, options);
  const connection = await findConnection(api, id);
  const secret = await readSecretPart(cli, options);
  const { clientId, mailbox, secretExpiresAt } = options;
  const rotated = await api.rotateConnection(connection.id, { ...secret, clientId, mailbox, secretExpiresAt });
  tell(cli, rotated, `The new credential of ${connection.organizationId} works and is in use.`);
}

/** The id alone goes to standard output, for scripts. */
function tell(cli: Cli, { connection, findings }: CheckedConnection, words: string): void {
  cli.notes.line(words);
  const found = findings.filter(({ status }) => status === 'warning').map(({ meaning }) => meaning.replace(/\.$/, ''));
  warn(cli, connection.organizationId, [...new Set([...connection.warnings, ...found])]);
  cli.out.line(connection.id);
}

async function removeConnection(cli: Cli, id: string, options: ClientOptions): Promise<void> {
  const { findConnection } = await import('../find-connection.ts');
  const api = await openClient(cli, options);
  const connection = await findConnection(api, id);
  await api.removeConnection(connection.id);
  cli.notes.line(`The connection of ${connection.organizationId} is removed, and its credential with it.`);
}
