import type { ScanRequest } from './api-client.ts';
import type { Cli } from './cli.ts';
import { UsageError } from './errors.ts';
import { Interrupted } from './interrupts.ts';
import { readTextFile } from './text-file.ts';

/** The app registration as the command line names it. A secret is never among it: others can read a command line. */
export interface CredentialOptions {
  readonly tenant?: string;
  readonly clientId?: string;
  /** A file, or `-` for standard input. */
  readonly clientSecretFile?: string;
  /** A PEM file with certificate and private key. */
  readonly certificate?: string;
}

type Auth = NonNullable<ScanRequest['auth']>;
/** What the app proves itself with. */
export type SecretPart = Pick<Auth, 'clientSecret' | 'clientCertificate'>;

/**
 * The app registration of a scan: from the options, then from the environment (`TENANT_ID`, `CLIENT_ID`,
 * `CLIENT_SECRET`, or the same with `AZURE_` before them), the secret last from a prompt. Undefined where nothing names
 * one: the organization's stored connection is used then.
 * @throws {UsageError}
 */
export async function readCredential(cli: Cli, options: CredentialOptions): Promise<Auth | undefined> {
  const tenantId = options.tenant ?? variable(cli.env, 'TENANT_ID');
  const clientId = options.clientId ?? variable(cli.env, 'CLIENT_ID');
  const isNamed = [tenantId, clientId, options.clientSecretFile, options.certificate].some(
    (part) => part !== undefined,
  );
  if (!isNamed) return undefined;
  if (tenantId === undefined) throw new UsageError('The tenant is missing', 'Give --tenant, or set TENANT_ID.');
  if (clientId === undefined) throw new UsageError('The application is missing', 'Give --client-id, or set CLIENT_ID.');
  return { tenantId, clientId, ...(await readSecretPart(cli, options)) };
}

/**
 * The certificate or the secret alone: from a file, the environment, or last a prompt.
 * @throws {UsageError}
 */
export async function readSecretPart(
  cli: Cli,
  { certificate, clientSecretFile }: Pick<CredentialOptions, 'certificate' | 'clientSecretFile'>,
): Promise<SecretPart> {
  if (certificate !== undefined && clientSecretFile !== undefined) {
    throw new UsageError(
      'A secret and a certificate were given',
      'Give one of --client-secret-file and --certificate.',
    );
  }
  if (certificate !== undefined) return { clientCertificate: await readTextFile(certificate) };
  if (clientSecretFile !== undefined) return { clientSecret: await readSecretFile(cli, clientSecretFile) };
  return { clientSecret: variable(cli.env, 'CLIENT_SECRET') ?? (await askForSecret(cli, CLIENT_SECRET)) };
}

const INSTEAD =
  'Set CLIENT_SECRET, give --client-secret-file FILE (- for standard input), or leave it out to be asked.';

/** A secret on the command line is refused, and so is said why, and what to do instead. */
export function secretAsArgument(what = 'A client secret', instead = INSTEAD): UsageError {
  return new UsageError(
    `${what} is not taken as an argument`,
    'Other users of this machine can read command lines, and shells keep them: if that was a real secret, replace it.\n' +
      instead,
  );
}

const variable = (env: NodeJS.ProcessEnv, name: string): string | undefined =>
  env[name] || env[`AZURE_${name}`] || undefined;

/**
 * A secret that is alone in a file, `-` for standard input.
 * @throws {UsageError}
 */
export async function readSecretFile(cli: Cli, file: string): Promise<string> {
  const text = file === '-' ? await readAll(cli.stdin) : await readTextFile(file);
  const secret = text.replace(/\r?\n$/, '');
  const source = file === '-' ? 'Standard input' : file;
  if (secret === '') throw new UsageError(`${source} holds no secret: it is empty`);
  if (/[\r\n]/.test(secret)) throw new UsageError(`${source} holds several lines: the secret alone must be in it`);
  return secret;
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

const CLIENT_SECRET = {
  message: 'Client secret (its value, not its id)',
  missing: 'The client secret is missing',
  advice: 'Set CLIENT_SECRET, or give --client-secret-file FILE (- for standard input), or --certificate FILE.',
};

/**
 * Asks for a secret at the terminal.
 * @param question `missing` and `advice` are said where there is no terminal
 * @throws {UsageError}
 */
export async function askForSecret(
  { stdin, notes, interrupts }: Cli,
  { message, missing, advice }: Readonly<Record<'message' | 'missing' | 'advice', string>>,
): Promise<string> {
  if (!stdin.isTTY || !notes.isLive) throw new UsageError(missing, advice);
  const { isCancel, password } = await import('@clack/prompts');
  const answer = await password({
    message,
    input: stdin,
    output: notes.stream,
    signal: interrupts.signal,
    validate: (text) => (text ? undefined : 'The secret is empty.'),
  });
  if (isCancel(answer)) throw new Interrupted('SIGINT');
  return answer.trim();
}
