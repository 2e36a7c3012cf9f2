import { X509Certificate } from 'node:crypto';
import { posix, win32 } from 'node:path';
import { z } from 'zod';
import {
  PRIORITIES,
  SETTINGS_DEFAULTS,
  type DestinationKind,
  type GivenSettings,
  type SettingsOf,
} from '../../model/destination.ts';
import { text } from './common.ts';
import { DestinationFilters } from './destination-filters.ts';

const whole = (min: number, max: number) =>
  z.int('must be a whole number').min(min, `must be at least ${min}`).max(max, `must be at most ${max}`);

/** A text with something wrong in it, in words, or nothing. */
const checked = (max: number, problemWith: (value: string) => string | undefined) =>
  text(max).superRefine((value, context) => {
    const problem = problemWith(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

/** What is wrong with a URL, beside its address. */
function problemWithUrl(value: string, protocols: readonly string[], like: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !protocols.includes(url.protocol) || url.hostname === '') return `must be a URL such as ${like}`;
  if (url.username !== '' || url.password !== '')
    return 'must hold no user and no password: they have fields of their own';
  if (url.search !== '' || url.hash !== '') return 'must end with its path: "?" and "#" have no place in it';
  return undefined;
}

const Endpoint = checked(2_000, (value) =>
  problemWithUrl(value, ['https:', 'http:'], 'https://utility.example/api'),
).meta({ description: '`https`; `http` at private addresses only', example: 'https://utility.example/api' });

const RedisUrl = checked(2_000, (value) => {
  const like = 'redis://redis.example:6379/0, or rediss:// for TLS';
  const problem = problemWithUrl(value, ['redis:', 'rediss:'], like);
  return problem ?? (/^(\/\d{0,5})?$/.test(new URL(value).pathname) ? undefined : `must be a URL such as ${like}`);
}).meta({ description: '`redis://host:port/db`, `rediss:` for TLS', example: 'rediss://redis.example:6379/0' });

const Directory = checked(2_000, (value) =>
  posix.isAbsolute(value) || win32.isAbsolute(value)
    ? undefined
    : 'must be an absolute path, such as /var/lib/attachments',
).meta({ description: 'On the machines of the workers', example: '/var/lib/attachments' });

const Ca = z
  .string()
  .max(100_000, 'must have at most 100000 characters')
  .refine(isCertificate, 'must be certificates as PEM text')
  .meta({ description: 'Certificate authorities beside the usual ones, as PEM' });

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== '';
  } catch {
    return false;
  }
}

const common = {
  filters: DestinationFilters,
  attempts: whole(1, 100).meta({ description: 'Tries before a delivery becomes a dead letter' }),
  maxWaitSeconds: whole(60, 366 * 86_400).meta({
    description: 'How long a delivery may be owed before it becomes a dead letter',
  }),
};
const network = {
  ...common,
  allowPrivate: z.boolean().meta({
    description: "Whether it may be at a private or loopback address; an administrator's choice",
  }),
  ca: Ca.optional(),
};
const Timeout = whole(1, 600).meta({
  description: 'For one request with its answer; a body has one second more for each whole MiB',
});
const http = { ...network, endpoint: Endpoint, timeoutSeconds: Timeout };

/** Every setting of each kind. */
const SETTINGS = {
  redis_list: {
    ...network,
    url: RedisUrl,
    username: text(200).optional(),
    list: text(500).meta({ description: "The list's key" }),
    maxLength: whole(1, 1_000_000_000).meta({ description: 'Items that the list may hold: then deliveries wait' }),
  },
  folder: { ...common, directory: Directory },
  utility: {
    ...http,
    concurrency: whole(1, 200).meta({ description: 'Requests at a time' }),
    priority: z.enum(PRIORITIES, 'must be high, medium or low').meta({
      description:
        'Whose sender goes first where the workers have not room for all; a change holds from the next one on',
    }),
  },
  batch: {
    ...http,
    batchItems: whole(1, 10_000).meta({ description: 'Messages in one request' }),
    batchWaitSeconds: whole(0, 300).meta({ description: 'How long a batch that is not full waits for more' }),
  },
} as const;

/** Those without a default. */
const NEEDED: Readonly<Record<DestinationKind, string>> = {
  redis_list: 'url',
  folder: 'directory',
  utility: 'endpoint',
  batch: 'endpoint',
};

const defaultOf = (kind: DestinationKind, name: string): unknown =>
  (SETTINGS_DEFAULTS[kind] as Readonly<Record<string, unknown>>)[name];

/** Settings as a request gives them to a new destination: those that have a default may be left out. */
export const givenSettings = <Kind extends DestinationKind>(kind: Kind): z.ZodType<GivenSettings<Kind>> =>
  z.strictObject(
    eachOf(kind, (field, name) => {
      if (name === NEEDED[kind]) return field;
      const usual = defaultOf(kind, name);
      return usual === undefined ? field.optional() : field.optional().meta({ default: usual });
    }),
  ) as unknown as z.ZodType<GivenSettings<Kind>>;

/** Settings to change: what is left out stays, null is the default again. */
export type SettingsChange = Readonly<Record<string, unknown>>;
export const settingsChange = (kind: DestinationKind): z.ZodType<SettingsChange> =>
  z.strictObject(eachOf(kind, (field, name) => (name === NEEDED[kind] ? field : field.nullable()).optional()));

/** Settings as they are shown, defaults included. */
export const shownSettings = <Kind extends DestinationKind>(kind: Kind): z.ZodType<SettingsOf[Kind]> =>
  z.strictObject(SETTINGS[kind]) as unknown as z.ZodType<SettingsOf[Kind]>;

function eachOf(kind: DestinationKind, as: (field: z.ZodType, name: string) => z.ZodType): Record<string, z.ZodType> {
  const fields: Readonly<Record<string, z.ZodType>> = SETTINGS[kind];
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, as(field, name)]));
}
