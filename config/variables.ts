import { z } from 'zod';
import { parseMaxAttachmentSize } from '../model/attachment-size.ts';
import { parseEmailGroups } from '../model/email-groups.ts';
import { parseFileTypes } from '../model/file-types.ts';
import { InvalidFilter } from '../model/filter-list.ts';
import { isLoopback } from '../model/loopback.ts';

/** Whole seconds or counts arrive as text. */
const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be between ${min} and ${max}`);

const text = z.string().min(1, 'must not be empty');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const url = (protocols: readonly string[]) =>
  text.refine(
    (value) => {
      if (!URL.canParse(value)) return false;
      return protocols.includes(new URL(value).protocol);
    },
    `must be a URL starting with ${protocols.join(' or ')}//`,
  );

/** A URL of Microsoft's or ours: https, or plain http where nobody can listen in. */
const webUrl = url(['https:', 'http:']).refine(
  (value) => !value.startsWith('http:') || isLoopback(new URL(value).hostname),
  'must be https (plain http is accepted for localhost only)',
);

/** A text that a function of `model/` makes something of, or refuses with what is wrong. */
const parsed = <T>(parse: (text: string) => T) =>
  z.string().transform((value, context) => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof InvalidFilter)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

/** Yes and no in the forms that environments have them in. */
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', '1', 'yes', 'on', 'false', '0', 'no', 'off'], 'must be true or false'))
  .transform((value) => ['true', '1', 'yes', 'on'].includes(value));

const redisUrl = url(['redis:', 'rediss:'])
  .refine((value) => new URL(value).hostname !== '', 'must name a host')
  .refine((value) => /^\/?\d*$/.test(new URL(value).pathname), 'must end with the number of a database, or with none')
  .refine((value) => !/[?#]/.test(value), 'must not have a query')
  .refine((value) => !/%(?![0-9a-f]{2})/i.test(value), 'has a "%" that must be written "%25"');

/** Temporal joins name and build id by a dot, and refuses it in names. */
const deploymentPart = z.string().regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be 1 to 100 letters, digits, "_" or "-"');

/** A host as a URL has it: IPv6 in brackets. */
export const hostInUrl = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);

export interface Variable {
  readonly schema: z.ZodType<unknown, string>;
  readonly meaning: string;
  readonly default?: string;
  /** Hidden by `outhaul config`. */
  readonly secret?: true;
  /** May stand in quotes, or have a comment behind it, as its document shows it: not everything takes these away. */
  readonly annotated?: true;
}

/**
 * Every environment variable that Outhaul reads, its form, default and meaning. The configuration table of the README
 * and `outhaul config` print this.
 */
export const VARIABLES = {
  HOST: { schema: text, default: '127.0.0.1', meaning: 'Address that the API listens on' },
  PORT: { schema: integer(0, 65_535), default: '8000', meaning: 'Port that the API listens on' },
  CORS_ORIGINS: { schema: list, default: '', meaning: 'Origins that browsers may call the API from, comma-separated' },
  OUTHAUL_AUTH: {
    schema: z.enum(['keys', 'none'], 'must be "keys" or "none"'),
    default: 'keys',
    meaning: '`none` switches API keys off; accepted only where the API listens on loopback',
  },
  OUTHAUL_KEYS: {
    schema: text,
    secret: true,
    meaning: 'Key ring that seals secrets: `id:base64` of 32 bytes, newest first. `up` and `demo` make a key file',
  },
  OUTHAUL_KEYS_FILE: {
    schema: text,
    meaning: 'File with the key ring, a key a line, read again when it changes; keys of `OUTHAUL_KEYS` come first',
  },
  OUTHAUL_API_KEY: {
    schema: text,
    secret: true,
    meaning: 'Key with which the command line calls the API; `up` keeps one in its data folder',
  },
  OUTHAUL_DATA_DIR: { schema: text, meaning: 'Where `outhaul up` keeps PostgreSQL, Temporal and the key file' },
  OUTHAUL_BLOBS_DIR: {
    schema: text,
    meaning:
      'Folder of attachments, the same one for every `api` and `worker`; default: `blobs` in `OUTHAUL_DATA_DIR`, or in its default',
  },
  OUTHAUL_PUBLIC_URL: {
    schema: webUrl
      .transform((value) => value.replace(/\/+$/, ''))
      .refine((value) => !/[?#]/.test(value), 'must not have a query'),
    meaning: 'Where Graph reaches the API, for change notifications; without it sessions run by polling alone',
  },
  OUTHAUL_NOTIFICATIONS: {
    schema: z.enum(['on', 'off'], 'must be on or off'),
    default: 'on',
    meaning: '`off`: no session asks for change notifications, none are taken (`outhaul up --no-webhook`)',
  },
  OUTHAUL_JOIN_MS: {
    schema: integer(0, 2000),
    default: '200',
    meaning:
      'Milliseconds without a further notification of a mailbox after which it is read; 2,000 at most pass in all',
  },
  OUTHAUL_SUBSCRIPTION_MINUTES: {
    schema: integer(1, 10_000),
    default: '10000',
    meaning: 'Life of a subscription to change notifications; it is renewed at half of it',
  },
  OUTHAUL_AUTHORITY_URL: { schema: webUrl, meaning: "Microsoft Entra's URL; default: the public cloud's" },
  OUTHAUL_CLOUD: {
    schema: z.enum(['global', 'gcc-high', 'dod', 'china'], 'must be global, gcc-high, dod or china'),
    default: 'global',
    meaning: "Microsoft's cloud that tenants live in",
  },
  OUTLOOK_API_BASE_URL: { schema: webUrl, meaning: "Microsoft Graph's URL; default: the cloud's" },
  OUTLOOK_API_TIMEOUT: { schema: integer(1, 600), default: '30', meaning: 'Deadline of a Graph request, seconds' },
  OUTLOOK_API_RATE_LIMIT: {
    schema: integer(1, 10_000),
    meaning: 'Graph requests a second for a connection, in each worker',
  },
  BATCH_SIZE: {
    schema: integer(1, 1000),
    default: '500',
    meaning: 'Messages asked for in one page, at most; large messages make pages smaller',
  },
  MAX_WORKERS: { schema: integer(1, 500), default: '40', meaning: 'Mailboxes that a scan reads at a time' },
  MAX_RETRIES: {
    schema: integer(1, 100),
    default: '8',
    meaning: 'Attempts for a mailbox while Graph fails (also `OUTLOOK_RETRY_ATTEMPTS`)',
  },
  MAX_CONCURRENT_SCANS: { schema: integer(1, 1000), default: '5', meaning: 'Scans that run at a time; more wait' },
  TENANT_ID: { schema: text, meaning: 'Tenant of the default connection (also `AZURE_TENANT_ID`)' },
  CLIENT_ID: { schema: text, meaning: 'Application of the default connection (also `AZURE_CLIENT_ID`)' },
  CLIENT_SECRET: { schema: text, secret: true, meaning: 'Its secret (also `AZURE_CLIENT_SECRET`)' },
  MAILBOX_ADDRESS: { schema: list, default: '', meaning: 'Default mailboxes of a scan, comma-separated; default: all' },
  EMAIL_GROUPS: {
    schema: parsed(parseEmailGroups),
    default: '',
    meaning: 'Sender domains and addresses whose attachments go to Redis and `ATTACHMENTS_DIR`; default: all',
  },
  FILE_TYPES: {
    schema: parsed(parseFileTypes),
    default: '',
    meaning: 'Extensions and MIME types of these attachments, as in `.pdf,.docx,image/*`; default: all',
  },
  MAX_ATTACHMENT_SIZE: {
    schema: parsed(parseMaxAttachmentSize),
    meaning: 'Bytes that these attachments may have; default: any',
  },
  ATTACHMENTS_DIR: {
    schema: text,
    annotated: true,
    meaning: 'Folder on the machines of the workers that these attachments are written to as files',
  },
  USE_REDIS_QUEUE: {
    schema: flag,
    annotated: true,
    meaning: '`false`: nothing goes to Redis. Default: `true` where `REDIS_URL` or `REDIS_HOST` is set',
  },
  REDIS_URL: {
    schema: redisUrl,
    secret: true,
    annotated: true,
    meaning: 'Redis, as in `redis://host:6379/0`; `rediss:` for TLS',
  },
  REDIS_HOST: {
    schema: text.refine(
      (value) => URL.canParse(`redis://${hostInUrl(value)}`),
      'must be the name or address of a host',
    ),
    annotated: true,
    meaning: 'Redis in parts, where `REDIS_URL` is not set; default: `localhost`, with `USE_REDIS_QUEUE=true`',
  },
  REDIS_PORT: { schema: integer(1, 65_535), default: '6379', annotated: true, meaning: 'Its port' },
  REDIS_DB: { schema: integer(0, 1_000_000), default: '0', annotated: true, meaning: 'Its database' },
  REDIS_USERNAME: { schema: text, annotated: true, meaning: 'Its user; default: the one without a name' },
  REDIS_PASSWORD: { schema: text, secret: true, annotated: true, meaning: "The user's password" },
  EMAIL_QUEUE_NAME: {
    schema: text,
    default: 'email_attachments',
    annotated: true,
    meaning: 'List in Redis that attachments are pushed onto',
  },
  MAX_QUEUE_SIZE: {
    schema: integer(1, 1_000_000_000),
    default: '1000',
    annotated: true,
    meaning: 'Items that the list may hold; what is more waits',
  },
  AIRTABLE_API_KEY: { schema: text, secret: true, meaning: 'Access token of Airtable, for the sync of contacts' },
  AIRTABLE_BASE_ID: { schema: text, meaning: 'Base that contacts are written to' },
  AIRTABLE_TABLE_NAME: { schema: text, meaning: 'Its table, by name or id' },
  AIRTABLE_ENDPOINT_URL: { schema: webUrl, meaning: "Airtable's URL; default: `https://api.airtable.com`" },
  DATABASE_URL: { schema: url(['postgres:', 'postgresql:']), secret: true, meaning: 'PostgreSQL, as a URL' },
  DB_HOST: { schema: text, meaning: 'PostgreSQL in parts, where `DATABASE_URL` is not set' },
  DB_PORT: { schema: integer(1, 65_535), default: '5432', meaning: 'Its port' },
  DB_NAME: { schema: text, default: 'outhaul', meaning: 'Its database' },
  DB_USER: { schema: text, default: 'outhaul', meaning: 'Its user' },
  DB_PASSWORD: { schema: text, secret: true, meaning: "The user's password" },
  DB_POOL_SIZE: { schema: integer(1, 500), default: '20', meaning: 'Database connections of a process' },
  DB_MAX_OVERFLOW: { schema: integer(0, 500), default: '0', meaning: 'Added to `DB_POOL_SIZE`' },
  DB_POOL_TIMEOUT: { schema: integer(1, 600), default: '30', meaning: 'Seconds to wait for a connection of the pool' },
  TEMPORAL_ADDRESS: { schema: text, meaning: 'Temporal server, `host:port`; `up` runs one where this is not set' },
  TEMPORAL_NAMESPACE: { schema: text, default: 'default', meaning: 'Temporal namespace' },
  TEMPORAL_API_KEY: { schema: text, secret: true, meaning: 'API key for Temporal' },
  TEMPORAL_TLS: { schema: z.enum(['true', 'false'], 'must be true or false'), meaning: 'TLS to Temporal' },
  TEMPORAL_TLS_CLIENT_CERT_PATH: { schema: text, meaning: 'Client certificate for Temporal, PEM file' },
  TEMPORAL_TLS_CLIENT_KEY_PATH: { schema: text, meaning: 'Its private key, PEM file' },
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: { schema: text, meaning: "Authority of Temporal's certificate, PEM file" },
  TEMPORAL_TLS_SERVER_NAME: { schema: text, meaning: "Name expected in Temporal's certificate" },
  TEMPORAL_DEPLOYMENT_NAME: {
    schema: deploymentPart,
    meaning: 'Worker deployment that workers belong to, where they are versioned (`docs/upgrades.md`)',
  },
  TEMPORAL_WORKER_BUILD_ID: { schema: deploymentPart, meaning: 'Version of a worker within its deployment' },
  TEMPORAL_CLI_PATH: { schema: text, meaning: 'Temporal CLI that `up` and `demo` run' },
  TEMPORAL_UI_URL: { schema: webUrl, meaning: 'Temporal Web UI, for links to workflows' },
  OUTHAUL_START_TIMEOUT: {
    schema: integer(0, 3600),
    default: '60',
    meaning: 'Seconds that `api` and `worker` wait for PostgreSQL and Temporal at their start',
  },
  LOG_LEVEL: {
    schema: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')),
    default: 'info',
    meaning: 'How much is logged',
  },
  LOG_FORMAT: {
    schema: z.enum(['json', 'text'], 'must be "json" or "text"'),
    default: 'json',
    meaning: 'Form of log lines',
  },
  LOG_FILE: { schema: text, meaning: 'File that log lines are written to as well' },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;

/** Other names for the same thing, as the documents of the replaced services have them. */
export const ALIASES: Readonly<Record<string, VariableName>> = {
  AZURE_TENANT_ID: 'TENANT_ID',
  AZURE_CLIENT_ID: 'CLIENT_ID',
  AZURE_CLIENT_SECRET: 'CLIENT_SECRET',
  OUTLOOK_RETRY_ATTEMPTS: 'MAX_RETRIES',
};

/** Names of the replaced services that mean nothing here, and why. */
export const WITHOUT_MEANING: Readonly<Record<string, string>> = {
  DLT_PIPELINE_NAME: 'the pipeline is always outlook_emails_extraction',
  DLT_WORKING_DIR: 'no working directory is needed',
  DB_SCHEMA: 'each organization has a schema of its own, outlook_emails_<organizationId>',
  FLASK_ENV: 'Outhaul is not a Flask service',
  FLASK_DEBUG: 'Outhaul is not a Flask service',
  SECRET_KEY: 'secrets are sealed under OUTHAUL_KEYS',
  WORKER_TIMEOUT: 'Temporal watches over workers',
  REDIRECT_URI: 'there is no sign-in of a person; application permissions take its place',
  REFRESH_TOKEN: 'there is no sign-in of a person; application permissions take its place',
  NGROK_AUTHTOKEN: 'Outhaul opens no tunnel; OUTHAUL_PUBLIC_URL says where Graph reaches it',
  HUBSPOT_ACCESS_TOKEN: 'Outhaul reads Outlook only',
  HUBSPOT_API_TIMEOUT: 'Outhaul reads Outlook only',
  HUBSPOT_API_RATE_LIMIT: 'Outhaul reads Outlook only',
};
