import { Command, Option } from 'commander';
import { POLLING_MODES } from '../../model/session.ts';
import type { ApiClient, SessionRequest } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { filtersOf, withFilters, withWindow, type FilterOptions } from '../filter-options.ts';
import { wholeNumber } from '../options.ts';

interface StartOptions extends ClientOptions, FilterOptions {
  readonly polling: (typeof POLLING_MODES)[number];
  readonly interval: number;
  readonly webhook: boolean;
  readonly markAsRead?: boolean;
  readonly onlyUnread?: boolean;
}

interface ShowOptions extends ClientOptions {
  readonly json?: boolean;
  readonly limit: number;
}

const AFTER_HELP = `
A session follows the mailboxes of an organization from start to stop: by sweeps every few minutes, by notifications of
Graph, or both. An organization has one at a time; it goes on through restarts of everything.

Examples:
  $ outhaul session start --interval 60 --folders inbox,sent
  $ outhaul session info
  $ outhaul session stop
  $ outhaul session history`;

const START_HELP = `
Notifications need OUTHAUL_PUBLIC_URL: where Graph reaches the API. Where it cannot, the session runs by polling alone, and
says so.

Example:
  $ outhaul session start --organization contoso --mark-as-read`;

export function sessionCommand(cli: Cli): Command {
  const session = new Command('session')
    .description('follow mailboxes continuously: start, stop, info, clear, history')
    .addHelpText('after', AFTER_HELP);
  session.addCommand(startCommand(cli));
  session.addCommand(
    act(cli, new Command('stop').description('end it in order').option('--reason <text>', 'why, for the history'), {
      help: '\nExample:\n  $ outhaul session stop --reason maintenance',
      run: async (api, { reason }: ClientOptions & { reason?: string }) => (await api.stopSession(reason)).message,
    }),
  );
  session.addCommand(
    show(cli, new Command('info').description('show how it and its parts stand'), {
      help: '\nExample:\n  $ outhaul session info --json',
      async print(api, { json }) {
        const { printSession } = await import('../session-report.ts');
        printSession(cli, await api.sessionState(), json ?? false);
      },
    }),
  );
  session.addCommand(
    act(cli, new Command('clear').description('take away one that cannot be stopped'), {
      help: `
Ends it where it stands, without a worker's help. What it has asked of Graph is taken back when the next one starts.

Example:
  $ outhaul session clear`,
      run: async (api) => (await api.clearSession()).message,
    }),
  );
  const history = new Command('history')
    .description('list those that have ended, newest first')
    .option('--limit <number>', 'sessions to list', wholeNumber(1, 1000), 20);
  session.addCommand(
    show(cli, history, {
      help: '\nExample:\n  $ outhaul session history --limit 5',
      async print(api, { json, limit }) {
        const { printHistory } = await import('../session-report.ts');
        printHistory(cli, await api.sessionHistory(limit), json ?? false);
      },
    }),
  );
  return session;
}

function startCommand(cli: Cli): Command {
  const command = new Command('start')
    .description('start one')
    .addOption(
      new Option('--polling <mode>', 'by themselves, or only when somebody asks')
        .choices(POLLING_MODES)
        .default('scheduled'),
    )
    .option('--interval <seconds>', 'seconds between two sweeps', wholeNumber(10, 86_400), 300)
    .option('--no-webhook', 'no notifications of Graph');
  withWindow(withFilters(command))
    .option('--mark-as-read', 'mark messages as read once they are stored')
    .option('--only-unread', 'only messages that nobody has read');
  return act(cli, command, {
    help: START_HELP,
    run: async (api, options: StartOptions) => (await api.startSession(toRequest(options))).message,
  });
}

interface Acting<Options> {
  readonly help: string;
  /** Returns what to tell. */
  readonly run: (api: ApiClient, options: Options) => Promise<string>;
}

/** A command that changes something, and says what has become of it. */
const act = <Options extends ClientOptions>(cli: Cli, command: Command, { help, run }: Acting<Options>): Command =>
  withClientOptions(withOrganization(command.addHelpText('after', help))).action(async (options: Options) => {
    const message = await run(await openClient(cli, options), options);
    const { safeLine } = await import('../text/safe-text.ts');
    cli.notes.line(`${safeLine(message)}.`);
  });

interface Showing {
  readonly help: string;
  readonly print: (api: ApiClient, options: ShowOptions) => Promise<void>;
}

/** A command that shows something, as JSON where that is asked for. */
const show = (cli: Cli, command: Command, { help, print }: Showing): Command =>
  withClientOptions(
    withOrganization(command.option('--json', 'print what the API answers').addHelpText('after', help)),
  ).action(async (options: ShowOptions) => print(await openClient(cli, options), options));

const toRequest = (options: StartOptions): SessionRequest => ({
  polling_mode: options.polling,
  polling_interval: options.interval,
  enable_webhook: options.webhook,
  filters: filtersOf(options),
  mark_as_read: options.markAsRead,
  only_unread: options.onlyUnread,
});
