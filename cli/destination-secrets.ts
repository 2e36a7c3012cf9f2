import { Option, type Command } from 'commander';
import type { Cli } from './cli.ts';
import { askForSecret, readSecretFile, secretAsArgument } from './credential.ts';
import { UsageError } from './errors.ts';

/** The secret of a destination as the command line names it: where it is, never what. */
export interface SecretOptions {
  readonly withToken?: boolean;
  readonly tokenFile?: string;
  readonly withPassword?: boolean;
  readonly passwordFile?: string;
  readonly signingKeyFile?: string;
  /** Given by mistake. */
  readonly token?: unknown;
  readonly password?: unknown;
  readonly signingKey?: unknown;
}

export interface SecretChangeOptions extends SecretOptions {
  readonly withoutToken?: boolean;
  readonly withoutPassword?: boolean;
  readonly newSigningKey?: boolean;
}

export const SECRETS_HELP = `
Secrets come from the environment (DESTINATION_TOKEN, DESTINATION_PASSWORD), a file or standard input, or are asked for.
They are never arguments: other users of a machine can read command lines, and shells keep them. They are kept sealed,
and never shown.`;

export const withSecrets = (command: Command): Command =>
  command
    .option('--with-token', 'send a bearer token: from DESTINATION_TOKEN, or asked for')
    .option('--token-file <file>', 'the same, from a file, - for standard input')
    .option('--with-password', 'a password of Redis: from DESTINATION_PASSWORD, or asked for')
    .option('--password-file <file>', 'the same, from a file, - for standard input')
    .option('--signing-key-file <file>', 'file with the key that signs requests (default: one is made, and shown once)')
    .addOption(new Option('--token [value]').hideHelp())
    .addOption(new Option('--password [value]').hideHelp())
    .addOption(new Option('--signing-key [value]').hideHelp());

export const withSecretChanges = (command: Command): Command =>
  withSecrets(command)
    .option('--without-token', 'send no token any more')
    .option('--without-password', 'use no password any more')
    .option('--new-signing-key', 'make a new key that signs requests; it is shown once');

/**
 * The parts of the secret that the options name; null for those that are taken away.
 * @throws {UsageError}
 */
export async function readDestinationSecret(
  cli: Cli,
  options: SecretChangeOptions,
): Promise<Record<string, string | null> | undefined> {
  const { token, password, signingKey } = options;
  const given = [token, password, signingKey].findIndex((value) => value !== undefined);
  if (given >= 0) throw secretAsArgument(`A ${['token', 'password', 'signing key'][given]}`, ADVICE[given]);
  const parts: Record<string, string | null | undefined> = {
    token: await partOf(cli, TOKEN, options.withToken, options.tokenFile, options.withoutToken),
    password: await partOf(cli, PASSWORD, options.withPassword, options.passwordFile, options.withoutPassword),
    signingKey: await partOf(cli, SIGNING_KEY, false, options.signingKeyFile, options.newSigningKey),
  };
  const named = Object.entries(parts).filter((part): part is [string, string | null] => part[1] !== undefined);
  return named.length === 0 ? undefined : Object.fromEntries(named);
}

interface Part {
  readonly noun: string;
  readonly variable: string;
  readonly advice: string;
}

const TOKEN: Part = {
  noun: 'Bearer token',
  variable: 'DESTINATION_TOKEN',
  advice: 'Set DESTINATION_TOKEN and give --with-token, or give --token-file FILE (- for standard input).',
};
const PASSWORD: Part = {
  noun: 'Password of Redis',
  variable: 'DESTINATION_PASSWORD',
  advice: 'Set DESTINATION_PASSWORD and give --with-password, or give --password-file FILE (- for standard input).',
};
const SIGNING_KEY: Part = { noun: 'Signing key', variable: '', advice: 'Give --signing-key-file FILE.' };
const ADVICE = [TOKEN.advice, PASSWORD.advice, SIGNING_KEY.advice];

async function partOf(
  cli: Cli,
  { noun, variable, advice }: Part,
  wanted: boolean | undefined,
  file: string | undefined,
  gone: boolean | undefined,
): Promise<string | null | undefined> {
  const ways = [wanted, file !== undefined, gone].filter((way) => way === true).length;
  if (ways > 1) throw new UsageError(`${noun}: several of its options were given`, 'Give one of them.');
  if (gone) return null;
  if (file !== undefined) return readSecretFile(cli, file);
  if (!wanted) return undefined;
  return cli.env[variable] || askForSecret(cli, { message: noun, missing: `${noun}: it is missing`, advice });
}
