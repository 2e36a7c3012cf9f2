import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { z } from 'zod';
import type { Cloud } from '../model/connection.ts';
import { isLoopback } from '../model/loopback.ts';
import { ALIASES, VARIABLES, WITHOUT_MEANING, hostInUrl, type Variable, type VariableName } from './variables.ts';

export interface TemporalConfig {
  /** `host:port`; undefined where `up` is to run a server itself. */
  readonly address: string | undefined;
  readonly namespace: string;
  readonly apiKey: string | undefined;
  readonly tls: boolean | undefined;
  readonly clientCertPath: string | undefined;
  readonly clientKeyPath: string | undefined;
  readonly serverCaCertPath: string | undefined;
  readonly serverName: string | undefined;
  readonly uiUrl: string | undefined;
  /** Where workers are versioned: which deployment a worker belongs to, and its version. */
  readonly deployment: { readonly deploymentName: string; readonly buildId: string } | undefined;
}

export interface DatabaseConfig {
  /** Undefined where `up` is to run PostgreSQL itself. */
  readonly url: string | undefined;
  readonly poolSize: number;
  readonly poolTimeoutMs: number;
}

export interface GraphConfig {
  readonly cloud: Cloud;
  readonly graphUrl: string | undefined;
  readonly authorityUrl: string | undefined;
  readonly requestTimeoutMs: number;
  readonly requestsPerSecond: number | undefined;
  /** Messages asked for in one page. */
  readonly pageSize: number;
  /** Attempts for a mailbox while Graph fails. */
  readonly attempts: number;
}

export interface NotificationConfig {
  /** Whether sessions ask for change notifications, where they are to, and notifications are taken. */
  readonly enabled: boolean;
  /** Where Graph reaches the API, without a slash at its end. */
  readonly publicUrl: string | undefined;
  /** How long no further notification of a mailbox must come before it is read. */
  readonly joinMs: number;
  readonly subscriptionMinutes: number;
}

/** Which attachments go to the destinations that the environment describes. */
export interface AttachmentConfig {
  /** Domains and addresses of senders; none: everyone. */
  readonly emailGroups: readonly string[];
  /** Extensions and MIME types; none: all. */
  readonly fileTypes: readonly string[];
  /** Bytes; undefined: any. */
  readonly maxAttachmentSize: number | undefined;
  /** An absolute path; undefined: no attachments go into a folder. */
  readonly directory: string | undefined;
}

/** The Redis list that the environment describes. */
export interface RedisConfig {
  /** `redis://host:port/db`, or `rediss:` for TLS; without user and password. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly queue: string;
  /** Items that the list may hold. */
  readonly maxLength: number;
}

export interface AirtableConfig {
  readonly apiKey: string;
  readonly baseId: string;
  readonly tableName: string;
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
  readonly file: string | undefined;
}

/** Everything that the environment decides, validated. */
export interface Config {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly corsOrigins: readonly string[];
    readonly auth: 'keys' | 'none';
  };
  readonly log: LogConfig;
  readonly database: DatabaseConfig;
  readonly temporal: TemporalConfig;
  readonly graph: GraphConfig;
  readonly notifications: NotificationConfig;
  /** Where the key ring comes from; neither is set where `up` is to make one. */
  readonly keys: string | undefined;
  readonly keysFile: string | undefined;
  readonly dataDir: string;
  /** How long processes wait for PostgreSQL and Temporal at their start, ms. */
  readonly startPatienceMs: number;
  readonly maxConcurrentScans: number;
  /** Mailboxes that a scan reads at a time. */
  readonly mailboxesAtOnce: number;
  /** The default connection, where all three parts are set. */
  readonly connection: { tenantId: string; clientId: string; clientSecret: string } | undefined;
  readonly mailboxAddresses: readonly string[];
  /** Where attachments lie, for every process of the installation. */
  readonly blobs: { readonly directory: string };
  readonly attachments: AttachmentConfig;
  /** Undefined: no attachments go to Redis. */
  readonly redis: RedisConfig | undefined;
  /** Where all three parts are set. */
  readonly airtable: AirtableConfig | undefined;
  /** Where Airtable is; undefined: where it always is. */
  readonly airtableUrl: string | undefined;
}

/** The environment has faults; `problems` names each, and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a fault' : `${problems.length} faults`}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;
type Values = { [Name in VariableName]: z.output<(typeof VARIABLES)[Name]['schema']> | undefined };

export interface LoadedConfig {
  readonly config: Config;
  /** What was set and means nothing here, in words. */
  readonly warnings: readonly string[];
}

/**
 * Reads and validates the environment.
 * @throws {ConfigError} naming every fault at once.
 */
export function loadConfig(environment: Environment): LoadedConfig {
  const problems: string[] = [];
  const values = readValues(environment, problems);
  if (values.OUTHAUL_AUTH === 'none' && !isLoopback(values.HOST ?? '')) {
    problems.push(
      'OUTHAUL_AUTH=none is accepted only where HOST is a loopback address; set HOST=127.0.0.1 or use keys',
    );
  }
  if (Boolean(values.TEMPORAL_TLS_CLIENT_CERT_PATH) !== Boolean(values.TEMPORAL_TLS_CLIENT_KEY_PATH)) {
    problems.push('TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH belong together: set both or none');
  }
  if (Boolean(values.TEMPORAL_DEPLOYMENT_NAME) !== Boolean(values.TEMPORAL_WORKER_BUILD_ID)) {
    problems.push('TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID belong together: set both or none');
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: toConfig(values, environment), warnings: warningsFor(values, environment) };
}

function readValues(environment: Environment, problems: string[]): Values {
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable>(VARIABLES)) {
    const [source, raw] = sourceOf(environment, name, variable) ?? ['default', variable.default];
    if (raw === undefined) continue;
    const parsed = variable.schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else if (source !== 'default' || raw !== '') {
      const shown = variable.secret ? '' : ` (it is "${raw}")`;
      problems.push(`${source} ${parsed.error.issues[0]?.message ?? 'is not valid'}${shown}`);
    }
  }
  return values as Values;
}

/** The value of a variable and the name it was set under; empty values count as not set. */
function sourceOf(
  environment: Environment,
  name: string,
  { annotated }: Variable,
): [source: string, raw: string] | undefined {
  const names = [name, ...Object.keys(ALIASES).filter((alias) => ALIASES[alias] === name)];
  for (const candidate of names) {
    const raw = annotated ? withoutComment(environment[candidate]) : environment[candidate];
    if (raw !== undefined && raw !== '') return [candidate, raw];
  }
  return undefined;
}

/** What a line such as `USE_REDIS_QUEUE=true   # Enable Redis queue` sets, where its comment was not taken away before. */
function withoutComment(raw: string | undefined): string | undefined {
  const value = raw?.replace(/\s+#(\s.*)?$/s, '').trim();
  const [, , inner] = /^(["'])((?:(?!\1).)*)\1$/s.exec(value ?? '') ?? [];
  return inner ?? value;
}

function toConfig(values: Values, environment: Environment): Config {
  const { TENANT_ID: tenantId, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret } = values;
  const dataDir = values.OUTHAUL_DATA_DIR ?? join(baseDir(environment, 'XDG_DATA_HOME', '.local/share'), 'outhaul');
  const { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId } = values;
  return {
    http: {
      host: required(values.HOST),
      port: required(values.PORT),
      corsOrigins: values.CORS_ORIGINS ?? [],
      auth: required(values.OUTHAUL_AUTH),
    },
    log: { level: required(values.LOG_LEVEL), format: required(values.LOG_FORMAT), file: values.LOG_FILE },
    database: {
      url: databaseUrl(values),
      poolSize: required(values.DB_POOL_SIZE) + required(values.DB_MAX_OVERFLOW),
      poolTimeoutMs: required(values.DB_POOL_TIMEOUT) * 1000,
    },
    temporal: {
      address: values.TEMPORAL_ADDRESS,
      namespace: required(values.TEMPORAL_NAMESPACE),
      apiKey: values.TEMPORAL_API_KEY,
      tls: values.TEMPORAL_TLS === undefined ? undefined : values.TEMPORAL_TLS === 'true',
      clientCertPath: values.TEMPORAL_TLS_CLIENT_CERT_PATH,
      clientKeyPath: values.TEMPORAL_TLS_CLIENT_KEY_PATH,
      serverCaCertPath: values.TEMPORAL_TLS_SERVER_CA_CERT_PATH,
      serverName: values.TEMPORAL_TLS_SERVER_NAME,
      uiUrl: values.TEMPORAL_UI_URL,
      deployment: deploymentName && buildId ? { deploymentName, buildId } : undefined,
    },
    graph: {
      cloud: required(values.OUTHAUL_CLOUD),
      graphUrl: values.OUTLOOK_API_BASE_URL,
      authorityUrl: values.OUTHAUL_AUTHORITY_URL,
      requestTimeoutMs: required(values.OUTLOOK_API_TIMEOUT) * 1000,
      requestsPerSecond: values.OUTLOOK_API_RATE_LIMIT,
      pageSize: required(values.BATCH_SIZE),
      attempts: required(values.MAX_RETRIES),
    },
    notifications: {
      enabled: required(values.OUTHAUL_NOTIFICATIONS) === 'on',
      publicUrl: values.OUTHAUL_PUBLIC_URL,
      joinMs: required(values.OUTHAUL_JOIN_MS),
      subscriptionMinutes: required(values.OUTHAUL_SUBSCRIPTION_MINUTES),
    },
    keys: values.OUTHAUL_KEYS,
    keysFile: values.OUTHAUL_KEYS_FILE,
    dataDir,
    blobs: { directory: resolve(values.OUTHAUL_BLOBS_DIR ?? join(dataDir, 'blobs')) },
    startPatienceMs: required(values.OUTHAUL_START_TIMEOUT) * 1000,
    maxConcurrentScans: required(values.MAX_CONCURRENT_SCANS),
    mailboxesAtOnce: required(values.MAX_WORKERS),
    connection: tenantId && clientId && clientSecret ? { tenantId, clientId, clientSecret } : undefined,
    mailboxAddresses: values.MAILBOX_ADDRESS ?? [],
    ...deliveryConfig(values),
  };
}

function deliveryConfig(values: Values): Pick<Config, 'attachments' | 'redis' | 'airtable' | 'airtableUrl'> {
  const { AIRTABLE_API_KEY: apiKey, AIRTABLE_BASE_ID: baseId, AIRTABLE_TABLE_NAME: tableName } = values;
  return {
    attachments: {
      emailGroups: values.EMAIL_GROUPS ?? [],
      fileTypes: values.FILE_TYPES ?? [],
      maxAttachmentSize: values.MAX_ATTACHMENT_SIZE,
      directory: values.ATTACHMENTS_DIR === undefined ? undefined : resolve(values.ATTACHMENTS_DIR),
    },
    redis: redisConfig(values),
    airtable: apiKey && baseId && tableName ? { apiKey, baseId, tableName } : undefined,
    airtableUrl: values.AIRTABLE_ENDPOINT_URL,
  };
}

function redisConfig(values: Values): RedisConfig | undefined {
  const { REDIS_URL, REDIS_HOST, REDIS_PORT, REDIS_DB, USE_REDIS_QUEUE } = values;
  const isNamed = REDIS_URL !== undefined || REDIS_HOST !== undefined;
  if (!(USE_REDIS_QUEUE ?? isNamed)) return undefined;
  const parts = `redis://${hostInUrl(REDIS_HOST ?? 'localhost')}:${REDIS_PORT}/${REDIS_DB}`;
  const url = new URL(REDIS_URL ?? parts);
  const [username, password] = [url.username, url.password].map(decodeURIComponent);
  url.username = '';
  url.password = '';
  return {
    url: url.href,
    username: username || values.REDIS_USERNAME,
    password: password || values.REDIS_PASSWORD,
    queue: required(values.EMAIL_QUEUE_NAME),
    maxLength: required(values.MAX_QUEUE_SIZE),
  };
}

/** A variable with a default has a value once the faults are out. */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('a variable with a default has no value');
  return value;
}

function databaseUrl(values: Values): string | undefined {
  if (values.DATABASE_URL) return values.DATABASE_URL;
  if (!values.DB_HOST) return undefined;
  const url = new URL('postgres://host');
  url.hostname = values.DB_HOST;
  url.port = String(values.DB_PORT);
  url.username = encodeURIComponent(values.DB_USER ?? '');
  url.password = encodeURIComponent(values.DB_PASSWORD ?? '');
  url.pathname = `/${encodeURIComponent(values.DB_NAME ?? '')}`;
  return url.href;
}

/** A relative path in such a variable is ignored, as the XDG base directory specification says. */
function baseDir(environment: Environment, name: string, fallback: string): string {
  const base = environment[name];
  return base && isAbsolute(base) ? base : join(environment['HOME'] || homedir(), fallback);
}

/** Where binaries are kept for the user: `${XDG_CACHE_HOME:-~/.cache}/outhaul`. */
export function cacheDir(environment: Environment): string {
  return join(baseDir(environment, 'XDG_CACHE_HOME', '.cache'), 'outhaul');
}

function warningsFor(values: Values, environment: Environment): string[] {
  const without = Object.entries(WITHOUT_MEANING)
    .filter(([name]) => environment[name])
    .map(([name, why]) => `${name} is set and has no effect: ${why}`);
  // A secret alone is what the command line asks for with `scan`; it must not keep `up` from starting.
  const connection = partsMissing(values, ['TENANT_ID', 'CLIENT_ID', 'CLIENT_SECRET']);
  const airtable = partsMissing(values, ['AIRTABLE_API_KEY', 'AIRTABLE_BASE_ID', 'AIRTABLE_TABLE_NAME']);
  return [
    ...without,
    ...(connection === undefined ? [] : [`There is no default connection: ${connection}`]),
    ...(airtable === undefined ? [] : [`There is no Airtable to write to: ${airtable}`]),
    ...filtersOfNothing(values, environment),
  ];
}

/** What is not set of what is set in part, in words. */
function partsMissing(values: Values, parts: readonly VariableName[]): string | undefined {
  const missing = parts.filter((name) => values[name] === undefined);
  if (missing.length === 0 || missing.length === parts.length) return undefined;
  return `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set`;
}

function filtersOfNothing(values: Values, environment: Environment): string[] {
  if (redisConfig(values) !== undefined || values.ATTACHMENTS_DIR !== undefined) return [];
  const filters = ['EMAIL_GROUPS', 'FILE_TYPES', 'MAX_ATTACHMENT_SIZE'] as const;
  return filters
    .filter((name) => environment[name])
    .map((name) => `${name} is set and has no effect: neither Redis nor ATTACHMENTS_DIR is set`);
}

/** Name, value (secrets hidden), where it comes from and what it means, of every variable; `outhaul config` prints it. */
export function describeConfig(
  environment: Environment,
): { name: string; value: string; source: string; meaning: string }[] {
  return Object.entries<Variable>(VARIABLES).map(([name, variable]) => {
    const fallback = [variable.default ? 'default' : '', variable.default ?? ''] as const;
    const [source, raw] = sourceOf(environment, name, variable) ?? fallback;
    const value = variable.secret && raw !== '' ? '********' : raw;
    return { name, value, source: source === name ? 'environment' : source, meaning: variable.meaning };
  });
}
