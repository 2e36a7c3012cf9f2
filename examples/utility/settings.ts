/** What the environment says. */
export interface Settings {
  readonly port: number;
  /** Who calls has it: `Authorization: Bearer`. */
  readonly token: string;
  /** `whsec_` and base64; undefined: signatures are not checked. */
  readonly signingKey: string | undefined;
  /** The most that one request's body may have. */
  readonly maxBodyMb: number;
  /** How long the work on one message may take; less than the caller waits. */
  readonly processSeconds: number;
  readonly logLevel: string;
}

/** The environment is not fit to start with; the message says what to do. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** @throws {SettingsError} */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const token = env['UTILITY_TOKEN'] ?? '';
  if (token.length < 16) {
    throw new SettingsError('Set UTILITY_TOKEN to the token of this utility, 16 characters or more');
  }
  const signingKey = env['SIGNING_KEY'] === '' ? undefined : env['SIGNING_KEY'];
  if (signingKey !== undefined && !/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(signingKey)) {
    throw new SettingsError('SIGNING_KEY must be "whsec_" and the key in base64, as Outhaul has shown it');
  }
  const logLevel = env['LOG_LEVEL'] ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new SettingsError(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`);
  }
  return {
    port: wholeNumber(env, 'PORT', 8000, 65_535),
    token,
    signingKey,
    // A body is parsed as one text, of which Node takes 512 MB.
    maxBodyMb: wholeNumber(env, 'MAX_BODY_MB', 64, 500),
    processSeconds: wholeNumber(env, 'PROCESS_SECONDS', 25, 3600),
    logLevel,
  };
}

function wholeNumber(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  otherwise: number,
  most: number,
): number {
  const value = Number(env[name] ?? otherwise);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new SettingsError(`${name} must be a whole number from 1 to ${most}`);
}
