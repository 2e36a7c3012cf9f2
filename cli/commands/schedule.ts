import { Command, Option } from 'commander';
import { SCAN_MODES, type ScanMode } from '../../model/scan.ts';
import { SCHEDULE_OVERLAPS, type ScheduleOverlap } from '../../model/schedule.ts';
import type { ApiClient, ScheduleChangeRequest, ScheduleEntry } from '../api-client.ts';
import type { Cli } from '../cli.ts';
import { openClient, withClientOptions, withOrganization, type ClientOptions } from '../client-options.ts';
import { filtersOf, withFilters, type FilterOptions } from '../filter-options.ts';
import { duration, identifier, time } from '../options.ts';

interface SettingsOptions extends ClientOptions, Omit<FilterOptions, 'since' | 'until'> {
  readonly cron?: string;
  readonly every?: number;
  readonly timeZone?: string;
  readonly mode?: ScanMode;
  readonly overlap?: ScheduleOverlap;
  readonly catchUp?: number;
  readonly jitter?: number;
}

interface BackfillOptions extends ClientOptions {
  readonly from: string;
  readonly to: string;
  readonly overlap?: ScheduleOverlap;
}

type JsonOptions = ClientOptions & { readonly json?: boolean };

const AFTER_HELP = `
A schedule scans the mailboxes of an organization again and again, with the connection that it has: at the times of a
cron expression, or at an interval. Each scan is called after the schedule and the time, and is a scan like any other.

Examples:
  $ outhaul schedule create nightly --cron '0 2 * * *' --time-zone Europe/Berlin
  $ outhaul schedule create often --every 15m --folders inbox,sent
  $ outhaul schedule list
  $ outhaul schedule trigger nightly
  $ outhaul schedule backfill nightly --from 2026-11-19T00:00:00Z --to 2026-11-21T00:00:00Z`;

const CREATE_HELP = `
Where neither says otherwise: an incremental scan of each inbox; one that is due while the one before still runs is left
out; one that could not be started, for Temporal was away, is made up for within an hour; each comes up to a minute later.

Example:
  $ outhaul schedule create weekly --cron '0 3 * * 0' --mode full --folders all`;

export function scheduleCommand(cli: Cli): Command {
  const schedule = new Command('schedule')
    .description('scan again and again: create, list, show, change, pause, resume, trigger, backfill, delete')
    .addHelpText('after', AFTER_HELP);
  schedule.addCommand(
    act(cli, withSettings(named('create', 'make one')).option('--paused', 'it starts nothing until it is resumed'), {
      help: CREATE_HELP,
      run: (api, id, options: SettingsOptions & { paused?: boolean }) =>
        api.makeSchedule({ ...toChange(options), scheduleId: id, paused: options.paused }),
    }),
  );
  schedule.addCommand(listCommand(cli));
  schedule.addCommand(showCommand(cli));
  schedule.addCommand(
    act(cli, withSettings(named('change', 'change what the options name; the rest stays')), {
      help: '\nExample:\n  $ outhaul schedule change nightly --overlap buffer_one --jitter 10m',
      run: (api, id, options: SettingsOptions) => api.changeSchedule(id, toChange(options)),
    }),
  );
  schedule.addCommand(
    act(cli, named('pause', 'have it start nothing until it is resumed').option('--note <text>', 'why'), {
      help: "\nExample:\n  $ outhaul schedule pause nightly --note 'moving house'",
      run: (api, id, { note }: ClientOptions & { note?: string }) => api.pauseSchedule(id, note),
    }),
  );
  schedule.addCommand(
    act(cli, named('resume', 'resume it; what was due meanwhile is not made up for'), {
      help: '\nExample:\n  $ outhaul schedule resume nightly',
      run: (api, id) => api.resumeSchedule(id),
    }),
  );
  schedule.addCommand(
    act(cli, named('trigger', 'start a scan of it now'), {
      help: '\nExample:\n  $ outhaul schedule trigger nightly',
      run: (api, id) => api.triggerSchedule(id),
    }),
  );
  schedule.addCommand(
    act(cli, withBackfill(named('backfill', 'start the scans that were due in a time')), {
      help: `
A time that has its scan gets no second.

Example:
  $ outhaul schedule backfill nightly --from 2026-11-19T00:00:00Z --to 2026-11-21T00:00:00Z`,
      run: (api, id, { from, to, overlap }: BackfillOptions) =>
        api.backfillSchedule(id, { from: instant(from), to: instant(to), overlap }),
    }),
  );
  schedule.addCommand(
    act(cli, named('delete', 'remove it; a scan that it has started goes on'), {
      help: '\nExample:\n  $ outhaul schedule delete nightly',
      run: (api, id) => api.removeSchedule(id),
    }),
  );
  return schedule;
}

const named = (name: string, description: string): Command =>
  new Command(name).description(description).argument('<schedule>', 'its id', identifier);

const overlapOption = (): Option =>
  new Option('--overlap <policy>', 'for a scan that is due while the one before still runs').choices(SCHEDULE_OVERLAPS);

const withSettings = (command: Command): Command =>
  withFilters(
    command
      .option('--cron <expression>', 'minute, hour, day of month, month, day of week; or @daily and the like')
      .option('--every <duration>', 'instead of --cron: 15m, 6h, 1d', duration)
      .option('--time-zone <name>', 'in which --cron is meant (default: UTC)')
      .addOption(new Option('--mode <mode>', 'what changed, or everything (default: incremental)').choices(SCAN_MODES)),
  )
    .addOption(overlapOption())
    .option('--catch-up <duration>', 'how late a scan may start, after Temporal was away (default: 1h)', duration)
    .option('--jitter <duration>', 'up to how much later each comes, at random; 0s for never (default: 1m)', duration);

const withBackfill = (command: Command): Command =>
  command
    .requiredOption('--from <time>', 'the beginning', time)
    .requiredOption('--to <time>', 'the end', time)
    .addOption(overlapOption());

/** The API wants a time; a date is the beginning of its day, UTC. */
const instant = (text: string): string => new Date(text).toISOString();

function toChange(options: SettingsOptions): ScheduleChangeRequest {
  const { cron, every: intervalSeconds, timeZone, mode, overlap, catchUp, jitter } = options;
  const filters = filtersOf(options);
  return { cron, intervalSeconds, timeZone, mode, filters, overlap, catchUpSeconds: catchUp, jitterSeconds: jitter };
}

interface Acting<Options> {
  readonly help: string;
  readonly run: (api: ApiClient, id: string, options: Options) => Promise<{ readonly message: string }>;
}

/** A command that does something with one schedule, and says what has become of it. */
const act = <Options extends ClientOptions>(cli: Cli, command: Command, { help, run }: Acting<Options>): Command =>
  withClientOptions(withOrganization(command.addHelpText('after', help))).action(
    async (id: string, options: Options) => {
      const { message } = await run(await openClient(cli, options), id, options);
      const { safeLine } = await import('../text/safe-text.ts');
      cli.notes.line(`${safeLine(message)}.`);
    },
  );

const asJson = (command: Command): Command => command.option('--json', 'print what the API answers');

const listCommand = (cli: Cli): Command =>
  withClientOptions(
    withOrganization(asJson(new Command('list').description('list them'))).addHelpText(
      'after',
      '\nExample:\n  $ outhaul schedule list',
    ),
  ).action(async (options: JsonOptions) => {
    const schedules = await (await openClient(cli, options)).schedules();
    const { printSchedules } = await import('../schedule-report.ts');
    printSchedules(cli, schedules, options.json ?? false);
  });

const showCommand = (cli: Cli): Command =>
  withClientOptions(
    withOrganization(asJson(named('show', 'show one, its next scans and its last'))).addHelpText(
      'after',
      '\nExample:\n  $ outhaul schedule show nightly --json',
    ),
  ).action(async (id: string, options: JsonOptions) => {
    const schedule: ScheduleEntry = await (await openClient(cli, options)).schedule(id);
    const { printSchedule } = await import('../schedule-report.ts');
    printSchedule(cli, schedule, options.json ?? false);
  });
