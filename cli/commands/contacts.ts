import { Command } from 'commander';
import { CONTACT_COLUMNS, type ContactColumns } from '../../model/contact-sync.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import type { ContactSettingsChange, ContactSettingsEntry } from '../contacts-client.ts';
import { UsageError } from '../errors.ts';
import { duration, wholeNumber } from '../options.ts';

interface JsonOptions extends ClientOptions {
  readonly json?: boolean;
}

interface SettingsOptions extends JsonOptions {
  readonly base?: string;
  readonly table?: string;
  readonly airtableKeyFile?: string;
  readonly column?: readonly string[];
  readonly mailboxes?: string;
  readonly every?: number | false;
  readonly onChange?: boolean;
  readonly remove?: boolean;
}

const AFTER_HELP = `
Contacts are the people that mail was sent to: how many mails, and when last, from the sent items that are stored. A sync
brings a table in Airtable up to date with them: it changes what differs, adds who is missing, and leaves the rest alone.

Examples:
  $ outhaul contacts list
  $ outhaul contacts settings --base appQp1zrRZ7TnM1Ap --table Contacts --airtable-key-file token.txt --every 1d
  $ outhaul contacts sync --dry-run
  $ outhaul contacts sync`;

const SETTINGS_HELP = `
Without options it shows what holds. What the options do not name stays.

Examples:
  $ outhaul contacts settings --mailboxes sales@contoso.example,contoso.example --every 6h
  $ outhaul contacts settings --column email=E-Mail --column totalMailsSent=Mails
  $ outhaul contacts settings --remove`;

export function contactsCommand(cli: Cli): Command {
  const contacts = new Command('contacts')
    .description('whom mail was sent to, and Airtable: list, sync, status, settings')
    .addHelpText('after', AFTER_HELP);
  for (const command of [listCommand, syncCommand, statusCommand, settingsCommand]) contacts.addCommand(command(cli));
  return contacts;
}

const listCommand = (cli: Cli): Command =>
  client(new Command('list').description('list them: address, domain, mails sent, when last'))
    .option('--limit <number>', 'contacts at most (default: 50 for a table, else all)', wholeNumber(1))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ outhaul contacts list --json > contacts.jsonl')
    .action(async (options: JsonOptions & { limit?: number }) => {
      const { printContacts } = await import('../contacts.ts');
      await printContacts(cli, await openClient(cli, options), options);
    });

const syncCommand = (cli: Cli): Command =>
  client(new Command('sync').description('bring Airtable up to date, and wait for the end'))
    .option('--dry-run', 'print what it would write, and write nothing')
    .option('--no-wait', 'ask for it, and do not wait')
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul contacts sync --dry-run')
    .action(async (options: JsonOptions & { dryRun?: boolean; wait: boolean }) => {
      const { followSync } = await import('../contacts.ts');
      const api = await openClient(cli, options);
      const { message, sync } = await api.syncContacts(options.dryRun ?? false);
      cli.notes.line(`${message}.`);
      if (options.wait) cli.exitCode = await followSync(cli, api, sync.syncId, options);
      else cli.out.line(sync.syncId);
    });

const statusCommand = (cli: Cli): Command =>
  client(new Command('status').description('the latest syncs'))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ outhaul contacts status')
    .action(async (options: JsonOptions) => {
      const { printSyncs } = await import('../contacts.ts');
      const syncs = await (await openClient(cli, options)).contactSyncs();
      if (options.json) for (const sync of syncs) cli.out.line(JSON.stringify(sync));
      else printSyncs(cli, syncs);
    });

const settingsCommand = (cli: Cli): Command =>
  client(new Command('settings').description('show or change where contacts go, whose sent items count, and when'))
    .option('--base <id>', "the base's id, app…")
    .option('--table <name>', 'its table, by name or id')
    .option('--airtable-key-file <file>', 'file with the personal access token, - for standard input')
    .option('--column <what=name>', `a column: ${Object.keys(CONTACT_COLUMNS).join(', ')}`, gather)
    .option(
      '--mailboxes <names>',
      'whose sent items count, comma-separated: addresses, ids, domains; default for MAILBOX_ADDRESS, or all',
    )
    .option('--every <duration>', 'have a sync begun again and again: 15m, 6h, 1d', duration)
    .option('--no-every', 'no more')
    .option('--on-change', 'a sync begins when sent mail has changed')
    .option('--no-on-change', 'it does not')
    .option('--remove', 'forget the settings and the token, and count no more')
    .option('--json', 'print what the API answers')
    .addHelpText('after', SETTINGS_HELP)
    .action((options: SettingsOptions) => showOrChange(cli, options));

const client = (command: Command): Command => withClientOptions(withOrganization(command));

const gather = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

async function showOrChange(cli: Cli, options: SettingsOptions): Promise<void> {
  const { printSettings } = await import('../contacts.ts');
  const api = await openClient(cli, options);
  if (options.remove) {
    cli.notes.line(`${(await api.forgetContacts()).message}.`);
    return;
  }
  const now = await api.contactSettings();
  const named = ['base', 'table', 'airtableKeyFile', 'column', 'mailboxes', 'every', 'onChange'] as const;
  const isChange = named.some((name) => options[name] !== undefined);
  const settings = isChange ? (await api.setContacts(await changeOf(cli, now, options))).settings : now;
  if (options.json) cli.out.line(JSON.stringify(settings));
  else printSettings(cli, settings);
}

async function changeOf(cli: Cli, now: ContactSettingsEntry, options: SettingsOptions): Promise<ContactSettingsChange> {
  const { base, table, airtableKeyFile, column = [], mailboxes, every, onChange } = options;
  const own = now.source === 'settings' ? now.airtable : null;
  const target = { baseId: base ?? own?.baseId, tableName: table ?? own?.tableName };
  const names = [target.baseId, target.tableName, airtableKeyFile];
  const { readSecretFile } = await import('../credential.ts');
  const apiKey = airtableKeyFile === undefined ? undefined : await readSecretFile(cli, airtableKeyFile);
  if (names.some((name) => name !== undefined) && (target.baseId === undefined || target.tableName === undefined)) {
    throw new UsageError('Which table?', 'Give --base and --table, and at first --airtable-key-file.');
  }
  return {
    airtable:
      target.baseId === undefined || target.tableName === undefined
        ? null
        : { baseId: target.baseId, tableName: target.tableName, ...(apiKey !== undefined && { apiKey }) },
    columns: { ...now.columns, ...columnsIn(column) },
    mailboxes: mailboxes === undefined ? now.mailboxes : namesIn(mailboxes),
    everySeconds: every === undefined ? now.everySeconds : every === false ? null : every,
    onChange: onChange ?? now.onChange,
  };
}

const namesIn = (text: string): string[] | null =>
  text === 'default' ? null : text.split(',').map((name) => name.trim());

function columnsIn(pairs: readonly string[]): Partial<ContactColumns> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      const what = pair.slice(0, Math.max(at, 0));
      if (!(what in CONTACT_COLUMNS)) {
        const known = Object.keys(CONTACT_COLUMNS).join(', ');
        throw new UsageError(
          `--column ${pair} names no column`,
          `Give what stands in it and its name, as email=E-Mail: ${known}.`,
        );
      }
      return [what, pair.slice(at + 1)];
    }),
  );
}
