import { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { wholeNumber } from '../options.ts';

interface FilterOptions extends ClientOptions {
  readonly destination?: string;
  readonly cause?: string;
  readonly answered?: boolean;
}

export interface DeadLetterListOptions extends FilterOptions {
  readonly limit?: number;
  readonly json?: boolean;
}

interface ChosenOptions extends FilterOptions {
  readonly all?: boolean;
}

const AFTER_HELP = `
A dead letter is a message or an attachment that a destination refused for good, did not take in so many attempts, or was
owed for too long. It is kept until it is retried or dropped; the mail itself stays stored.

Examples:
  $ outhaul dead-letters causes
  $ outhaul dead-letters list --destination invoices --cause rejected
  $ outhaul dead-letters show 4711
  $ outhaul dead-letters retry --destination invoices
  $ outhaul dead-letters drop 4711 4712`;

export function deadLettersCommand(cli: Cli): Command {
  const letters = new Command('dead-letters')
    .description('what destinations did not take: list, show, causes, retry, drop')
    .addHelpText('after', AFTER_HELP);
  for (const command of [listCommand, showCommand, causesCommand, retryCommand, dropCommand]) {
    letters.addCommand(command(cli));
  }
  return letters;
}

const withFilters = (command: Command): Command =>
  withOrganization(command)
    .option('--destination <name>', 'those of the destination of this name or id')
    .option('--cause <code>', 'those with this cause, as `outhaul dead-letters causes` lists them');

const withAnswered = (command: Command): Command =>
  command.option('--answered', 'instead: what was delivered, and answered with an error');

const letterNo = wholeNumber(1, 999_999_999_999_999);

/** The names that options give, as ids. */
async function filterOf(api: ApiClient, { destination, cause }: FilterOptions) {
  if (destination === undefined) return { cause };
  const { findDestination } = await import('../find-destination.ts');
  return { cause, destination: (await findDestination(api, destination)).id };
}

function listCommand(cli: Cli): Command {
  const list = withAnswered(withFilters(new Command('list').description('list them, in the order they were owed in')))
    .option('--limit <number>', 'dead letters at most (default: 50 for a table, else all)', wholeNumber(1))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ outhaul dead-letters list --cause rejected --json');
  return withClientOptions(list).action(async (options: DeadLetterListOptions) => {
    const api = await openClient(cli, options);
    const { printDeadLetters } = await import('../dead-letters.ts');
    await printDeadLetters(cli, api, await filterOf(api, options), options);
  });
}

function showCommand(cli: Cli): Command {
  const show = withOrganization(new Command('show').description('show what is known of one'))
    .argument('<delivery>', 'its number, as `outhaul dead-letters list` shows it', letterNo)
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul dead-letters show 4711');
  return withClientOptions(show).action(async (deliveryNo: number, options: DeadLetterListOptions) => {
    const letter = await (await openClient(cli, options)).deadLetter(deliveryNo);
    const { printDeadLetter } = await import('../dead-letters.ts');
    printDeadLetter(cli, letter, options.json ?? false);
  });
}

function causesCommand(cli: Cli): Command {
  const causes = withOrganization(new Command('causes').description('how many there are, by destination and cause'))
    .option('--json', 'print what the API answers')
    .addHelpText('after', '\nExample:\n  $ outhaul dead-letters causes');
  return withClientOptions(causes).action(async (options: DeadLetterListOptions) => {
    const found = await (await openClient(cli, options)).deadLetterCauses();
    const { printCauses } = await import('../dead-letters.ts');
    printCauses(cli, found, options.json ?? false);
  });
}

const withChoice = (command: Command): Command =>
  withFilters(command)
    .argument('[deliveries...]', 'their numbers, as `outhaul dead-letters list` shows them', numbers)
    .option('--all', 'all of them');

const numbers = (text: string, before: readonly number[] | undefined): number[] => [...(before ?? []), letterNo(text)];

function retryCommand(cli: Cli): Command {
  const retry = withAnswered(withChoice(new Command('retry').description('send them again'))).addHelpText(
    'after',
    '\nExample:\n  $ outhaul dead-letters retry --destination invoices --cause server_error',
  );
  return withClientOptions(retry).action(async (ids: readonly number[] | undefined, options: ChosenOptions) => {
    const api = await openClient(cli, options);
    const { answered } = options;
    const { message } = await api.retryDeadLetters({ ...(await chosen(api, ids, options)), answered });
    cli.notes.line(`${message}.`);
  });
}

function dropCommand(cli: Cli): Command {
  const drop = withChoice(
    new Command('drop').description('forget them for good; the mail itself stays stored'),
  ).addHelpText('after', '\nExample:\n  $ outhaul dead-letters drop --destination invoices --cause too_large');
  return withClientOptions(drop).action(async (ids: readonly number[] | undefined, options: ChosenOptions) => {
    const api = await openClient(cli, options);
    const { message } = await api.dropDeadLetters(await chosen(api, ids, options));
    cli.notes.line(`${message}.`);
  });
}

/** @throws {UsageError} where nothing is chosen, or all and some */
async function chosen(api: ApiClient, ids: readonly number[] = [], options: ChosenOptions) {
  const { all, destination, cause } = options;
  const isSome = ids.length > 0 || destination !== undefined || cause !== undefined;
  if (isSome === (all ?? false)) {
    throw new UsageError(
      all ? '--all does not go with numbers, --destination or --cause' : 'Which dead letters?',
      'Give their numbers, --destination or --cause, or --all for all of them.',
    );
  }
  if (all) return { all: true as const };
  return { ...(await filterOf(api, options)), ...(ids.length > 0 && { ids: [...ids] }) };
}
