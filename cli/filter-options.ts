import { Option, type Command } from 'commander';
import { CONTENTS, type Content } from '../model/content.ts';
import type { ScanRequest } from './api-client.ts';
import { list, time } from './options.ts';

/** Which mail of which mailboxes, as the command line says it. */
export interface FilterOptions {
  readonly folders?: readonly string[] | undefined;
  readonly mailboxes?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly since?: string;
  readonly until?: string;
  readonly content?: Content;
}

export const withFilters = (command: Command): Command =>
  command
    .option('--folders <names>', 'folders: names, paths (Inbox/Projects) or all (default: inbox)', list)
    .option('--mailboxes <names>', 'only these: addresses, domains or ids (default: MAILBOX_ADDRESS, else all)', list)
    .option('--exclude <names>', 'not these: addresses, domains or ids', list)
    .addOption(new Option('--content <what>', 'what is kept of a message (default: full)').choices(CONTENTS));

export const withWindow = (command: Command): Command =>
  command
    .option('--since <time>', 'only messages received at this time or later', time)
    .option('--until <time>', 'only messages received before this time', time);

/** The filters as the API wants them; undefined where no option says anything. */
export function filtersOf({
  folders,
  mailboxes,
  exclude,
  since,
  until,
  content,
}: FilterOptions): ScanRequest['filters'] {
  if (!(folders ?? mailboxes ?? exclude ?? since ?? until ?? content)) return undefined;
  return {
    folders: folders && [...folders],
    ...((mailboxes ?? exclude) && {
      mailboxes: { include: mailboxes && [...mailboxes], exclude: exclude && [...exclude] },
    }),
    since,
    until,
    content,
  };
}
