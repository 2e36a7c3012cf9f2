import { Command, Option } from 'commander';
import {
  DESTINATION_KINDS,
  DESTINATION_STARTS,
  type DestinationKind,
  type DestinationStart,
} from '../../model/destination.ts';
import type { ApiClient } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import type { DestinationDone, DestinationEntry } from '../delivery-client.ts';
import { settingsOf, withSettings, type SettingsOptions } from '../destination-options.ts';
import {
  SECRETS_HELP,
  readDestinationSecret,
  withSecretChanges,
  withSecrets,
  type SecretChangeOptions,
  type SecretOptions,
} from '../destination-secrets.ts';
import { UsageError } from '../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { time } from '../options.ts';

interface JsonOptions extends ClientOptions {
  readonly json?: boolean;
}

interface CreateOptions extends JsonOptions, SettingsOptions, SecretOptions {
  readonly kind: DestinationKind;
  readonly starts?: DestinationStart;
}

interface ChangeOptions extends JsonOptions, SettingsOptions, SecretChangeOptions {
  readonly name?: string;
  readonly clearFilters?: boolean;
}

interface ReplayOptions extends ClientOptions {
  readonly since: string;
  readonly until?: string;
}

const AFTER_HELP = `
A destination is where an organization's mail is handed on to: attachments to a Redis list (redis_list) or a folder,
messages to a utility or a batch receiver. What it does not take is tried again, and is kept as a dead letter at last.

Examples:
  $ outhaul destinations create invoices --kind utility --endpoint https://utility.example/api --with-token
  $ outhaul destinations create queue --kind redis_list --redis rediss://redis.example:6379/0 --attachment-type .pdf
  $ outhaul destinations list
  $ outhaul destinations test invoices
  $ outhaul destinations replay invoices --since 2026-11-20 --until 2026-11-21`;

export function destinationsCommand(cli: Cli): Command {
  const destinations = new Command('destinations')
    .description('where mail is handed on to: list, show, create, change, pause, resume, test, replay, delete')
    .addHelpText('after', AFTER_HELP);
  const commands = [listCommand, showCommand, createCommand, changeCommand, pauseCommand, resumeCommand];
  for (const command of [...commands, testCommand, replayCommand, deleteCommand]) destinations.addCommand(command(cli));
  return destinations;
}

const withJson = (command: Command): Command => command.option('--json', 'print what the API answers');

const example = (command: Command, line: string): Command => command.addHelpText('after', `\nExample:\n  $ ${line}`);

const named = (name: string, description: string): Command =>
  withOrganization(new Command(name).description(description).argument('<destination>', 'its name, or its id'));

/** A command about one destination that is there. */
const about = <Options extends ClientOptions>(
  cli: Cli,
  command: Command,
  run: (api: ApiClient, destination: DestinationEntry, options: Options) => Promise<void>,
): Command =>
  withClientOptions(command).action(async (nameOrId: string, options: Options) => {
    const { findDestination } = await import('../find-destination.ts');
    const api = await openClient(cli, options);
    await run(api, await findDestination(api, nameOrId), options);
  });

const listCommand = (cli: Cli): Command =>
  withClientOptions(
    withOrganization(
      example(
        withJson(new Command('list').description('list them, how they stand and what they are owed')),
        'outhaul destinations list --json',
      ),
    ),
  ).action(async (options: JsonOptions) => {
    const destinations = await (await openClient(cli, options)).destinations();
    const { printDestinations } = await import('../destination-report.ts');
    printDestinations(cli, destinations, options.json ?? false);
  });

const showCommand = (cli: Cli): Command =>
  about(
    cli,
    example(withJson(named('show', 'show one: all but its secret')), 'outhaul destinations show invoices'),
    async (_api, destination, { json = false }: JsonOptions) => {
      const { printDestination } = await import('../destination-report.ts');
      printDestination(cli, destination, json);
    },
  );

function createCommand(cli: Cli): Command {
  const create = new Command('create')
    .description('make one; its id is printed, and a signing key that is made, this once')
    .argument('<name>', 'a name of your choice')
    .addOption(new Option('--kind <kind>', 'what it is').choices(DESTINATION_KINDS).makeOptionMandatory())
    .addOption(
      new Option('--starts <when>', 'with what is stored from now on, or already (default: now)').choices(
        DESTINATION_STARTS,
      ),
    );
  const whole = withSecrets(withSettings(withJson(withOrganization(create))).optionsGroup('Secrets:'));
  example(
    whole.addHelpText('after', SECRETS_HELP),
    'outhaul destinations create files --kind folder --directory /var/mail',
  );
  return withClientOptions(whole).action(async (name: string, options: CreateOptions) => {
    const { kind, starts } = options;
    const [secret, settings = {}] = [await readDestinationSecret(cli, options), await settingsOf(options)];
    const made = await (await openClient(cli, options)).makeDestination({ name, kind, starts, settings, secret });
    await tell(cli, made, options.json);
    if (!options.json) cli.out.line(made.destination.id);
  });
}

function changeCommand(cli: Cli): Command {
  const change = named('change', 'change what the options name; the rest stays, and so does what it is owed')
    .option('--name <name>', 'another name')
    .option('--clear-filters', 'forget the filters that it has');
  const whole = withSecretChanges(withSettings(withJson(change)).optionsGroup('Secrets:'));
  example(whole.addHelpText('after', SECRETS_HELP), 'outhaul destinations change invoices --concurrency 10');
  return about(cli, whole, async (api, { id, settings: now }, options: ChangeOptions) => {
    const before = options.clearFilters ? {} : { ...now.filters };
    const secret = await readDestinationSecret(cli, options);
    const found = await settingsOf(options, before);
    const settings = options.clearFilters ? { filters: {}, ...found } : found;
    if ((secret ?? settings ?? options.name) === undefined) {
      throw new UsageError('What is to be changed?', '--help shows what there is.');
    }
    await tell(cli, await api.changeDestination(id, { name: options.name, settings, secret }), options.json);
  });
}

const pauseCommand = (cli: Cli): Command =>
  about(
    cli,
    example(
      named('pause', 'have it get nothing until it is resumed; it is owed what comes'),
      'outhaul destinations pause invoices',
    ),
    async (api, { id }) => tell(cli, await api.pauseDestination(id)),
  );

const resumeCommand = (cli: Cli): Command =>
  about(
    cli,
    example(named('resume', 'have it get what it is owed, at once'), 'outhaul destinations resume invoices'),
    async (api, { id }) => tell(cli, await api.resumeDestination(id)),
  );

const testCommand = (cli: Cli): Command =>
  about(
    cli,
    example(
      withJson(named('test', 'ask it how it is, from the machine of the API; exits with 1 where it is not well')),
      'outhaul destinations test invoices',
    ),
    async (api, { id, name }, { json }: JsonOptions) => {
      const tested = await api.testDestination(id);
      const { safeJson, safeLine } = await import('../text/safe-text.ts');
      const { healthy, detail, latencyMs } = tested;
      const word = healthy ? cli.out.paint('green', 'healthy') : cli.out.paint('red', 'not healthy');
      cli.out.line(
        json ? safeJson(tested) : safeLine(`${name} is `) + word + safeLine(`: ${detail} (${latencyMs} ms)`),
      );
      if (!healthy) cli.exitCode = EXIT.failure;
    },
  );

const replayCommand = (cli: Cli): Command =>
  about(
    cli,
    example(
      named('replay', 'send it once more what was received in a time, without asking Graph')
        .requiredOption('--since <time>', 'messages received at this time or later', time)
        .option('--until <time>', 'messages received before this time (default: now)', time),
      'outhaul destinations replay invoices --since 2026-11-20 --until 2026-11-21',
    ),
    async (api, { id }, { since, until }: ReplayOptions) =>
      tell(cli, await api.replayDestination(id, { since, until })),
  );

const deleteCommand = (cli: Cli): Command =>
  about(
    cli,
    example(
      named('delete', 'remove it, unless it is owed something').option(
        '--drop',
        'also with what it is owed and its dead letters, which are gone then',
      ),
      'outhaul destinations delete invoices',
    ),
    async (api, { id }, { drop = false }: ClientOptions & { drop?: boolean }) => {
      const removed = await api.removeDestination(id, drop);
      await tell(cli, removed);
      if (removed.dropped > 0) cli.notes.line(`${removed.dropped} deliveries are gone with it.`);
    },
  );

/** What has become of a destination; or, as JSON, the answer. */
async function tell(
  { out, notes }: Cli,
  done: Pick<DestinationDone, 'message' | 'signingKey'>,
  json = false,
): Promise<void> {
  const { safeJson, safeLine } = await import('../text/safe-text.ts');
  if (json) return out.line(safeJson(done));
  notes.line(`${safeLine(done.message)}.`);
  if (done.signingKey === undefined) return;
  notes.line('Its requests are signed with this key, which is shown this once:');
  notes.line(`  ${safeLine(done.signingKey)}`);
}
