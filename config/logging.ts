import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino, destination, multistream, type DestinationStream, type Logger } from 'pino';
import { ConfigError, type LogConfig } from './config.ts';

export type { Logger } from 'pino';

/**
 * The process's logger: JSON lines on standard output (`LOG_FORMAT=text` for people and grep), and the same into
 * `LOG_FILE`. Personal data and secrets are not logged; members that could hold one are blanked all the same.
 * @throws {ConfigError} where the file cannot be written
 */
export function createLogger(config: LogConfig, bindings: Record<string, string>, stream?: DestinationStream): Logger {
  const streams = [stream ?? destination({ fd: 1, sync: false })];
  if (config.file) streams.push(destination({ dest: writable(config.file), sync: false }));
  const form = config.format === 'text' ? streams.map(textStream) : streams;
  return pino(
    {
      level: config.level,
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
      redact: { paths: SECRET_PATHS, censor: '[hidden]' },
      serializers: { err: describeError },
    },
    multistream(form.map((one) => ({ stream: one, level: config.level }))),
  );
}

/** The stream opens its file later, and has nobody to tell of a fault then. */
function writable(file: string): string {
  try {
    mkdirSync(dirname(file), { recursive: true });
    closeSync(openSync(file, 'a'));
    return file;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([`LOG_FILE cannot be written (${code}): choose another file, or leave it out`]);
  }
}

/** An error for the log: what PostgreSQL adds to its errors holds rows, so only what names the fault is kept. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack } = error;
  const code = 'code' in error && ['string', 'number'].includes(typeof error.code) ? { code: error.code } : {};
  return {
    type: name,
    message,
    ...code,
    stack,
    ...(error.cause instanceof Error && { cause: describeError(error.cause) }),
  };
}

const SECRET_MEMBERS = [
  'authorization',
  'clientSecret',
  'password',
  'token',
  'accessToken',
  'credential',
  'privateKey',
];
const SECRET_PATHS = SECRET_MEMBERS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** `2026-11-21T09:00:00.000Z ERROR worker: message key=value`, one line an entry. */
function textStream(target: DestinationStream): DestinationStream {
  return {
    write(line: string): void {
      const { time, level, process: name, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
      const details = Object.entries(rest).map(([key, value]) => ` ${key}=${shown(value)}`);
      const entry = `${shown(time)} ${shown(level)} ${shown(name ?? 'outhaul')}: ${shown(msg ?? '')}${details.join('')}`;
      target.write(`${entry.replaceAll('\n', '\\n')}\n`);
    },
  };
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
