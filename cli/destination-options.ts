import { InvalidArgumentError, Option, type Command } from 'commander';
import { PRIORITIES, type Priority } from '../model/destination.ts';
import { DIRECTIONS, type Direction } from '../model/destination-filters.ts';
import { duration, list, wholeNumber } from './options.ts';
import { readTextFile } from './text-file.ts';

/** What a destination is set to, as the command line says it. */
export interface SettingsOptions {
  readonly endpoint?: string;
  readonly redis?: string;
  readonly directory?: string;
  readonly username?: string;
  readonly list?: string;
  readonly maxLength?: number;
  readonly concurrency?: number;
  readonly timeout?: number;
  readonly priority?: Priority;
  readonly batchItems?: number;
  readonly batchWait?: number;
  readonly attempts?: number;
  readonly maxWait?: number;
  readonly allowPrivate?: boolean;
  readonly ca?: string;
  readonly sender?: readonly string[];
  readonly recipient?: readonly string[];
  readonly mailbox?: readonly string[];
  readonly folder?: readonly string[];
  readonly direction?: Direction;
  readonly subject?: readonly string[];
  readonly hasAttachments?: boolean;
  readonly attachmentType?: readonly string[];
  readonly maxAttachmentSize?: number;
}

/** One text as it is: subjects may hold commas. */
const oneMore = (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), text];

export function withSettings(command: Command): Command {
  return withFilters(
    command
      .optionsGroup('Where to:')
      .option('--endpoint <url>', 'of a utility or batch receiver; /process, /batch-metadata, /health are added')
      .option('--redis <url>', 'redis://host:port/db, or rediss:// for TLS')
      .option('--directory <path>', 'of a folder, on the machines of the workers')
      .option('--allow-private', 'it may be at a private address (needs an administrator’s key)')
      .option('--no-allow-private', 'it may not')
      .option('--ca <file>', 'PEM file with certificate authorities beside the usual ones')
      .optionsGroup('How:')
      .option('--attempts <number>', 'tries before a dead letter (default: 3)', wholeNumber(1, 100))
      .option('--max-wait <duration>', 'how long it may be owed before a dead letter (default: 7d)', duration)
      .option('--concurrency <number>', 'requests at a time to a utility (default: 25)', wholeNumber(1, 200))
      .option('--timeout <duration>', 'for a request; a body has 1s more for each MiB (default: 30s)', duration)
      .addOption(new Option('--priority <priority>', 'of a utility (default: medium)').choices(PRIORITIES))
      .option('--batch-items <number>', 'messages in one batch (default: 100)', wholeNumber(1, 10_000))
      .option('--batch-wait <duration>', 'how long a batch waits for more (default: 2s)', duration)
      .option('--username <name>', 'of Redis')
      .option('--list <key>', 'the list’s key in Redis (default: email_attachments)')
      .option('--max-length <number>', 'items that the list may hold (default: 1000)', wholeNumber(1, 1_000_000_000)),
  );
}

const withFilters = (command: Command): Command =>
  command
    .optionsGroup('What:')
    .option('--sender <names>', 'from these addresses or domains', list)
    .option('--recipient <names>', 'to these addresses or domains, in copy or not', list)
    .option('--mailbox <names>', 'in these mailboxes: addresses, domains or ids', list)
    .option('--folder <names>', 'in these folders, named as for a scan', list)
    .addOption(new Option('--direction <direction>', 'received or sent (default: both)').choices(DIRECTIONS))
    .option('--subject <text>', 'with this in the subject; may be given several times', oneMore)
    .option('--has-attachments', 'with attachments')
    .option('--no-has-attachments', 'without')
    .option('--attachment-type <types>', 'with attachments of these types: .pdf, image/*', list)
    .option('--max-attachment-size <size>', 'leave larger attachments out: bytes, or 10MB', size);

const UNITS: Readonly<Record<string, number>> = { '': 1, KB: 1_000, MB: 1_000_000, GB: 1_000_000_000 };

/** Bytes: `500`, `20KB`, `10MB`. */
function size(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,12})(KB|MB|GB)?$/i.exec(text) ?? [];
  const bytes = number === '' ? Number.NaN : Number(number) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('It must be a number of bytes, such as 52428800, or 50MB.');
}

/**
 * The settings as the API wants them: those that the options name.
 * @param before the filters that stay where others are changed
 */
export async function settingsOf(
  options: SettingsOptions,
  before: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown> | undefined> {
  const { endpoint, redis, directory, username, list: key, maxLength, concurrency, priority, batchItems } = options;
  const filters = filtersOf(options);
  const settings = named({
    ...{ endpoint, url: redis, directory, username, list: key, maxLength, concurrency, priority, batchItems },
    timeoutSeconds: options.timeout,
    batchWaitSeconds: options.batchWait,
    attempts: options.attempts,
    maxWaitSeconds: options.maxWait,
    allowPrivate: options.allowPrivate,
    ca: options.ca === undefined ? undefined : await readTextFile(options.ca),
    filters: filters && { ...before, ...filters },
  });
  return Object.keys(settings).length === 0 ? undefined : settings;
}

function filtersOf(options: SettingsOptions): Record<string, unknown> | undefined {
  const { sender, recipient, mailbox, folder, direction, subject, hasAttachments, attachmentType } = options;
  const maxAttachmentBytes = options.maxAttachmentSize;
  const filters = named({
    ...{ sender, recipient, mailbox, folder, direction, subject, hasAttachments, attachmentType, maxAttachmentBytes },
  });
  return Object.keys(filters).length === 0 ? undefined : filters;
}

const named = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
